"""The same questions before and after something was shown: hand-computed gains, and what must not be compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from blank_figures import blank_figures
from synthetic import QUICK, Plan, records, run_info, write_run

from lens_report import build_report
from lens_report.measures import BeforeAfter, before_after, task_runs
from lens_report.stats import ratio_of_means
from lens_results import RecordWriter, SampleRecord, load, merge

BEFORE, AFTER = "video_mmmu_adaptation_question_only", "video_mmmu_adaptation"


def write(folder: Path, task: str, right: list[bool], *, run_id: str, gold_of: int | None = None) -> Path:
    """A run in which question i is answered rightly or not as given; `gold_of` gets another right answer."""
    plan = Plan(n=len(right), per_image=2, task=task, run_id=run_id, scored=False)
    info = run_info(plan)
    with RecordWriter(folder, info, part_rows=2048, part_seconds=1e9) as writer:
        for record, is_right in zip(records(plan), right, strict=True):
            gold = record.gold_candidate if record.doc_id != gold_of else 1 - (record.gold_candidate or 0)
            writer.append(answered(record, int(gold or 0), is_right))
    merge(folder, info.run_id)
    return folder


def answered(record: SampleRecord, gold: int, is_right: bool) -> SampleRecord:
    emerged = float(record.doc_id % 3 == 0)
    layer = 6.0 if is_right else None
    return replace(
        record,
        gold=(record.candidates[gold],),
        gold_candidate=gold,
        pred_candidate=gold if is_right else 1 - gold,
        correct=is_right,
        scores={},
        gold_based={**record.gold_based, "emerged": emerged, "stable_correct_layer": layer},
    )


def pair(tmp_path: Path, before: list[bool], after: list[bool], **changes: int) -> list[BeforeAfter]:
    first = load(write(tmp_path / "a", BEFORE, before, run_id="20260131T120000Z-00000001"))
    second = load(write(tmp_path / "b", AFTER, after, run_id="20260131T120000Z-00000002", **changes))
    return before_after([*task_runs(first, "tiny"), *task_runs(second, "tiny")])


def test_the_gain_is_the_one_computed_by_hand(tmp_path: Path) -> None:
    # 12 right before; of the 28 wrong ones 14 are learnt, of the 12 right ones 3 are lost
    before = [i < 12 for i in range(40)]
    after = [i < 9 or 12 <= i < 26 for i in range(40)]
    (found,) = pair(tmp_path, before, after)
    assert (found.comparison.mean_a, found.comparison.mean_b) == (pytest.approx(12 / 40), pytest.approx(23 / 40))
    assert found.gain.value == pytest.approx((57.5 - 30.0) / (100 - 30.0))
    assert (found.comparison.b_higher, found.comparison.a_higher) == (14, 3)
    assert (found.learnt.value, found.learnt.n) == (pytest.approx(14 / 28), 28)
    assert (found.lost.value, found.lost.n) == (pytest.approx(3 / 12), 12)
    assert found.comparison.difference.n_clusters == 20
    assert found.layers is not None
    learnt = range(12, 26)
    assert found.layers.held_before.value == pytest.approx(np.mean([i % 3 == 0 for i in learnt]))
    assert (found.layers.depth.value, found.layers.depth.n) == (pytest.approx(0.5), 14)
    assert found.layers.depth_known.n == 9


def test_questions_with_another_right_answer_are_left_out(tmp_path: Path) -> None:
    right = [i % 2 == 0 for i in range(40)]
    (found,) = pair(tmp_path, right, right, gold_of=7)
    assert (found.relabelled, found.comparison.difference.n) == (1, 39)


def test_all_right_before_leaves_nothing_to_gain(tmp_path: Path) -> None:
    (found,) = pair(tmp_path, [True] * 40, [i > 3 for i in range(40)])
    assert (found.gain.value, found.gain.note) == (None, "the denominator is zero")
    assert found.learnt.n == 0
    assert found.lost.value == pytest.approx(0.1)


def test_runs_of_other_models_are_no_pair(tmp_path: Path) -> None:
    write_run(tmp_path, n=40, task=BEFORE)
    write_run(tmp_path, n=40, task=AFTER, model="acme/other", run_id="20260131T120000Z-00000002")
    first, second = (load(file) for file in sorted(tmp_path.glob("*.parquet")))
    assert before_after([*task_runs(first, "a"), *task_runs(second, "b")]) == []


@pytest.mark.end_to_end
def test_a_report_says_what_was_learnt_and_which_pair_was_not_found(tmp_path: Path) -> None:
    write(tmp_path / "runs", "easy", [i < 12 for i in range(40)], run_id="20260131T120000Z-00000001")
    write(tmp_path / "runs", "shown", [i < 30 for i in range(40)], run_id="20260131T120000Z-00000002")
    with blank_figures():
        made = build_report(
            tmp_path / "runs", tmp_path / "report", draws=QUICK, before_after=[("easy", "shown"), ("shown", "nothing")]
        )
    text = made.markdown.read_text(encoding="utf-8")
    assert "from easy to shown the share of right answers goes from 30.0 % to 75.0 % on 40 questions" in text
    assert [problem.what for problem in made.problems] == ["shown=nothing"]


def test_the_interval_of_a_ratio_is_that_of_a_cluster_bootstrap() -> None:
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(120), 4)
    shared = rng.normal(size=120)[clusters]
    b = 2 + 0.5 * shared + rng.random(clusters.size)
    a = 0.4 * b + 0.5 * shared + rng.normal(size=clusters.size)
    found = ratio_of_means(a, b, clusters)
    assert found.value == pytest.approx(a.mean() / b.mean())
    sums = np.stack([np.bincount(clusters, weights=each) for each in (a, b)])
    drawn = rng.integers(0, 120, (4000, 120))
    ratios = sums[0][drawn].sum(axis=1) / sums[1][drawn].sum(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.1 * (high - low))
    assert found.high == pytest.approx(high, abs=0.1 * (high - low))


@pytest.mark.parametrize(
    ("a", "b", "why"), [([], [], "no rows"), ([1.0, 2.0], [0.0, 0.0], "zero"), ([np.nan], [1.0], "no rows")]
)
def test_a_ratio_that_is_not_defined_says_why(a: list[float], b: list[float], why: str) -> None:
    found = ratio_of_means(a, b, np.arange(len(a)))
    assert found.value is None
    assert why in found.note

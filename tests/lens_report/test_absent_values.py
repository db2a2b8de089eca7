"""What was not measured is absent from a report, and no column holds two quantities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lens_results.storage
from lens_models.metrics import LayerReadout, gold_based_scalars, label_free_scalars
from lens_report import Draws
from lens_report.measures import analyse_task_run
from lens_report.measures.candidates import gold_leads
from lens_report.measures.curves import curves
from lens_report.measures.emergence import emergence
from lens_report.measures.groups import groups
from lens_report.measures.pivot import pivot
from lens_report.measures.prediction import prediction
from lens_report.measures.task_run import TaskRun, task_runs
from lens_report.presentation.findings.layers import lost_blocks
from lens_report.presentation.leaderboard.entries import COLUMNS, entry
from lens_results import LensInfo, ModelInfo, RecordWriter, RunInfo, SampleRecord, load, merge

LAYERS, N = 4, 60
QUICK = Draws(bootstrap=50, permutations=19, simulations=5)


def layers_of(number: int, *, closed: bool, right: bool, sequences: bool = False) -> LayerReadout:
    rng = np.random.default_rng(number)
    scores = rng.normal(0, 2, (LAYERS, 2 if closed or not right else 1))
    if closed:
        scores[-1] = (3, 0) if right else (0, 3)
    return LayerReadout(
        layer_index=np.arange(1, LAYERS + 1),
        n_layers=LAYERS,
        cand_scores=scores - 30 * sequences,
        cand_mass=np.full(LAYERS, 1e-9 if sequences else 0.8),
        logprob_pred=-rng.exponential(1, LAYERS),
        entropy=rng.uniform(0, 3, LAYERS),
        jsd_last=np.array([0.5, 0.3, 0.2, 0.0]),
        top1_ids=rng.integers(0, 5, LAYERS),
        pred_index=0 if right or not closed else 1,
        candidates_fixed=closed,
        pred_token=3,
        sequences=sequences,
    )


def sample(number: int, *, closed: bool, sequences: bool = False, old: bool = False, **changes: Any) -> SampleRecord:
    right = number % 3 > 0
    read = layers_of(number, closed=closed, right=right, sequences=sequences)
    gold = 0 if closed or right else 1
    free = label_free_scalars(read)
    based = gold_based_scalars(read, gold, right if closed or right else None)
    if old and not closed:  # what releases before format 1.2 wrote
        free = {name.removeprefix("vocab_"): value for name, value in free.items() if value is not None}
        based |= {"correct_then_lost": 0.0, "wrong_then_corrected": 0.0}
    fields: dict[str, Any] = {
        "task": "mixed", "doc_id": number, "kind": "generate", "response": "yes", "question": f"q{number}",
        "candidates": ("yes", "no")[: read.n_candidates], "candidate_method": "first_token",
        "candidate_score": None if old else "logit", "gold_candidate": gold, "pred_candidate": read.pred_index,
        "correct": right if closed or right else None, "image_sha256": (f"{number:064x}",), "label_free": free,
        "gold_based": based, "scores": {"acc": float(right)},
        **{name: getattr(read, name) for name in ("cand_scores", "cand_mass", "logprob_pred", "entropy", "jsd_last")},
        "margin_pred": read.margins[:, read.pred_index or 0] if closed else None,
    }  # fmt: skip
    if sequences:
        fields |= {"candidate_method": "teacher_forced", "candidate_score": None if old else "logprob"}
    return SampleRecord(**(fields | changes))


def task_run_of(folder: Path, *records: SampleRecord) -> TaskRun:
    info = RunInfo(
        "r",
        ModelInfo("m", LAYERS),
        LensInfo(tuple(range(1, LAYERS + 1)), thresholds={"theta": 0.1, "m": 2, "delta": 1}),
    )
    with RecordWriter(folder, info) as writer:
        for record in records:
            writer.append(record)
    merge(folder, "r")
    (found,) = task_runs(load(folder))
    return found


def mixed(folder: Path, **changes: Any) -> TaskRun:
    """Two thirds closed, one third open, right and wrong answers in both."""
    return task_run_of(folder, *(sample(number, closed=number % 5 > 1, **changes) for number in range(N)))


@pytest.mark.parametrize("old", [False, True])
def test_shares_of_candidates_and_probabilities_of_the_vocabulary_stay_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    if old:
        monkeypatch.setattr(lens_results.storage, "VERSION", "1.1")
    task_run = mixed(tmp_path, old=old)
    monkeypatch.undo()
    closed = np.arange(N) % 5 > 1
    frame = task_run.frame
    for number in range(N):
        free = label_free_scalars(layers_of(number, closed=bool(closed[number]), right=number % 3 > 0))
        for name in ("final_prob", "auc_pred", "flips", "vocab_final_prob", "vocab_auc_pred", "vocab_flips"):
            np.testing.assert_equal(
                frame.loc[number, f"label_free.{name}"], np.nan if free[name] is None else free[name]
            )
    assert frame["label_free.final_prob"].notna().to_numpy().tolist() == closed.tolist()
    assert frame["label_free.vocab_final_prob"].notna().to_numpy().tolist() == (~closed).tolist()
    assert task_run.confidence == "label_free.final_margin", "the confidence of the larger part"
    ranked = prediction(task_run, QUICK).ranking
    assert ranked is not None
    by_column = {one.column: one.association.auroc.n for one in ranked.predictors}
    assert by_column["label_free.auc_pred"] == closed.sum()
    assert by_column["label_free.vocab_auc_pred"] == (~closed).sum()
    found = emergence(task_run)
    assert found is not None and found.first.emerged.n == closed.sum(), "one curve is not about both kinds"
    np.testing.assert_array_equal(np.isfinite(gold_leads(task_run)).any(axis=1), closed)


@pytest.mark.parametrize("old", [False, True])
def test_lost_and_corrected_of_open_tasks_are_absent_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    if old:
        monkeypatch.setattr(lens_results.storage, "VERSION", "1.1")
    task_run = task_run_of(tmp_path, *(sample(number, closed=False, old=old) for number in range(N)))
    monkeypatch.undo()
    assert task_run.confidence == "label_free.vocab_final_prob"
    analysis = analyse_task_run(task_run, QUICK)
    assert analysis.emergence is not None
    assert (analysis.emergence.lost, analysis.emergence.corrected) == ({}, {})
    row = dict(zip(COLUMNS, (cell.text for cell in entry(analysis, ()).cells()), strict=True))
    assert (row["lost, of wrong"], row["corrected, of right"]) == ("–", "–")
    assert "not known beforehand" in str(lost_blocks(analysis))
    assert analysis.abstentions.scores, "open tasks abstain by the vocabulary's metrics"


def test_right_choices_of_many_tokens_emerge_and_their_mass_is_no_mass(tmp_path: Path) -> None:
    task_run = task_run_of(tmp_path, *(sample(number, closed=True, sequences=True) for number in range(N)))
    found = emergence(task_run)
    assert found is not None and found.first.emerged.value is not None and found.shuffled is not None
    assert found.first.emerged.value > 0.5 and (found.shuffled.emerged.value or 0) > 0
    assert curves(task_run).mass == ()


def test_the_pivot_leaves_out_what_was_scored_as_sequences(tmp_path: Path) -> None:
    english = {"pivot_labels": ("yes", "no"), "pivot_scores": np.ones((LAYERS, 2))}
    task_run = task_run_of(
        tmp_path, *(sample(number, closed=True, sequences=number >= 40, **english) for number in range(N))
    )
    found = pivot(task_run)
    assert found is not None and (found.n, found.n_sequences) == (40, 20)


def images(*names: str) -> pd.Series:
    return pd.Series([(name,) if name else () for name in names])


def test_one_label_for_all_images_is_no_cluster() -> None:
    found = groups(pd.Series(["COCO"] * 6), images(*"aabbcd"))
    assert found.labels.tolist() == list("aabbcd")
    assert found.note.startswith("the records' clusters have 1 label for 4 different images")
    few = groups(pd.Series(["COCO", "VG", "web"] * 20), images(*(str(n) for n in range(60))))
    assert few.labels.nunique() == 60 and "3 labels" in few.note


def test_a_label_of_most_images_is_no_cluster() -> None:
    """MM-Vet's `image_source` calls most of its images COCO; the others have many names."""
    labels = pd.Series(["COCO"] * 60 + [f"site {n // 2}" for n in range(40)])
    shown = images(*(f"sha{n // 2}" for n in range(100)))
    assert groups(labels, shown).labels.tolist() == [f"sha{n // 2}" for n in range(100)]


@pytest.mark.parametrize(
    ("clusters", "pictures"),
    [
        (["i1", "i1", "i2", "i2"], "aabb"),
        (["p1", "p1", "p2", "p2", "p3", "p3"], "abcdef"),
        (["pair", "pair"], "ab"),
        (["one"] * 50, "a" * 50),
        ([f"pair{n // 2}" for n in range(80)], [f"sha{n}" for n in range(80)]),
        (["x"] * 3, ("", "", "")),
    ],
)
def test_clusters_of_images_and_pairs_are_taken(clusters: list[str], pictures: Any) -> None:
    found = groups(pd.Series(clusters), images(*pictures))
    assert (found.labels.tolist(), found.note) == (clusters, "")


def test_samples_without_a_cluster_are_grouped_by_their_images() -> None:
    found = groups(pd.Series([None, None, "c", None], dtype=object), images("a", "a", "b", ""))
    assert found.labels.fillna("-").tolist() == ["a", "a", "c", "-"]


def test_the_report_says_when_it_does_not_take_the_clusters(tmp_path: Path) -> None:
    from lens_report.presentation.findings.score import score_blocks

    task_run = task_run_of(tmp_path, *(sample(number, closed=True, cluster="COCO") for number in range(N)))
    assert task_run.clusters.n_present() == N
    assert "1 label for 60 different images" in str(score_blocks(analyse_task_run(task_run, QUICK)))
    assert replace(task_run, label="x").groups.note


def test_an_open_task_without_a_stored_score_has_none(tmp_path: Path) -> None:
    task_run = task_run_of(tmp_path, *(sample(number, closed=False, scores={}) for number in range(N)))
    assert task_run.frame["correct"].dropna().all(), "of open answers the record knows only which are right"
    found = analyse_task_run(task_run, QUICK).scores.score
    assert (found.value, found.n, found.note) == (None, 0, "no rows with a value")


def test_without_a_stored_score_the_verdict_is_of_answers_with_candidates(tmp_path: Path) -> None:
    task_run = mixed(tmp_path, scores={})
    closed = np.arange(N) % 5 > 1
    found = analyse_task_run(task_run, QUICK).scores
    assert (found.main, found.score.n) == ("lens verdict", closed.sum())
    assert found.score.value == pytest.approx(np.mean((np.arange(N) % 3 > 0)[closed]))

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from relabelled import Relabel, relabelled, rewrite, stripped
from scipy.special import softmax
from scipy.stats import entropy
from synthetic import Plan, write_run

from lens_report.measures.task_run import task_runs
from lens_report.measures.unlabelled import COLUMNS, LABELS, READOUTS, answer_set, labelled, unlabelled
from lens_report.stats.label_free import METHODS
from lens_results import Run, SampleRecord, load

THREE = ("red", "green", "blue")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    plan = Plan(n=180, candidates=THREE, format_errors=0.1, failed=0.05, controls=True, task="synth")
    return load(write_run(tmp_path_factory.mktemp("run"), plan))


def view(run: Run) -> pd.DataFrame:
    (task_run,) = task_runs(run)
    return unlabelled(task_run)


def test_only_the_listed_columns_are_there(run: Run) -> None:
    assert tuple(view(run).columns) == COLUMNS
    (task_run,) = task_runs(run)
    assert tuple(labelled(task_run).columns) == (*COLUMNS, *LABELS)


def test_each_column_is_what_the_record_says(run: Run) -> None:
    frame, samples = view(run), run.samples
    for row, values in frame.iterrows():
        scores = run.stack("cand_scores")[row]
        shares = softmax(scores[-1])
        assert values["confidence"] == samples.loc[row, "label_free.final_prob"]
        np.testing.assert_allclose(values["shares"], shares, atol=1e-12)
        assert values["entropy"] == pytest.approx(entropy(shares), abs=1e-12)
        assert values["candidates"] == THREE
        pred = int(samples.loc[row, "pred_candidate"])
        late = scores[8:]  # layers 9 to 12 of 12: deeper than two thirds
        leads = [float(layer[pred] > np.delete(layer, pred).max()) for layer in late]
        assert values["last_agreement"] == pytest.approx(np.mean(leads))
        at = np.interp([0.2, 0.4, 0.6, 0.8], np.arange(1, 13) / 12, run.stack("entropy")[row]) / np.log(32_000)
        np.testing.assert_allclose(values[[f"entropy_{k}" for k in (20, 40, 60, 80)]].astype(float), at, atol=1e-12)
        assert values["commit_depth"] == samples.loc[row, "label_free.commit_depth"]


def test_answers_that_were_not_read_or_name_no_candidate_are_left_out(run: Run) -> None:
    samples = run.samples
    expected = samples.index[(samples["status"] == "ok") & samples["pred_candidate"].notna()]
    assert list(view(run).index) == list(expected)
    assert 0 < len(expected) < len(samples)


@pytest.mark.parametrize("change", [stripped, relabelled(1), relabelled(2)], ids=["stripped", "other", "another"])
def test_labels_never_reach_the_view(run: Run, tmp_path: Path, change: Relabel) -> None:
    """Whatever the right answers are said to be, the view is the same to the last bit, and so are the predictions."""
    again = load(rewrite(run, tmp_path, change))
    if change is not stripped:
        assert not again.samples["correct"].equals(run.samples["correct"]), "the labels are others"
    first, second = view(run), view(again)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert first.to_json(double_precision=15) == second.to_json(double_precision=15)
    sources = [answer_set(labelled(task_runs(run)[0]).iloc[start::5], str(start)) for start in range(5)]
    for method in METHODS.values():
        fitted = method.fit(sources, None)
        one, other = (fitted.accuracy(answer_set(frame, "target")) for frame in (first, second))
        assert np.float64(one).tobytes() == np.float64(other).tobytes(), method.name


def test_an_answer_with_candidates_that_the_gold_answer_chose_is_not_read_on_them(run: Run, tmp_path: Path) -> None:
    """Such records have no label-free scalars on candidates; their candidates and scores are then left alone."""

    def opened(record: SampleRecord) -> SampleRecord:
        if record.status != "ok" or record.pred_candidate is None:
            return record
        kept = {name: value for name, value in record.label_free.items() if name in ("settle_depth", "dola_jsd")}
        kept |= {"vocab_final_prob": 0.5, "vocab_commit_depth": 0.25}
        return replace(record, label_free=kept)

    frame = view(load(rewrite(run, tmp_path, opened)))
    assert not frame["closed"].any()
    assert frame["candidates"].isna().all()
    assert frame["shares"].isna().all()
    assert set(frame["confidence"]) == {0.5}
    assert set(frame["commit_depth"]) == {0.25}
    np.testing.assert_array_equal(frame["entropy"], run.stack("entropy")[frame.index, -1])


def test_labels_are_the_records_own(run: Run) -> None:
    (task_run,) = task_runs(run)
    frame, samples = labelled(task_run), run.samples
    rows = frame.index
    assert list(frame["right"]) == [float(value) for value in samples.loc[rows, "correct"]]
    assert list(frame["gold"]) == [THREE[int(place)] for place in samples.loc[rows, "gold_candidate"]]


def test_a_set_has_one_axis_for_all_candidates(run: Run) -> None:
    (task_run,) = task_runs(run)
    frame = labelled(task_run)
    turned = frame.copy()
    turned["candidates"] = [tuple(reversed(labels)) for labels in frame["candidates"]]
    turned["shares"] = [shares[::-1] for shares in frame["shares"]]
    mixed = answer_set(pd.concat([frame.iloc[:50], turned.iloc[50:]]), "mixed")
    plain = answer_set(frame, "plain")
    assert mixed.candidates == plain.candidates == THREE
    np.testing.assert_array_equal(mixed.shares, plain.shares)
    np.testing.assert_array_equal(mixed.gold, plain.gold)
    assert set(plain.scores) == {"confidence", "entropy", *READOUTS}
    assert plain.clusters.n_present() == frame["cluster"].nunique()


def test_a_question_is_asked_once_of_each_picture(tmp_path: Path) -> None:
    questions = {place: f"the same {place % 6}" for place in range(60)}
    found = view(load(write_run(tmp_path, n=60, questions=questions)))
    assert len(found) == 60, "other pictures"
    again = dict.fromkeys(range(60), "the same")
    assert len(view(load(write_run(tmp_path / "again", n=60, questions=again)))) == 10, "six questions a picture"

"""Calibration from records: the probabilities are those of the last layer, and what is missing is absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import brier_score_loss, log_loss
from synthetic import Plan, write_run

from lens_report.measures import calibrations, task_runs
from lens_report.measures.calibration import CANDIDATES, SCALED, VOCABULARY
from lens_report.measures.task_run import TaskRun
from lens_report.presentation.findings.calibration import calibration_blocks
from lens_report.presentation.leaderboard import build_leaderboard
from lens_results import load


def task_run(folder: Path, **changes: object) -> TaskRun:
    (found,) = task_runs(load(write_run(folder, Plan(**changes))))  # type: ignore[arg-type]
    return found


def test_the_probability_is_that_of_the_answer_among_the_candidates(tmp_path: Path) -> None:
    run = task_run(tmp_path, n=360, candidates=("a", "b", "c"))
    found = calibrations(run)
    frame = run.frame.drop_duplicates(subset=["group", "question"])
    rows = frame.index.to_numpy()
    scores = run.stack("cand_scores")[rows, -1]
    given = frame["pred_candidate"].to_numpy(dtype=int)
    probability = softmax(scores, axis=1)[np.arange(rows.size), given]
    right = frame["correct"].to_numpy(dtype=bool)
    own = found.by[CANDIDATES]
    assert found.main is own and own.error.n == rows.size
    assert own.brier.value == pytest.approx(brier_score_loss(right, probability), rel=1e-5)
    assert own.nll.value == pytest.approx(log_loss(right, probability), rel=1e-4)
    whole = np.exp(run.stack("logprob_pred")[rows, -1])
    assert found.by[VOCABULARY].brier.value == pytest.approx(brier_score_loss(right, whole), rel=1e-5)


def test_a_temperature_takes_off_what_a_factor_puts_on(tmp_path: Path) -> None:
    found = calibrations(task_run(tmp_path, n=600))
    assert found.temperatures.shape == (5,) and np.ptp(np.log(found.temperatures)) < 1
    before, after = found.by[CANDIDATES], found.by[SCALED]
    assert after.nll.value <= before.nll.value + 0.02
    assert after.aurc.value == pytest.approx(before.aurc.value, abs=0.05), "two candidates keep their order in a fold"


def test_without_verdicts_there_is_nothing(tmp_path: Path) -> None:
    run = task_run(tmp_path, gold=False, scored=False)
    found = calibrations(run)
    assert not found.by and found.main is None and "verdict" in found.why_none


def test_all_right_is_told_without_an_interval(tmp_path: Path) -> None:
    found = calibrations(task_run(tmp_path, all_right=True))
    own = found.by[CANDIDATES]
    assert own.error.low is None and "0 wrong" in own.error.note
    assert own.overconfidence.value is not None and own.overconfidence.value < 0


def test_leaderboard_and_report_have_the_same_numbers(tmp_path: Path) -> None:
    from lens_report import Draws, analyse

    write_run(tmp_path, Plan(n=240))
    draws = Draws(bootstrap=50, permutations=49, simulations=10)
    (analysis,) = analyse(load(tmp_path), draws=draws)
    (entry, *_) = build_leaderboard(tmp_path, published=False, draws=draws).entries
    main = analysis.calibrations.main
    assert main is not None and (entry.calibration, entry.brier) == (main.error, main.brier)
    text = " ".join(
        sentence.text for block in calibration_blocks(analysis) for sentence in getattr(block, "sentences", ())
    )
    assert "among the candidates is off by" in text and "With a temperature fitted on other samples" in text

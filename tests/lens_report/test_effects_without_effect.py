"""Where a change does nothing, the paired test says so: it rejects as often as it promises, over many repeated runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import write_run

from lens_report.measures.effects import Effect, effects
from lens_report.measures.task_run import TaskRun, task_runs
from lens_report.stats import paired
from lens_results import load

PICTURES, QUESTIONS = 40, 4
FAMILIES, TRIED = 125, 4
"""500 comparisons at 5 %: nineteen of twenty such counts lie within 2 points of it."""


def judged(base: TaskRun, right: np.ndarray, label: str) -> TaskRun:
    """The base with other verdicts `[pictures, questions]`, which are the task's score."""
    values = right.ravel().astype(np.float64)
    other = TaskRun(base.run, base.task, label)
    score = replace(base.score, values=values, judged=values)
    vars(other).update(recorded=base.recorded, groups=base.groups, frame=base.frame.assign(verdict=values), score=score)
    return other


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> TaskRun:
    """Four questions a picture of which two are answered right, so that it can be changed for the better and worse.

    It was read from a file as `build_effects` reads it; what a comparison does not look at is shared by all.
    """
    folder = tmp_path_factory.mktemp("base")
    (run,) = task_runs(load(write_run(folder, n=PICTURES * QUESTIONS, per_image=QUESTIONS, layers=4)))
    return judged(run, np.tile([True, True, False, False], (PICTURES, 1)), "base")


def changed(base: TaskRun, number: int, rng: np.random.Generator) -> TaskRun:
    """Both questions of a picture are corrected, or both broken, or neither, each as likely."""
    right = base.score.values.reshape(PICTURES, QUESTIONS).astype(bool)
    for picture, turn in zip(right, rng.integers(-1, 2, PICTURES), strict=True):
        if turn:
            picture[:] = turn > 0
    return judged(base, right, f"run {number}")


@pytest.fixture(scope="module")
def families(base: TaskRun) -> list[list[Effect]]:
    rng = np.random.default_rng(0)
    return [
        effects([base], [changed(base, TRIED * family + place, rng) for place in range(TRIED)])
        for family in range(FAMILIES)
    ]


def test_one_comparison_of_twenty_rejects(families: list[list[Effect]]) -> None:
    first = families[0][0].comparison.result
    assert (first.difference.n, first.difference.n_clusters) == (PICTURES * QUESTIONS, PICTURES)
    p = np.asarray([one.comparison.result.p_value for family in families for one in family], dtype=float)
    assert p.size == FAMILIES * TRIED and np.isfinite(p).all()
    assert 0.03 <= (p < 0.05).mean() <= 0.07


def test_corrected_for_what_was_tried_one_family_of_twenty_does(families: list[list[Effect]]) -> None:
    corrected = np.asarray([[one.p_holm for one in family] for family in families], dtype=float)
    # 125 families at no more than 5 %: more than 10 % of them happen once in a hundred such tests
    assert (corrected < 0.05).any(axis=1).mean() <= 0.1


def test_without_clusters_it_would_reject_far_too_often(base: TaskRun) -> None:
    """The same runs with every question a cluster of its own: what the clusters are for."""
    rng, before = np.random.default_rng(0), base.score.values
    p = [paired(before, changed(base, i, rng).score.values, np.arange(before.size)).p_value for i in range(300)]
    assert np.mean([one is not None and one < 0.05 for one in p]) > 0.1

"""The same answer read out under another image: what of it depends on the image?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lens_report.measures.candidates import answer_log_odds, indices
from lens_report.measures.curves import ALL, RIGHT, WRONG, GroupCurve, grouped
from lens_report.measures.task_run import Floats, TaskRun
from lens_report.stats import Estimate, score_interval

WITH_IMAGE = "own image"
SCALES = {"log_odds": "log-odds of the answer given (nats)", "logprob": "log p of the answer given (nats)"}


@dataclass(frozen=True, eq=False)
class Control:
    """One control beside the run itself.

    Attributes:
        name: `blank`, `shuffled`, ...
        n: Samples with both readouts.
        gain: Own image minus control, by layer and verdict, on the scale of `Controls`.
        final_gain: Group -> its mean at the last layer.
    """

    name: str
    n: int
    gain: tuple[GroupCurve, ...]
    final_gain: dict[str, Estimate]


@dataclass(frozen=True, eq=False)
class Controls:
    """All controls of a task.

    Attributes:
        layers: int [L].
        scale: Key of `SCALES`: log-odds among the candidates, or log p where there are none.
        levels: Mean by layer with the own image and with each control.
        controls: The differences.
    """

    layers: np.ndarray
    scale: str
    levels: tuple[GroupCurve, ...]
    controls: tuple[Control, ...]


def controls(task_run: TaskRun) -> Controls | None:
    """The controls of a task; None when none was run."""
    for scale in SCALES:
        own = _answer(task_run, scale, None)
        others = {name: _answer(task_run, scale, name) for name in task_run.run.controls}
        others = {name: values for name, values in others.items() if np.isfinite(values - own).any()}
        if others:
            everything = {ALL: np.ones(len(task_run.frame), dtype=bool)}
            levels = [
                GroupCurve(name, line.curve, line.n)
                for name, values in {WITH_IMAGE: own, **others}.items()
                for line in grouped(task_run, values, everything)
            ]
            found = tuple(_control(task_run, name, own - values) for name, values in others.items())
            return Controls(task_run.layers, scale, tuple(levels), found)
    return None


def _answer(task_run: TaskRun, scale: str, control: str | None) -> Floats:
    """The answer given by layer on a scale, float [n, L]."""
    if scale == "logprob":
        return task_run.stack("logprob_pred", control)
    scores = task_run.wide("cand_scores", control)
    if scores is None:
        return np.full((len(task_run.frame), task_run.layers.size), np.nan)
    odds = answer_log_odds(scores, indices(task_run, "pred_candidate"))
    return np.where(task_run.closed_rows[:, None], odds, np.nan)


def _control(task_run: TaskRun, name: str, gain: Floats) -> Control:
    verdict = task_run.frame["verdict"].to_numpy(dtype=np.float64)
    members = {ALL: np.ones(verdict.size, dtype=bool), RIGHT: verdict == 1, WRONG: verdict == 0}
    lines = grouped(task_run, gain, {group: members[group] for group in (RIGHT, WRONG)})
    final = {
        group: score_interval(gain[rows, -1], task_run.clusters.at(rows))
        for group, rows in members.items()
        if np.isfinite(gain[rows, -1]).any()
    }
    return Control(name, int(np.isfinite(gain).any(axis=1).sum()), lines, final)

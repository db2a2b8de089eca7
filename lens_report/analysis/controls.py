"""The same answer read out under another image: what of it hangs on the picture?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lens_report.analysis.candidates import answer_log_odds, indices
from lens_report.analysis.curves import ALL, RIGHT, WRONG, GroupCurve, grouped
from lens_report.stats import Estimate, score_interval
from lens_report.subject import Floats, Subject

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


def controls(subject: Subject) -> Controls | None:
    """The controls of a task; None when none was run."""
    for scale in SCALES:
        own = _answer(subject, scale, None)
        others = {name: _answer(subject, scale, name) for name in subject.run.controls}
        others = {name: values for name, values in others.items() if np.isfinite(values - own).any()}
        if others:
            everything = {ALL: np.ones(len(subject.frame), dtype=bool)}
            levels = [
                GroupCurve(name, line.curve, line.n)
                for name, values in {WITH_IMAGE: own, **others}.items()
                for line in grouped(subject, values, everything)
            ]
            found = tuple(_control(subject, name, own - values) for name, values in others.items())
            return Controls(subject.layers, scale, tuple(levels), found)
    return None


def _answer(subject: Subject, scale: str, control: str | None) -> Floats:
    """The answer given by layer on a scale, float [n, L]."""
    if scale == "logprob":
        return subject.stack("logprob_pred", control)
    scores = subject.wide("cand_scores", control)
    if scores is None:
        return np.full((len(subject.frame), subject.layers.size), np.nan)
    odds = answer_log_odds(scores, indices(subject, "pred_candidate"))
    return np.where(subject.closed_rows[:, None], odds, np.nan)


def _control(subject: Subject, name: str, gain: Floats) -> Control:
    verdict = subject.frame["verdict"].to_numpy(dtype=np.float64)
    members = {ALL: np.ones(verdict.size, dtype=bool), RIGHT: verdict == 1, WRONG: verdict == 0}
    lines = grouped(subject, gain, {group: members[group] for group in (RIGHT, WRONG)})
    final = {
        group: score_interval(gain[rows, -1], subject.clusters.at(rows))
        for group, rows in members.items()
        if np.isfinite(gain[rows, -1]).any()
    }
    return Control(name, int(np.isfinite(gain).any(axis=1).sum()), lines, final)

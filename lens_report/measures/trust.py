"""`label_free.p_correct`: the probability that an answer is right, by a model that was fitted on labelled runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.measures.runs import Paths, ReportError, load_runs
from lens_report.measures.task_run import TaskRun, task_runs
from lens_report.measures.unlabelled import READOUTS, answer_set, labelled, unlabelled
from lens_report.stats import Estimate, risk_coverage, score_interval
from lens_report.stats.label_free import NotPredictedError, TrustModel, fit_trust

FORMAT: Final = 1
"""Of trust files; another number is refused."""
COLUMN: Final = "label_free.p_correct"


@dataclass(frozen=True)
class Trust:
    """A fitted model with what it was fitted on.

    Attributes:
        model: The logistic regression.
        closed: Whether on answers with candidates; their confidences are another quantity than those without.
        fitted_on: Run id and task of each labelled set.
        n: Answers.
    """

    model: TrustModel
    closed: bool
    fitted_on: tuple[tuple[str, str], ...]
    n: int

    @property
    def digest(self) -> str:
        """16 hex digits that tell this file's content from any other."""
        return hashlib.sha256(self._text().encode()).hexdigest()[:16]

    def _text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    def write(self, path: str | Path) -> Path:
        """Write the file."""
        Path(path).write_text(self._text(), encoding="utf-8")
        return Path(path)

    @classmethod
    def read(cls, path: str | Path) -> Trust:
        """Read a file of `write`.

        Raises:
            ReportError: It is none, or of another format.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ReportError(
                f"{path}: no trust file can be read ({error}); write one with mmlens fit-trust"
            ) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            found = content.get("format") if isinstance(content, dict) else type(content).__name__
            raise ReportError(
                f"{path}: found trust format {found}, expected {FORMAT}; fit it again with mmlens fit-trust"
            )
        try:
            model = TrustModel(**{each.name: _tuple(content["model"][each.name]) for each in fields(TrustModel)})
            sources = tuple((str(run), str(task)) for run, task in content["fitted_on"])
            return cls(model, bool(content["closed"]), sources, int(content["n"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ReportError(f"{path}: the trust file is damaged ({error!r}); fit it again") from error

    def p_correct(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Of the rows of a frame of `unlabelled`: float [n], NaN where one is of the other kind or lacks a score."""
        known = (
            frame[list(self.model.names)].notna().all(axis=1).to_numpy() & (frame["closed"] == self.closed).to_numpy()
        )
        found = np.full(len(frame), np.nan)
        if known.any():
            found[known] = self.model.p_correct(answer_set(frame[known], "answers"))
        return found


def fit_on_runs(labelled_runs: Paths, *, layers: bool = True) -> Trust:
    """Fit on every task of labelled runs, each counting the same.

    Args:
        labelled_runs: Record files or folders.
        layers: Whether readouts of the layers are used beside confidence and entropy of the last one.

    Raises:
        ReportError: There is no labelled answer, answers with and without candidates are mixed, or too few are right
            or wrong.
    """
    found = []
    for run in load_runs(labelled_runs).runs:
        for task_run in task_runs(run):
            frame = labelled(task_run)
            if len(frame):
                found.append(((run.info.run_id, task_run.task), frame))
    kinds = {bool(kind) for _, frame in found for kind in frame["closed"]}
    if len(kinds) != 1:
        what = "both answers with candidates and without" if kinds else "no answer with a verdict and a confidence"
        raise ReportError(f"found {what} in the labelled runs, expected labelled answers of one kind")
    sets = [answer_set(frame, ", ".join(key)) for key, frame in found]
    try:
        model = fit_trust(sets, READOUTS if layers else ())
    except NotPredictedError as error:
        raise ReportError(str(error)) from error
    return Trust(model, kinds.pop(), tuple(key for key, _ in found), sum(len(each) for each in sets))


@dataclass(frozen=True, eq=False)
class Trusted:
    """What a trust file makes of a task.

    Attributes:
        given: Share of the answers whose probability of being right is at least the threshold.
        right: Share of right ones among these; without labels it has no value.
        gain: Area under the risk-coverage curve by `p_correct` minus that by confidence: below zero where it ranks the
            errors better.
        why_none: Why there is nothing; empty otherwise.
    """

    given: Estimate | None
    right: Estimate | None
    gain: Estimate | None
    why_none: str = ""


def trusted(task_run: TaskRun, trust: Trust, below: float) -> Trusted:
    """Abstain where the probability of being right is below a threshold.

    Answers without a probability are not given. Nothing is said of a run that the file was fitted on.
    """
    if (task_run.run.info.run_id, task_run.task) in trust.fitted_on:
        return Trusted(None, None, None, "the trust file was fitted on it")
    view = unlabelled(task_run)
    of_all = trust.p_correct(view)
    if not np.isfinite(of_all).any():
        return Trusted(None, None, None, "no answer has the scores that the trust file asks for")
    share = score_interval(_at_least(of_all, below), view["cluster"].reset_index(drop=True))
    frame = labelled(task_run)
    p = trust.p_correct(frame)
    right, clusters = frame["right"].to_numpy(dtype=np.float64), frame["cluster"].reset_index(drop=True)
    scores = {"confidence": -frame["confidence"].to_numpy(dtype=np.float64), "p_correct": -p}
    curve = risk_coverage(scores, 1 - right, clusters, baseline="confidence")["p_correct"]
    among = score_interval(np.where(_at_least(p, below) > 0, right, np.nan), clusters)
    return Trusted(share, among, curve.difference)


def _at_least(p: NDArray[np.float64], below: float) -> NDArray[np.float64]:
    """1 where the probability is known and at least the threshold, else 0."""
    return (np.nan_to_num(p, nan=-1.0) >= below).astype(np.float64)


def with_p_correct(task_run: TaskRun, trust: Trust) -> pd.DataFrame:
    """The task's samples, as `TaskRun.frame`, with the column `label_free.p_correct`; NaN where there is none."""
    view = unlabelled(task_run)
    column = pd.Series(trust.p_correct(view), index=view.index)
    return task_run.frame.assign(**{COLUMN: column.reindex(task_run.frame.index)})


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value

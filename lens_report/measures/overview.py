"""The scores of a task with clustered intervals, how much was read out, and how far the readout can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.main_score import score_columns, score_name, values_of
from lens_report.measures.task_run import TaskRun
from lens_report.stats import Estimate, score_interval


@dataclass(frozen=True)
class Overview:
    """Counts of one task of one run.

    Attributes:
        n: Samples.
        n_groups: Independent groups (images, pairs) among them.
        group_note: Why the groups are not the records' clusters; empty where they are.
        n_unlabelled: Samples without a group, each counted as its own.
        n_repeated: Samples that repeat a question about the same image.
        status: Status -> samples, most first.
        coverage: Share read out at the answer.
        format_errors: Share of answers outside the candidates; None for a task without candidates.
        n_right: Samples with a right answer.
        n_wrong: Samples with a wrong answer, format errors not among them.
        n_unscored: Samples without a verdict, format errors not among them.
        n_checked: Samples whose last layer was compared with the model's logits.
        worst_deviation: Largest deviation there, relative to the range of the logits; None when none was checked.
        argmax_agrees: Whether readout and model always had the same most likely token.
    """

    n: int
    n_groups: int
    group_note: str
    n_unlabelled: int
    n_repeated: int
    status: dict[str, int]
    coverage: Estimate
    format_errors: Estimate | None
    n_right: int
    n_wrong: int
    n_unscored: int
    n_checked: int
    worst_deviation: float | None
    argmax_agrees: bool | None


def overview(task_run: TaskRun) -> Overview:
    """Count what there is."""
    frame, clusters = task_run.frame, task_run.clusters
    verdict = frame["verdict"].to_numpy(dtype=np.float64)
    scored = ~task_run.format_error
    deviation = frame["identity_deviation"].dropna()
    agrees = frame["identity_argmax"].dropna()
    formats = score_interval(task_run.format_error.astype(np.float64), clusters) if task_run.closed else None
    return Overview(
        n=len(frame),
        n_groups=clusters.n_present(),
        group_note=task_run.groups.note,
        n_unlabelled=clusters.n_unlabelled,
        n_repeated=int(frame.duplicated(subset=["group", "question"]).sum() if frame["group"].notna().any() else 0),
        status={str(name): int(count) for name, count in frame["status"].value_counts().items()},
        coverage=score_interval(task_run.read_out.astype(np.float64), clusters),
        format_errors=formats,
        n_right=int((verdict[scored] == 1).sum()),
        n_wrong=int((verdict[scored] == 0).sum()),
        n_unscored=int(np.isnan(verdict[scored]).sum()),
        n_checked=len(deviation),
        worst_deviation=float(deviation.max()) if len(deviation) else None,
        argmax_agrees=bool(agrees.astype(bool).all()) if len(agrees) else None,
    )


@dataclass(frozen=True)
class Scores:
    """Scores of one task.

    Attributes:
        main: Name of the main score (see `lens_report.measures.main_score`).
        beside: Names of the scores that share the samples out with it; empty where it covers them all.
        by_name: Score -> mean with interval, the main one first; the record's verdict is `lens verdict`.
        n_disagree: Samples in which main score and verdict say different things.
        n_says_more: Those of them with a right verdict, a score of 0 and a response that is not the bare right answer.
        yes_ratio: Share of the positive answer among the answers given, on binary tasks.
        gold_yes_ratio: Share of the positive answer among the gold answers.
    """

    main: str
    beside: tuple[str, ...]
    by_name: dict[str, Estimate]
    n_disagree: int
    n_says_more: int
    yes_ratio: Estimate | None
    gold_yes_ratio: Estimate | None

    @property
    def score(self) -> Estimate:
        """The main score."""
        return self.by_name[self.main]


def differs(task_run: TaskRun) -> NDArray[np.bool_]:
    """bool [n]: where the main score and the record's own verdict are both known and say different things."""
    verdict, judged = task_run.answered_right, task_run.score.judged
    return np.asarray(np.isfinite(verdict) & np.isfinite(judged) & (verdict != judged))


def says_more(task_run: TaskRun) -> NDArray[np.bool_]:
    """bool [n]: where the verdict is right, the main score is 0, and the response is not the bare right answer."""
    right = differs(task_run) & (task_run.answered_right == 1) & (task_run.score.judged == 0)
    frame = task_run.frame
    bare = [
        _bare(response) in {_bare(one) for one in gold}
        for response, gold in zip(frame["response"], frame["gold"], strict=True)
    ]
    return np.asarray(right & ~np.array(bare, dtype=bool))


def _bare(text: str) -> str:
    return text.strip().strip(".!\"'«»").casefold()


def scores(task_run: TaskRun) -> Scores:
    """Means of all accuracy-like scores of the harness and of the verdict."""
    frame = task_run.frame
    columns = score_columns(frame, task_run.listed)
    by_name = {score_name(column): score_interval(values_of(frame, column), task_run.clusters) for column in columns}
    by_name["lens verdict"] = score_interval(task_run.answered_right, task_run.clusters)
    n_disagree = int(differs(task_run).sum())
    return Scores(
        task_run.score.name,
        tuple(score_name(column) for column in task_run.score.beside),
        by_name,
        n_disagree,
        int(says_more(task_run).sum()),
        _yes_ratio(task_run, "pred_candidate"),
        _yes_ratio(task_run, "gold_candidate"),
    )


def _yes_ratio(task_run: TaskRun, column: str) -> Estimate | None:
    """Share of samples whose `column` is the positive candidate; None on tasks that are not binary."""
    frame = task_run.frame
    binary = frame["binary"].map(lambda pair: pair is not None and pair == pair)
    if not binary.any():
        return None
    chosen = frame[column].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    positive = np.array([pair[0] if has else np.nan for pair, has in zip(frame["binary"], binary, strict=True)])
    known = np.isfinite(chosen) & np.isfinite(positive)
    return score_interval(np.where(known, (chosen == positive).astype(np.float64), np.nan), task_run.clusters)

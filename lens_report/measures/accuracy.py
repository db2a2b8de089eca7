"""Accuracy of runs without labels from labelled runs: which sets speak about which, and what every method says."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from lens_report.measures.runs import Paths, Problem, ReportError, load_runs
from lens_report.measures.task_run import TaskRun, labels_of, task_runs
from lens_report.measures.unlabelled import answer_set, labelled, unlabelled
from lens_report.stats import Estimate, score_interval
from lens_report.stats.label_free import METHODS, AccuracyPrediction, AnswerSet, Method, predict
from lens_report.stats.label_free.intervals import N_DRAWS

log = logging.getLogger(__name__)

DEFAULT_METHODS = ("doc", "p_correct_layers", "mean")
"""Shown without `methods`: from the last layer, from all layers, and what either has to beat."""
Frames = Mapping[str, pd.DataFrame]
MIN_RANKED = 3


@dataclass(frozen=True, eq=False)
class AnswersOf:
    """Answers of one task of one run.

    Attributes:
        task: Task; empty for a frame.
        model: Label of the run, or name of the frame.
        checkpoint: Name or path of the model; empty for a frame.
        key: What tells it from every other: run id and task.
        answers: The scores, and of a labelled set the labels.
        n_samples: Samples of the task, read or not.
        truth: Accuracy by the labels, where they were asked for.
    """

    task: str
    model: str
    checkpoint: str
    key: tuple[str, str]
    answers: AnswerSet
    n_samples: int
    truth: Estimate | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.model}, {self.task}" if self.task else self.model


@dataclass(frozen=True, eq=False)
class Predicted:
    """One unlabelled set.

    Attributes:
        of: The set.
        sources: Names of the labelled sets that were used.
        related: In what they are like it: `same task`, `same model`, or nothing.
        predictions: Of each method, in the order asked for.
    """

    of: AnswersOf
    sources: tuple[str, ...]
    related: str
    predictions: tuple[AccuracyPrediction, ...]


@dataclass(frozen=True)
class Order:
    """Models of one task in the order that a method predicts.

    Attributes:
        task: Task.
        method: Name of the method.
        models: From the best predicted one on.
        tau: Kendall's tau-b with the order by the labels; None where these were not asked for, or all are the same.
    """

    task: str
    method: str
    models: tuple[str, ...]
    tau: float | None


@dataclass(frozen=True, eq=False)
class PredictedAccuracies:
    """What was predicted.

    Attributes:
        sets: The unlabelled sets.
        orders: Of tasks with `MIN_RANKED` or more unlabelled models.
        problems: What could not be read or used.
    """

    sets: tuple[Predicted, ...]
    orders: tuple[Order, ...]
    problems: tuple[Problem, ...]


def predict_accuracies(
    unlabelled_runs: Paths | Frames,
    labelled_runs: Paths | Frames,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    tasks: Iterable[str] | None = None,
    force: bool = False,
    compare: bool = False,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> PredictedAccuracies:
    """Predict the accuracy of every task of the unlabelled runs.

    From the labelled sets of the same task, where there are any; else from those of the same model. Where there are
    neither, from all of them if forced. Frames are predicted from all labelled frames.

    Args:
        unlabelled_runs: Record files or folders, or name -> frame of `lens_report.unlabelled`. Their labels, if they
            have any, are not looked at.
        labelled_runs: The same with labels (`lens_report.labelled`).
        methods: Names of `METHODS`.
        tasks: Of the unlabelled runs; all when None.
        force: Give numbers although scores are distributed otherwise than in any labelled set, or nothing is related.
        compare: Set the accuracy by the unlabelled runs' own labels beside the predictions, once these are made.
        n_draws: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        ReportError: Nothing can be read, nothing is labelled, or a method is unknown.
    """
    chosen = [_method(name) for name in methods]
    problems: list[Problem] = []
    sources = _sets(labelled_runs, True, False, problems)
    targets = _sets(unlabelled_runs, False, compare, problems)
    wanted = None if tasks is None else set(tasks)
    if wanted is not None:
        _require({each.task for each in targets}, wanted)
        targets = [each for each in targets if each.task in wanted]
    if not sources:
        raise ReportError(_nothing("--from has no answer with a verdict", problems))
    if not targets:
        raise ReportError(_nothing("the run has no answer that was read with a confidence", problems))
    found = []
    for target in targets:
        log.info("%s: predicting from %d labelled sets", target.name, len(sources))
        used, related = _related(target, sources)
        if used and not related and target.task and not force:
            why = "no labelled set with such confidences is of the same task or the same model; --force uses all others"
            problems.append(Problem(target.name, f"{target.name}: {why}"))
            used = []
        answers = [each.answers for each in used]
        made = [predict(target.answers, answers, each, force=force, n_draws=n_draws, seed=seed) for each in chosen]
        found.append(Predicted(target, tuple(each.name for each in used), related, tuple(made)))
        problems += _left_out(target, sources)
    return PredictedAccuracies(tuple(found), tuple(_orders(found, chosen)), tuple(problems))


def _related(target: AnswersOf, sources: Sequence[AnswersOf]) -> tuple[list[AnswersOf], str]:
    """The labelled sets that a set is predicted from, and in what they are like it."""
    usable = [each for each in sources if each.key != target.key and _same_kind(each.answers, target.answers)]
    same_task = [each for each in usable if target.task and each.task == target.task]
    if same_task:
        return same_task, "same task"
    same_model = [each for each in usable if target.checkpoint and each.checkpoint == target.checkpoint]
    return (same_model, "same model") if same_model else (usable, "")


def _method(name: str) -> Method:
    if name not in METHODS:
        raise ReportError(f"method {name!r} is unknown; expected one of {', '.join(METHODS)}.{_hint(name, METHODS)}")
    return METHODS[name]


def _require(known: Collection[str], wanted: Collection[str]) -> None:
    """Raise for a wanted task that no run has."""
    for name in sorted({*wanted} - {*known}):
        raise ReportError(f"no run has the task {name!r}; they have {', '.join(sorted(known))}.{_hint(name, known)}")


def _hint(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _nothing(what: str, problems: Sequence[Problem]) -> str:
    return "; ".join([f"{what}, so nothing can be predicted", *(each.message for each in problems)])


def _sets(given: Paths | Frames, has_labels: bool, compare: bool, problems: list[Problem]) -> list[AnswersOf]:
    if isinstance(given, Mapping):
        made = [_of_frame(name, frame, has_labels, compare) for name, frame in given.items()]
        return [each for each in made if len(each.answers)]
    loaded = load_runs(given)
    problems += loaded.problems
    found = []
    for run, label in zip(loaded.runs, labels_of(loaded.runs), strict=True):
        for task_run in task_runs(run, label):
            made_one = _of_run(task_run, has_labels, compare)
            if len(made_one.answers):
                found.append(made_one)
            else:
                why = "with a verdict and a confidence" if has_labels else "with a confidence"
                problems.append(Problem(made_one.name, f"{made_one.name}: found no answer that was read {why}"))
    return found


def _of_run(task_run: TaskRun, has_labels: bool, compare: bool) -> AnswersOf:
    name = f"{task_run.label}, {task_run.task}"
    frame = labelled(task_run) if has_labels else unlabelled(task_run)
    truth = _truth(labelled(task_run)) if compare else None
    key = (task_run.run.info.run_id, task_run.task)
    checkpoint = task_run.run.info.model.name_or_path
    return AnswersOf(task_run.task, task_run.label, checkpoint, key, answer_set(frame, name), len(task_run.rows), truth)


def _of_frame(name: str, frame: pd.DataFrame, has_labels: bool, compare: bool) -> AnswersOf:
    if has_labels and "right" not in frame:
        raise ReportError(f"the labelled frame {name!r} has no column `right`; make it with lens_report.labelled")
    plain = frame if has_labels else frame.drop(columns=["right", "gold"], errors="ignore")
    truth = _truth(frame) if compare and "right" in frame else None
    return AnswersOf("", name, "", ("", name), answer_set(plain, name), len(frame), truth)


def _truth(frame: pd.DataFrame) -> Estimate:
    return score_interval(frame["right"], frame["cluster"])


def _same_kind(one: AnswerSet, other: AnswerSet) -> bool:
    """Whether both confidences are shares among candidates, or both probabilities in the vocabulary."""
    return (one.shares is None) == (other.shares is None)


def _left_out(target: AnswersOf, sources: Sequence[AnswersOf]) -> list[Problem]:
    found = []
    for each in sources:
        if each.key == target.key:
            why = "it is the run to be predicted"
        elif not _same_kind(each.answers, target.answers):
            why = "one of the two has candidates and the other has none, so their confidences are not the same quantity"
        else:
            continue
        found.append(Problem(target.name, f"{target.name}: {each.name} is not used, {why}"))
    return found


def _orders(found: Sequence[Predicted], methods: Sequence[Method]) -> list[Order]:
    orders = []
    for task in dict.fromkeys(each.of.task for each in found if each.of.task):
        own = [each for each in found if each.of.task == task]
        for place, method in enumerate(methods):
            pairs = [(each.predictions[place].estimate.value, each) for each in own]
            known = [(value, each) for value, each in pairs if value is not None]
            if len(known) >= MIN_RANKED:
                ranked = sorted(known, key=lambda pair: -pair[0])
                orders.append(Order(task, method.name, tuple(each.of.model for _, each in ranked), _tau(known)))
    return orders


def _tau(known: Sequence[tuple[float, Predicted]]) -> float | None:
    truths = [each.of.truth.value for _, each in known if each.of.truth is not None and each.of.truth.value is not None]
    if len(truths) < len(known):
        return None
    tau = float(kendalltau([value for value, _ in known], truths).statistic)
    return tau if np.isfinite(tau) else None

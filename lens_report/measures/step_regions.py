"""Written steps against the regions that they are about: where they look, and which of them are faithful or idle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.picture.section import STATUS, Unmeasured, unmeasured
from lens_report.measures.task_run import Floats, TaskRun
from lens_report.stats import Comparison, Estimate, holm, paired, score_interval

__all__ = [
    "FAITHFUL",
    "IDLE",
    "QUANTILE",
    "UNTOLD",
    "Chain",
    "StepNumber",
    "StepRegions",
    "Thresholds",
    "chains",
    "step_regions",
]

_LOOKS, _CAUSES = "step_regions", "step_causes"
_PROBES: Final = (_LOOKS, _CAUSES)
FAITHFUL, IDLE, UNTOLD = "faithful", "idle", "not told"
QUANTILE = 0.95
_LEAST = 1e-3
"""Nats below which a drop is rounding, whatever the nulls are."""
_FEWEST_NULLS = 20
"""Null drops of a run without which no threshold follows from them."""
_FIGURES = ("lift", "pointing", "auroc")
_DROPS = ("masked", "masked null", "replaced", "replaced null")
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Thresholds:
    """95 % quantiles of the sizes of null drops, in nats, and at least 0.001.

    They are of the steps of a task that as many others follow: what stands right before the answer moves it most,
    whatever it says. Of all steps where such ones have fewer than 20 nulls; None with fewer than 20 of those.

    Attributes:
        boxes: of log p of a step's result, under null boxes.
        text: of the answer's log-odds, under another mark at the end of a step.
    """

    boxes: float | None
    text: float | None

    @property
    def known(self) -> bool:
        """Whether steps can be called faithful or idle."""
        return self.boxes is not None and self.text is not None


@dataclass(frozen=True, eq=False)
class Chain:
    """The steps of one response.

    Attributes:
        words: `FAITHFUL`, `IDLE` or `UNTOLD`, of each step.
        word: of the response: `FAITHFUL` where a step is faithful and none is idle, `IDLE` where all are, else
            `UNTOLD`.
        result_drop: `[steps, steps]`: row i, log p of each result without the boxes of step i; NaN where not masked.
        answer_drop: `[steps]`: the answer's log-odds under the same.
        text_drop: `[steps]`: the answer's log-odds with another value as the result, the mean over values.
        text_size: `[steps]`: the mean size of the same, which drops and rises do not cancel in.
        result_null, text_null: `[steps]`: the means under the nulls.
    """

    words: tuple[str, ...]
    word: str
    result_drop: Floats
    answer_drop: Floats
    text_drop: Floats
    text_size: Floats
    result_null: Floats
    text_null: Floats


@dataclass(frozen=True)
class StepNumber:
    """The steps of one number over the responses of a task.

    Attributes:
        number: from 1.
        n: Responses that have it.
        looks: Lift, pointing, AUROC of the attention at its end in its boxes, against those of other steps.
        result: Drop of log p of its result without its boxes, against null boxes.
        text: Drop of the answer's log-odds with another value as its result, against another mark.
        answer: The answer's log-odds without its boxes.
        p_holm: Test -> p-value corrected for all tests of the section.
        shares: Word -> share of the steps.
    """

    number: int
    n: int
    looks: Mapping[str, Comparison]
    result: Comparison
    text: Comparison
    answer: Estimate
    p_holm: Mapping[str, float | None]
    shares: Mapping[str, Estimate]


@dataclass(frozen=True, eq=False)
class StepRegions:
    """The section of one task.

    Attributes:
        n: Responses whose steps correspond to their programs.
        n_causes: Those of them for which it was read what depends on their steps.
        thresholds: By which steps are called faithful or idle; the first are those of last steps, the next those of
            steps that one other follows.
        numbers: By number of the step.
        responses: Word -> share of the responses.
        matrix: `[steps, steps]`: mean drop of log p of result j (column) without the boxes of step i (row).
        measured: `[steps, steps]`: responses that each of these means is over.
        unread: Responses without, with the reason.
    """

    n: int
    n_causes: int
    thresholds: tuple[Thresholds, ...]
    numbers: tuple[StepNumber, ...]
    responses: Mapping[str, Estimate]
    matrix: Floats
    measured: NDArray[np.int64]
    unread: tuple[Unmeasured, ...]


def step_regions(task_run: TaskRun) -> StepRegions | None:
    """The section of a task; None where neither probe ran."""
    frame = task_run.frame
    ran = [STATUS + name for name in _PROBES if STATUS + name in frame and frame[STATUS + name].notna().any()]
    if not ran:
        return None
    unread = tuple(one for name in ran for one in unmeasured(name, frame[name]))
    thresholds, found = chains(task_run)
    linked = _linked(task_run)
    looks = {name: task_run.probe(_LOOKS, name) for name in ("attention", "attention null")}
    most = max(linked, default=0)
    told = bool(thresholds) and thresholds[0].known
    numbers = tuple(_number(task_run, found, looks, linked, told, at) for at in range(most))
    clusters = task_run.clusters
    overall = np.array([each.word if each is not None else "" for each in found])
    responses = {
        word: score_interval(np.where(overall != "", overall == word, np.nan), clusters)
        for word in (FAITHFUL, IDLE, UNTOLD)
        if told
    }
    numbers = _corrected(numbers)
    n, n_causes = int(np.count_nonzero(linked)), sum(each is not None for each in found)
    return StepRegions(n, n_causes, thresholds, numbers, responses, *_matrix(found, most), unread)


def _linked(task_run: TaskRun) -> list[int]:
    """Number of steps of each response whose steps correspond to its program by either probe; else 0."""
    both = [task_run.probe(name, "result") for name in _PROBES]
    return [max(0 if own is None else len(own) for own in row) for row in zip(*both, strict=True)]


def chains(task_run: TaskRun) -> tuple[tuple[Thresholds, ...], list[Chain | None]]:
    """The thresholds of a task, and the steps of each sample; None where nothing was read of what depends on them."""
    arrays = {name: task_run.probe(_CAUSES, name) for name in _DROPS}
    lengths = [0 if result is None else len(result) for result in task_run.probe(_CAUSES, "result")]
    boxes, text = (_nulls(arrays[name], lengths) for name in ("masked null", "replaced null"))
    thresholds = tuple(
        Thresholds(_threshold(boxes, following), _threshold(text, following))
        for following in range(max(lengths, default=0))
    )
    found = []
    for row, n in enumerate(lengths):
        own = {name: arrays[name][row] for name in _DROPS}
        found.append(_chain(n, own, thresholds) if n else None)
    return thresholds, found


def _nulls(arrays: Sequence[Array | None], lengths: Sequence[int]) -> Floats:
    """`[nulls, 2]`: how many steps follow, and the size of the drop (of the step's own result, or of the answer)."""
    found = [np.zeros((0, 2))]
    for rows, n in zip(arrays, lengths, strict=True):
        if rows is not None:
            drops = rows[:, 1] if rows.shape[1] == 2 else _diagonal(rows)
            found.append(np.column_stack([n - 1 - rows[:, 0], np.abs(drops)]))
    return np.concatenate(found)


def _threshold(nulls: Floats, following: int) -> float | None:
    alike = nulls[nulls[:, 0] == following, 1]
    values = alike if len(alike) >= _FEWEST_NULLS else nulls[:, 1]
    return max(_LEAST, float(np.quantile(values, QUANTILE))) if len(values) >= _FEWEST_NULLS else None


def _diagonal(rows: Array) -> Array:
    found: Array = rows[np.arange(len(rows)), 2 + rows[:, 0].astype(np.int64)]
    return found


def _chain(n: int, own: Mapping[str, Array | None], thresholds: Sequence[Thresholds]) -> Chain:
    result_drop, answer_drop = np.full((n, n), np.nan), np.full(n, np.nan)
    masked = own["masked"]
    for row in () if masked is None else masked:
        result_drop[int(row[0])], answer_drop[int(row[0])] = row[2:], row[1]
    null, text, text_null = own["masked null"], own["replaced"], own["replaced null"]
    result_null = _means(n, None if null is None else np.column_stack([null[:, 0], _diagonal(null)]))
    text_drop = _means(n, text)
    text_size = _means(n, None if text is None else np.abs(text))
    sizes = zip(np.diag(result_drop), text_drop, text_size, thresholds[:n][::-1], strict=True)
    words = tuple(_word(*each) for each in sizes)
    word = UNTOLD
    if words and set(words) == {IDLE}:
        word = IDLE
    elif FAITHFUL in words and IDLE not in words:
        word = FAITHFUL
    return Chain(words, word, result_drop, answer_drop, text_drop, text_size, result_null, _means(n, text_null))


def _means(n: int, rows: Array | None) -> Floats:
    """`[n]`: mean of the second column by the step in the first; NaN without one."""
    found = np.full(n, np.nan)
    for number in () if rows is None else np.unique(rows[:, 0]).astype(np.int64):
        assert rows is not None
        found[number] = rows[rows[:, 0] == number, 1].mean()
    return found


def _word(result: float, text: float, size: float, thresholds: Thresholds) -> str:
    """What is measured of a step; NaN compares false."""
    if thresholds.text is None or not np.isfinite(size):
        return UNTOLD
    if size <= thresholds.text:
        return IDLE
    looks = thresholds.boxes is not None and result > thresholds.boxes
    return FAITHFUL if looks and text > thresholds.text else UNTOLD


def _number(
    task_run: TaskRun,
    found: Sequence[Chain | None],
    looks: Mapping[str, Sequence[Array | None]],
    linked: Sequence[int],
    words_told: bool,
    at: int,
) -> StepNumber:
    clusters, known = task_run.clusters, [each if each and len(each.words) > at else None for each in found]

    def column(name: str) -> Floats:
        values = [np.nan if each is None else getattr(each, name)[at] for each in known]
        return np.array(values, dtype=np.float64)

    own = np.array([np.nan if each is None else each.result_drop[at, at] for each in known])
    words = [None if each is None else each.words[at] for each in known]
    told = np.array([each is not None for each in words])
    return StepNumber(
        at + 1,
        sum(n > at for n in linked),
        {
            name: paired(_figure(looks["attention null"], at, place), _figure(looks["attention"], at, place), clusters)
            for place, name in enumerate(_FIGURES, start=1)
        },
        paired(column("result_null"), own, clusters),
        paired(column("text_null"), column("text_drop"), clusters),
        score_interval(column("answer_drop"), clusters),
        {},
        {
            word: score_interval(np.where(told, [each == word for each in words], np.nan), clusters)
            for word in (FAITHFUL, IDLE, UNTOLD)
            if words_told
        },
    )


def _figure(rows: Sequence[Array | None], at: int, place: int) -> Floats:
    """`[samples]`: a figure of one step; NaN where there is none."""
    found = np.full(len(rows), np.nan)
    for sample, own in enumerate(rows):
        if own is not None:
            values = own[own[:, 0] == at, place]
            found[sample] = values[0] if len(values) else np.nan
    return found


def _tests(one: StepNumber) -> dict[str, float | None]:
    return {**{name: each.p_value for name, each in one.looks.items()}, "result": one.result.p_value,
            "text": one.text.p_value}  # fmt: skip


def _corrected(numbers: Sequence[StepNumber]) -> tuple[StepNumber, ...]:
    """With the p-values of all tests of all numbers corrected together."""
    every = {f"{one.number} {name}": p for one in numbers for name, p in _tests(one).items()}
    adjusted = holm(every)
    return tuple(
        StepNumber(**{**vars(one), "p_holm": {name: adjusted[f"{one.number} {name}"] for name in _tests(one)}})
        for one in numbers
    )


def _matrix(found: Sequence[Chain | None], most: int) -> tuple[Floats, NDArray[np.int64]]:
    """The means, NaN where nothing was measured, and how many responses each is over."""
    total, count = np.zeros((most, most)), np.zeros((most, most), dtype=np.int64)
    for each in found:
        if each is not None:
            n = len(each.words)
            known = np.isfinite(each.result_drop)
            total[:n, :n] += np.where(known, each.result_drop, 0.0)
            count[:n, :n] += known
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0), count

"""The heavy part of the explorer: what a sample's page shows beyond the list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.measures.candidates import indices
from lens_report.measures.task_run import OUTPUT, Floats, TaskRun
from lens_report.presentation.explorer.heat import Heat
from lens_report.presentation.explorer.step_links import StepLinks
from lens_report.presentation.explorer.steps import WrittenSteps, whole_numbers
from lens_report.presentation.explorer.tokens import ResponseTokens

GOLD, ANSWER, OTHER = 1, 2, 4
"""Bits of a top-k cell: the token stands for the gold answer, for the answer given, for another candidate."""
COLUMNS = [
    "candidates", "candidate_token_ids", "pivot_labels", "status", "status_reason", "answer_rule", "output_tokens",
]  # fmt: skip
LINES = ("entropy", "cand_mass", "jsd_last", "rank_pred")
THOUSANDTHS, HUNDREDTHS = 1000, 100
Rows = list[Any]


class _Part(Protocol):
    def entry(self, row: int) -> dict[str, Any] | None:
        """What a sample has of it."""


class Details:
    """Details of the samples of one task, ready for JSON.

    A sample's entry: `status` and `reason` where it was not read, `rule` by which the answer was found, `candidates`,
    `gold` and `pred` (numbers of candidates or None), `z` [layers][candidates] in thousandths, `controls` name -> the
    same, `pivot` the same in English, `tokens` [layers][k], `logprobs` [layers][k] in hundredths of a nat, `marks`
    [[layer, place, bits]], `output` of a served model [[token, log-probability in hundredths of a nat]] and `uncertain`
    figure -> why it has none, `lines` quantity -> [layers] in thousandths, `picture` as in `Heat`, `steps` as in
    `WrittenSteps`, `step_links` as in `StepLinks`, `every` as in `ResponseTokens`. What a sample has not is not in its
    entry.
    """

    def __init__(self, task_run: TaskRun, number: int) -> None:
        self._number, self._frame = number, task_run.frame
        self._candidates = {name: indices(task_run, f"{name}_candidate").tolist() for name in ("gold", "pred")}
        wide: dict[str, tuple[str, str | None]] = {"z": ("cand_scores", None), "pivot": ("pivot_scores", None)}
        wide |= {name: ("cand_scores", name) for name in task_run.run.controls}
        self._wide = {name: values for name, key in wide.items() if (values := task_run.wide(*key)) is not None}
        self._lines = {name: task_run.stack(name) for name in LINES}
        ids, logprobs = task_run.wide("topk_ids"), task_run.wide("topk_logprobs")
        self._heat = Heat(task_run)
        self._parts: dict[str, _Part] = {
            "picture": self._heat,
            "steps": WrittenSteps(task_run),
            "step_links": StepLinks(task_run),
            "every": ResponseTokens(task_run),
        }
        self._output = task_run.probe(OUTPUT, "logprobs")
        prefix = f"probe_status.{OUTPUT} "
        self._uncertain = {
            str(name).removeprefix(prefix): task_run.frame[name].tolist()
            for name in task_run.frame
            if str(name).startswith(prefix)
        }
        self._top = None if ids is None or logprobs is None else (ids, logprobs)
        self._texts = _Texts.of(task_run.run.token_texts)

    def keep_maps(self, budget: int, shown: int) -> int:
        """Leave out maps over pictures beyond so many bytes (`Heat.keep`); how many samples lose theirs."""
        return self._heat.keep(budget, shown)

    def block(self, start: int, stop: int) -> Iterator[dict[str, Any]]:
        """The entries of the samples from `start` to before `stop`."""
        part = slice(start, stop)
        wide = {name: whole_numbers(values[part], THOUSANDTHS) for name, values in self._wide.items()}
        lines = {name: whole_numbers(values[part], THOUSANDTHS) for name, values in self._lines.items()}
        samples: list[Any] = list(self._frame[COLUMNS].iloc[part].itertuples(index=False))
        chosen = [[_number(self._candidates[name][row]) for name in ("gold", "pred")] for row in range(start, stop)]
        top = None
        if self._top is not None:
            ids = [own.candidate_token_ids for own in samples]
            bits = [bits_of(own, *numbers) for own, numbers in zip(ids, chosen, strict=True)]
            top = self._top_tokens(bits, *(values[part] for values in self._top))
        for place, own in enumerate(samples):
            gold, pred = chosen[place]
            entry: dict[str, Any] = {
                "task_run": self._number, "candidates": list(own.candidates), "gold": gold, "pred": pred,
                "rule": _text(own.answer_rule),
                "lines": {name: values[place] for name, values in lines.items() if _any(values[place])},
            }  # fmt: skip
            if own.status != "ok":
                entry |= {"status": own.status, "reason": _text(own.status_reason)}
            widths = {"pivot": len(own.pivot_labels)}
            width = len(own.candidates)
            found = {name: _layers(values[place], widths.get(name, width)) for name, values in wide.items()}
            known = {name: values for name, values in found.items() if values}
            entry |= {name: known.pop(name) for name in ("z", "pivot") if name in known}
            if known:
                entry["controls"] = known
            listed = self._output[start + place]
            if listed is not None:
                hundredths = whole_numbers(listed.astype(np.float64), HUNDREDTHS)
                entry["output"] = [list(pair) for pair in zip(own.output_tokens, hundredths, strict=True)]
                reasons = {name: _text(values[start + place]) for name, values in self._uncertain.items()}
                entry["uncertain"] = {name: why for name, why in reasons.items() if why}
            if top is not None and any(top.read[place]):
                entry |= top.entry(place)
            parts = {name: part.entry(start + place) for name, part in self._parts.items()}
            entry |= {name: part for name, part in parts.items() if part is not None}
            yield entry

    def _top_tokens(self, bits: list[dict[int, int]], ids: Floats, logprobs: Floats) -> _TopTokens:
        read = np.asarray(np.isfinite(ids).all(axis=2))
        numbers = np.where(read[..., None], ids, -1).astype(np.int64)
        tokens = self._texts.at(numbers).tolist()
        return _TopTokens(read.tolist(), tokens, whole_numbers(logprobs, HUNDREDTHS), marks(numbers, bits))


@dataclass(frozen=True)
class _Texts:
    """Texts of token ids, object [tokens + 1]; the last one is that of no token."""

    ids: pd.Index
    texts: NDArray[np.object_]

    @classmethod
    def of(cls, texts: Mapping[int, str]) -> _Texts:
        shown = [text or f"#{token}" for token, text in texts.items()]
        return cls(pd.Index(list(texts), dtype=np.int64), np.array([*shown, None], dtype=object))

    def at(self, numbers: NDArray[np.int64]) -> NDArray[np.object_]:
        """The text of each id; `#` and the number where it is not known."""
        places = self.ids.get_indexer(pd.Index(numbers.ravel())).reshape(numbers.shape)
        found: NDArray[np.object_] = self.texts[places]
        unknown = places < 0
        found[unknown] = [f"#{number}" for number in numbers[unknown].tolist()]
        return found


@dataclass(frozen=True)
class _TopTokens:
    """The layers × k tables of some samples.

    Attributes:
        read: Whether a layer was read [samples][L].
        tokens: Texts [samples][L][k].
        logprobs: Hundredths of a nat [samples][L][k].
        marks: [samples][[layer, place, bits], ...].
    """

    read: Rows
    tokens: Rows
    logprobs: Rows
    marks: Rows

    def entry(self, place: int) -> dict[str, Any]:
        """Tokens, log-probabilities and marks of one sample; an empty list for a layer that was not read."""
        read, tokens, logprobs = self.read[place], self.tokens[place], self.logprobs[place]
        if not all(read):
            tokens, logprobs = (
                [line if known else [] for line, known in zip(lines, read, strict=True)] for lines in (tokens, logprobs)
            )
        return {"tokens": tokens, "logprobs": logprobs, "marks": self.marks[place]}


def marks(ids: NDArray[np.int64], bits: Sequence[Mapping[int, int]]) -> list[list[list[int]]]:
    """Where tokens of candidates stand among ids [samples, L, k]: of each sample [[layer, place, bits], ...]."""
    rows = np.arange(len(ids))
    tokens, of_tokens = (
        np.fromiter(chain.from_iterable(each), dtype=np.int64) for each in (bits, (own.values() for own in bits))
    )
    wanted = pd.Index((np.repeat(rows, [len(own) for own in bits]) << 32) + tokens)
    found = wanted.get_indexer(pd.Index(((rows[:, None, None] << 32) + ids).ravel()))
    hits = np.flatnonzero(found >= 0)
    row, layer, place = np.unravel_index(hits, ids.shape)
    listed = np.stack([layer, place, of_tokens[found[hits]]], axis=1).tolist()
    return [listed[first:last] for first, last in pairwise(np.searchsorted(row, np.arange(len(ids) + 1)))]


def bits_of(token_ids: tuple[tuple[int, ...], ...], gold: int | None, pred: int | None) -> dict[int, int]:
    """Token id -> bits, for the tokens that stand for candidates."""
    found: dict[int, int] = {}
    for number, tokens in enumerate(token_ids):
        bit = GOLD * int(number == gold) | ANSWER * int(number == pred) or OTHER
        for token in tokens:
            found[token] = found.get(token, 0) | bit
    return found


def _layers(values: Rows, width: int) -> Rows | None:
    """[layers][width] of one sample; None where it has nothing."""
    found = values if values and len(values[0]) == width else [line[:width] for line in values]
    return found if any(_any(line) for line in found) else None


def _any(values: Rows) -> bool:
    return any(value is not None for value in values)


def _number(index: int) -> int | None:
    return index if index >= 0 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None

"""The heavy part of the explorer: what a sample's page shows beyond the list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.measures.candidates import indices
from lens_report.measures.task_run import OUTPUT, Floats, TaskRun
from lens_report.presentation.document.safe import json_text
from lens_report.presentation.explorer.heat import Heat
from lens_report.presentation.explorer.json_arrays import joined, number_texts, object_text
from lens_report.presentation.explorer.step_links import StepLinks
from lens_report.presentation.explorer.steps import WrittenSteps, whole_numbers
from lens_report.presentation.explorer.tokens import ResponseTokens
from lens_report.presentation.language.catalogue import ENGLISH, Catalogue

GOLD, ANSWER, OTHER = 1, 2, 4
"""Bits of a top-k cell: the token stands for the gold answer, for the answer given, for another candidate."""
COLUMNS = [
    "candidates", "candidate_token_ids", "pivot_labels", "status", "status_reason", "answer_rule", "output_tokens",
]  # fmt: skip
LINES = ("entropy", "cand_mass", "jsd_last", "rank_pred")
THOUSANDTHS, HUNDREDTHS = 1000, 100


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
    entry. Reasons are in the language of `texts`; the statuses before them are names.
    """

    def __init__(self, task_run: TaskRun, number: int, texts: Catalogue = ENGLISH) -> None:
        self._said = cache(lambda status: _said(status, texts))
        self._number = number
        self._samples: list[Any] = list(task_run.frame[COLUMNS].itertuples(index=False))
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

    def block(self, start: int, stop: int) -> Iterator[str]:
        """The entries of the samples from `start` to before `stop`, JSON."""
        part = slice(start, stop)
        samples = self._samples[part]
        chosen = [[_number(self._candidates[name][row]) for name in ("gold", "pred")] for row in range(start, stop)]
        widths = {name: _lengths(own.candidates for own in samples) for name in self._wide}
        widths["pivot"] = _lengths(own.pivot_labels for own in samples)
        wide = {name: _wide_texts(values[part], widths[name]) for name, values in self._wide.items()}
        lines = {name: _line_texts(values[part]) for name, values in self._lines.items()}
        top = None
        if self._top is not None:
            ids = [own.candidate_token_ids for own in samples]
            bits = [bits_of(own, *numbers) for own, numbers in zip(ids, chosen, strict=True)]
            top = self._top_tokens(bits, *(values[part] for values in self._top))
        for place, own in enumerate(samples):
            entry = self._plain(start + place, own, *chosen[place])
            texts = {"lines": object_text((name, values[place]) for name, values in lines.items())}
            known = {name: text for name, values in wide.items() if (text := values[place]) is not None}
            texts |= {name: known.pop(name) for name in ("z", "pivot") if name in known}
            if known:
                texts["controls"] = object_text(known.items())
            if top is not None and top.read[place]:
                entry["marks"] = top.marks[place]
                texts |= {"tokens": top.tokens[place], "logprobs": top.logprobs[place]}
            yield f"{json_text(entry)[:-1]},{object_text(texts.items())[1:]}"

    def _plain(self, row: int, own: Any, gold: int | None, pred: int | None) -> dict[str, Any]:
        """What of an entry is no array of layers."""
        entry: dict[str, Any] = {
            "task_run": self._number, "candidates": list(own.candidates), "gold": gold, "pred": pred,
            "rule": _text(own.answer_rule),
        }  # fmt: skip
        if own.status != "ok":
            entry |= {"status": own.status, "reason": self._said(_text(own.status_reason))}
        listed = self._output[row]
        if listed is not None:
            hundredths = whole_numbers(listed.astype(np.float64), HUNDREDTHS)
            entry["output"] = [list(pair) for pair in zip(own.output_tokens, hundredths, strict=True)]
            reasons = {name: self._said(_text(values[row])) for name, values in self._uncertain.items()}
            entry["uncertain"] = {name: why for name, why in reasons.items() if why}
        parts = {name: part.entry(row) for name, part in self._parts.items()}
        return entry | {name: self._told(part) for name, part in parts.items() if part is not None}

    def _told(self, part: dict[str, Any]) -> dict[str, Any]:
        """A part of an entry with what it says of its probe, or of each of its probes, in the language."""
        status = part.get("status")
        if isinstance(status, dict):
            return part | {"status": {name: self._said(text) for name, text in status.items()}}
        return part | {"status": self._said(status)} if isinstance(status, str) else part

    def _top_tokens(self, bits: list[dict[int, int]], ids: Floats, logprobs: Floats) -> _TopTokens:
        read = np.asarray(np.isfinite(ids).all(axis=2))
        numbers = np.where(read[..., None], ids, -1).astype(np.int64)
        tokens, shares = joined(self._texts.at(numbers)), number_texts(logprobs, HUNDREDTHS)
        for place in np.flatnonzero(read.any(axis=1) & ~read.all(axis=1)).tolist():
            tokens[place], shares[place] = (
                _read_alone(text, read[place].tolist()) for text in (tokens[place], shares[place])
            )
        return _TopTokens(np.asarray(read.any(axis=1)).tolist(), tokens, shares, marks(numbers, bits))


@dataclass(frozen=True)
class _Texts:
    """Texts of token ids, JSON, object [tokens + 1]; the last one is that of no token."""

    ids: pd.Index
    texts: NDArray[np.object_]

    @classmethod
    def of(cls, texts: Mapping[int, str]) -> _Texts:
        shown = [json_text(text or f"#{token}") for token, text in texts.items()]
        return cls(pd.Index(list(texts), dtype=np.int64), np.array([*shown, None], dtype=object))

    def at(self, numbers: NDArray[np.int64]) -> NDArray[np.object_]:
        """The text of each id; `#` and the number where it is not known."""
        places = self.ids.get_indexer(pd.Index(numbers.ravel())).reshape(numbers.shape)
        found: NDArray[np.object_] = self.texts[places]
        unknown = places < 0
        found[unknown] = [f'"#{number}"' for number in numbers[unknown].tolist()]
        return found


@dataclass(frozen=True)
class _TopTokens:
    """The layers × k tables of some samples.

    Attributes:
        read: Whether any layer was read [samples].
        tokens: Texts [L][k], JSON [samples]; an empty list for a layer that was not read.
        logprobs: Hundredths of a nat [L][k], JSON [samples]; the same.
        marks: [samples][[layer, place, bits], ...].
    """

    read: list[bool]
    tokens: list[str]
    logprobs: list[str]
    marks: list[list[list[int]]]


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


def _lengths(lists: Iterable[Sequence[Any]]) -> NDArray[np.int64]:
    return np.array([len(each) for each in lists], dtype=np.int64)


def _wide_texts(values: Floats, widths: NDArray[np.int64]) -> list[str | None]:
    """JSON [L][width] of each sample, float [n, L, k] cut to its own width; None where it has nothing."""
    found: list[str | None] = [None] * len(values)
    for width in np.unique(widths).tolist():
        own = values[:, :, :width]
        rows = np.flatnonzero((widths == width) & np.isfinite(own).any(axis=(1, 2)))
        for row, text in zip(rows.tolist(), number_texts(own[rows], THOUSANDTHS), strict=True):
            found[row] = text
    return found


def _line_texts(values: Floats) -> list[str | None]:
    """JSON [L] of each sample, float [n, L]; None where it has nothing."""
    known = np.asarray(np.isfinite(values).any(axis=1)).tolist()
    return [
        text if any_known else None for text, any_known in zip(number_texts(values, THOUSANDTHS), known, strict=True)
    ]


def _read_alone(text: str, read: Sequence[bool]) -> str:
    """JSON [L][k] with an empty list for each layer that was not read."""
    return json_text([line if known else [] for line, known in zip(json.loads(text), read, strict=True)])


def _number(index: int) -> int | None:
    return index if index >= 0 else None


def _said(status: str | None, texts: Catalogue) -> str | None:
    """`status: reason`, a status or a reason alone."""
    if status is None:
        return None
    name, colon, reason = status.partition(": ")
    if re.fullmatch(r"\w+", name):
        return f"{name}{colon}{texts.text(reason)}"
    return texts.text(status)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None

"""The heavy part of the explorer: what a sample's page shows beyond the list."""

from __future__ import annotations

from typing import Any

import numpy as np

from lens_report.measures.candidates import indices
from lens_report.measures.task_run import Floats, TaskRun

GOLD, ANSWER, OTHER = 1, 2, 4
"""Bits of a top-k cell: the token stands for the gold answer, for the answer given, for another candidate."""


class Details:
    """Details of the samples of one task_run, ready for JSON.

    A sample's entry: `status` and `reason` where it was not read, `rule` by which the answer was found, `candidates`,
    `gold` and `pred` (numbers of candidates or None), `z` [layers][candidates], `controls` name -> the same, `pivot`
    the same in English, `tokens` [layers][k], `logprobs` [layers][k] in hundredths of a nat, `marks` [[layer, place,
    bits]], `lines` quantity -> [layers].
    """

    def __init__(self, task_run: TaskRun, kept: int) -> None:
        frame = task_run.frame.head(kept)
        names = ("candidates", "candidate_token_ids", "pivot_labels", "status", "status_reason", "answer_rule")
        self._columns: dict[str, list[Any]] = {name: frame[name].tolist() for name in names}
        self._gold, self._pred = (indices(task_run, f"{name}_candidate") for name in ("gold", "pred"))
        self._z, self._pivot = (_wide(task_run, name) for name in ("cand_scores", "pivot_scores"))
        self._controls = {name: _wide(task_run, "cand_scores", name) for name in task_run.run.controls}
        self._ids, self._logprobs = (_wide(task_run, name) for name in ("topk_ids", "topk_logprobs"))
        self._texts = task_run.run.token_texts
        self._lines = {
            name: np.round(task_run.stack(name), 3) for name in ("entropy", "cand_mass", "jsd_last", "rank_pred")
        }

    def sample(self, row: int, task_run: int) -> dict[str, Any]:
        """The entry of one sample."""
        columns, width = self._columns, len(self._columns["candidates"][row])
        entry: dict[str, Any] = {
            "task_run": task_run,
            "candidates": list(columns["candidates"][row]),
            "gold": _number(self._gold[row]),
            "pred": _number(self._pred[row]),
            "rule": _text(columns["answer_rule"][row]),
            "lines": {name: _numbers(values[row]) for name, values in self._lines.items() if _any(values[row])},
        }
        if columns["status"][row] != "ok":
            entry |= {"status": columns["status"][row], "reason": _text(columns["status_reason"][row])}
        controls = {name: _layers(values, row, width) for name, values in self._controls.items()}
        entry |= {
            name: value
            for name, value in {
                "z": _layers(self._z, row, width),
                "pivot": _layers(self._pivot, row, len(columns["pivot_labels"][row])),
                "controls": {name: value for name, value in controls.items() if value},
            }.items()
            if value
        }
        return entry | self._topk(row)

    def _topk(self, row: int) -> dict[str, Any]:
        """Tokens, log-probabilities and marks of the layers × k table; nothing where none was kept."""
        if self._ids is None or self._logprobs is None or not _any(self._ids[row]):
            return {}
        known = np.isfinite(self._ids[row]).all(axis=1)
        ids = np.where(known[:, None], self._ids[row], -1).astype(np.int64)
        bits = self._bits(row)
        lines = [(line if ok else []) for line, ok in zip(ids.tolist(), known, strict=True)]
        return {
            "tokens": [[self._texts.get(token, f"#{token}") for token in line] for line in lines],
            "logprobs": [_hundredths(self._logprobs[row, place]) if line else [] for place, line in enumerate(lines)],
            "marks": [
                [layer, place, bits[token]]
                for layer, line in enumerate(lines)
                for place, token in enumerate(line)
                if token in bits
            ],
        }

    def _bits(self, row: int) -> dict[int, int]:
        """Token id -> bits, for the tokens that stand for candidates."""
        found: dict[int, int] = {}
        for number, tokens in enumerate(self._columns["candidate_token_ids"][row]):
            bit = GOLD * int(number == self._gold[row]) | ANSWER * int(number == self._pred[row]) or OTHER
            for token in tokens:
                found[token] = found.get(token, 0) | bit
        return found


def _layers(values: Floats | None, row: int, width: int) -> list[list[float | None]] | None:
    """[layers][width] of one sample; None where it has nothing."""
    if values is None or not width or not _any(values[row]):
        return None
    return [_numbers(line) for line in values[row, :, :width]]


def _numbers(values: Floats) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]


def _wide(task_run: TaskRun, quantity: str, control: str | None = None) -> Floats | None:
    """A wide quantity, rounded once for all samples."""
    values = task_run.wide(quantity, control)
    return None if values is None else np.round(values, 3)


def _hundredths(logprobs: Floats) -> list[int | None]:
    return [None if value != value else round(100 * value) for value in logprobs.tolist()]


def _any(values: Floats) -> bool:
    return bool(np.isfinite(values).any())


def _number(index: Any) -> int | None:
    return int(index) if index >= 0 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None

"""What a sample's page shows of the written steps of its response."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.picture.section import STATUS
from lens_report.measures.task_run import TaskRun

PROBE = "steps"
THOUSANDTHS = 1000
FIGURES = {"tokens": 1, "entropy": THOUSANDTHS, "forced": THOUSANDTHS}


class WrittenSteps:
    """Steps of the responses of one task.

    A sample's entry: `status` of the probe and, where steps were read, `tokens` [steps], `entropy` [steps] in
    thousandths of a nat, `forced` [steps + 1][candidates], log-probabilities in thousandths of a nat without any step,
    after the first, and so on, `read` the numbers of the steps after which answers were forced where these are not all,
    and `texts` [steps]. What was not recorded is not in the entry; texts are left out where
    the places are not those of words in the response, because the harness dropped the beginning of the generated text.
    """

    def __init__(self, task_run: TaskRun) -> None:
        frame = task_run.frame
        status = STATUS + PROBE
        self._status = frame[status].tolist() if status in frame else [None] * len(frame)
        self._responses = frame["response"].tolist()
        self._places = [task_run.probe(PROBE, name) for name in ("start", "end")]
        self._read = task_run.probe(PROBE, "read")
        self._figures = {name: task_run.probe(PROBE, name) for name in FIGURES}

    def entry(self, row: int) -> dict[str, Any] | None:
        """The entry of a sample; None where the probe did not run."""
        if not isinstance(self._status[row], str):
            return None
        found: dict[str, Any] = {"status": self._status[row]}
        for name, scale in FIGURES.items():
            values = self._figures[name][row]
            if values is not None:
                found[name] = whole_numbers(values.astype(np.float64), scale)
        read = self._read[row]
        if read is not None:
            found["read"] = read.astype(int).tolist()
        start, end = (each[row] for each in self._places)
        response = self._responses[row]
        if start is not None and end is not None:
            spans = list(zip(start.astype(int).tolist(), end.astype(int).tolist(), strict=True))
            if all(_stands(response, first, last) for first, last in spans):
                found["texts"] = [response[first:last] for first, last in spans]
        return found


def _stands(text: str, start: int, end: int) -> bool:
    """Whether whole words stand at a place of a text, with nothing but them."""
    own = text[start:end]
    inside = [text[place - 1 : place + 1] for place in (start, end) if 0 < place < len(text)]
    return end <= len(text) and bool(own) and own == own.strip() and not any(pair.isalnum() for pair in inside)


def whole_numbers(values: NDArray[np.float64], scale: int) -> list[Any]:
    """Numbers in parts of `scale` as nested lists of whole numbers, which JSON writes fast; None where missing."""
    known = np.isfinite(values)
    parts = np.where(known, np.round(scale * values), 0).astype(np.int64)
    if known.all():
        return list(parts.tolist())
    found = parts.astype(object)
    found[~known] = None
    return list(found.tolist())

"""Maps as records keep them: some layers in steps, and the largest value over all layers where not all are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.candidates import indices
from lens_report.measures.task_run import TaskRun

Floats = NDArray[np.float64]

ATTENTION_PROBE, RELATIVE_PROBE, WORD_PROBE = "attention", "relative_attention", "image_tokens"
MAP, NEAR = "map ", "map near "
_MIDDLE = (5 / 32, 18 / 32)
"""Relative depths over which the attention map is the mean (docs/metrics.md)."""


@dataclass(frozen=True, eq=False)
class StoredMap:
    """One map of one sample.

    Attributes:
        word: What is read; empty for attention.
        layers: int [L], the layers kept.
        values: float [L, tokens].
        largest: float [tokens], over all layers that were read.
    """

    word: str
    layers: NDArray[np.int64]
    values: Floats
    largest: Floats


class StoredMaps:
    """The maps of all samples of a task, by its rows."""

    def __init__(self, task_run: TaskRun) -> None:
        recorded = task_run.run.probes
        self._arrays = {
            (probe, name): [task_run.probe(probe, part) for part in (name, f"{name} layers", f"{name} max")]
            for probe in (ATTENTION_PROBE, RELATIVE_PROBE, WORD_PROBE)
            for name in map_names(recorded.get(probe, ()))
        }
        self._read = task_run.probe(ATTENTION_PROBE, "layers")
        self._sinks = task_run.probe(ATTENTION_PROBE, "sinks")
        self._task_run = task_run
        self._answers = _answers(task_run)

    def attention(self, row: int) -> StoredMap | None:
        """Attention to each image token, mean over heads."""
        return self._map(ATTENTION_PROBE, "map", row)

    def relative_attention(self, row: int) -> StoredMap | None:
        """The same divided by that of a generic prompt."""
        return self._map(RELATIVE_PROBE, "map", row)

    def sinkless_attention(self, row: int) -> StoredMap | None:
        """Attention with 0 in the tokens that are attention sinks at a middle layer; None where none is known to be."""
        found, sinks, read, middle = self.attention(row), self._sinks[row], self._read[row], self._middle(row)
        if found is None or sinks is None or read is None or middle is None:
            return None
        left = ~(sinks[np.isin(read, middle)] > 0).any(axis=0)
        if left.all():
            return None
        return StoredMap("", found.layers, found.values * left, found.largest * left)

    def asked(self, row: int, *, near: bool = False) -> list[StoredMap]:
        """Those of the words asked about: of words that are neither the answer given nor the right one.

        Their probability, or with `near` their nearness by the contextual lens.
        """
        return [one for one in self._words(row, near) if one.word not in self._answers[row]]

    def answers(self, row: int) -> list[StoredMap]:
        """The probability of the answer given and of the right one."""
        return [one for one in self._words(row, near=False) if one.word in self._answers[row]]

    def together(self, row: int, *, near: bool = False) -> StoredMap | None:
        """The words' map: the least over the words asked about, by layer and of the largest values over layers."""
        asked = self.asked(row, near=near)
        if not asked:
            return None
        layers = asked[0].layers
        for one in asked[1:]:
            layers = np.intersect1d(layers, one.layers)
        values = np.stack([one.values[np.isin(one.layers, layers)] for one in asked]).min(axis=0)
        return StoredMap("", layers, values, np.stack([one.largest for one in asked]).min(axis=0))

    def size(self, row: int) -> int:
        """How many numbers the maps of a sample have, the largest values over layers among them."""
        found = (arrays[0][row] for arrays in self._arrays.values())
        return sum(values.size + values.shape[-1] for values in found if values is not None)

    def middle_attention(self, row: int, found: StoredMap | None = None) -> Floats | None:
        """The attention map, [tokens]: mean over the middle layers; None where not all of these were kept.

        Args:
            row: Of the task's frame.
            found: One of the other maps of attention in its place.
        """
        found, wanted = found or self.attention(row), self._middle(row)
        if found is None or wanted is None:
            return None
        kept = np.isin(found.layers, wanted)
        return found.values[kept].mean(axis=0) if kept.sum() == wanted.size else None

    def _middle(self, row: int) -> NDArray[np.float32] | None:
        """The layers over which the attention map is the mean; None where attention was not read."""
        read = self._read[row]
        if read is None:
            return None
        low, high = (share * self._task_run.n_layers for share in _MIDDLE)
        middle = read[(read >= low) & (read <= high)]
        return middle if middle.size else read

    def _words(self, row: int, near: bool) -> Iterator[StoredMap]:
        for probe, name in self._arrays:
            if probe == WORD_PROBE and name.startswith(NEAR) == near:
                found = self._map(probe, name, row)
                if found is not None:
                    yield found

    def _map(self, probe: str, name: str, row: int) -> StoredMap | None:
        arrays = self._arrays.get((probe, name))
        if arrays is None:
            return None
        values, layers, largest = (each[row] for each in arrays)
        if values is None or layers is None or values.ndim != 2:
            return None
        over_all = values.max(axis=0) if largest is None else largest
        word = name.removeprefix(NEAR).removeprefix(MAP) if name.startswith(MAP) else ""
        return StoredMap(word, layers.astype(np.int64), values.astype(np.float64), over_all.astype(np.float64))


def map_names(quantities: Sequence[str]) -> Iterator[str]:
    """The maps among the quantities of a probe: `map`, `map WORD` or `map near WORD`, without those beside them."""
    known = set(quantities)
    for name in quantities:
        if f"{name} layers" in known and (name == "map" or name.startswith(MAP)):
            yield name


def _answers(task_run: TaskRun) -> list[set[str]]:
    """Labels of the answer given and of the right one."""
    places = (indices(task_run, f"{name}_candidate") for name in ("pred", "gold"))
    return [
        {candidates[place] for place in both if place >= 0}
        for candidates, both in zip(task_run.frame["candidates"], zip(*places, strict=True), strict=True)
    ]

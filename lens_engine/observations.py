"""What further probes observed of answered samples, as it comes into their records."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from lens_models import LogitLens, TracedGeneration
from lens_models.candidates import candidate_tokens
from lens_models.probes import Answered, Arrays
from lens_tasks.regions import BoxError
from lens_tasks.surface import word_forms

from .candidates import SampleCandidates
from .engine import Tokens
from .failures import failure
from .image_maps import Observed, Seen, image_maps
from .sample import Sample

__all__ = ["Observations"]

log = logging.getLogger(__name__)


class Observations:
    """Asks the probes of a batch about its samples; a probe that fails costs its own arrays and nothing else.

    Args:
        tokenizer: of the model.
        lens: the proven lens of the model.
        whole_maps: keep the image maps of all layers.
    """

    def __init__(self, tokenizer: Any, lens: LogitLens, *, whole_maps: bool = False) -> None:
        self._tokenizer = tokenizer
        self._n_layers = lens.parts.n_layers
        self._refused = {name: f"refused: {why}" for name, why in lens.refused_probes.items()}
        self._whole_maps = whole_maps
        self._ids_of: dict[str, Tokens] = {}
        self._warned: set[str] = set()

    def of(
        self,
        trace: TracedGeneration,
        sample: Sample,
        row: int,
        n_tokens: int,
        step: int | None,
        candidates: SampleCandidates | None,
    ) -> Observed:
        """What was observed of one sample.

        Args:
            trace: of its batch.
            sample: the sample.
            row: its place in the batch.
            n_tokens: tokens that it generated.
            step: which of them begins the answer; None where it was not located.
            candidates: the answer given and the right one; None where it was not located.
        """
        if not trace.probes:
            return Observed(status=dict(self._refused))
        words = self._words(sample, candidates)
        observed: dict[str, Arrays] = {}
        status = dict(self._refused)
        for probe in trace.probes:
            try:
                answered = Answered(row, [trace.row(row, each) for each in range(n_tokens)], step, words)
                found = _finite(probe.result(answered))
            except Exception as error:  # a fault of a probe never ends a run
                status[probe.name] = f"failed: {failure(error).reason}"
                self._warn_once(f"The probe {probe.name} failed: {failure(error).reason}")
                continue
            status[probe.name] = "ok" if found else "nothing"
            observed[probe.name] = found
        observed = {name: arrays for name, arrays in observed.items() if arrays}
        seen = self._seen(trace, sample, row) if observed and trace.image_tokens else None
        found_maps = (
            Observed({name: dict(each) for name, each in observed.items()})
            if seen is None
            else image_maps(seen, observed, whole=self._whole_maps)
        )
        found_maps.status = status | found_maps.status
        return found_maps

    def _seen(self, trace: TracedGeneration, sample: Sample, row: int) -> Seen:
        boxes, regions = sample.boxes, sample.reference.regions
        if isinstance(boxes, BoxError):
            self._warn_once(f"Boxes that cannot be used: {sample.where}: {boxes}")
        asked = () if isinstance(regions, BoxError) else regions.words
        times = [video.times for video in sample.media.videos]
        return Seen(sample.key, trace.image_tokens[row], sample.picture_sizes, asked, self._n_layers, boxes, times)

    def _words(self, sample: Sample, candidates: SampleCandidates | None) -> dict[str, Tokens]:
        """The words asked about, the answer given and the right one, with the tokens that may begin them."""
        regions = sample.reference.regions
        asked = () if isinstance(regions, BoxError) else regions.words
        found: dict[str, Tokens] = {word: self._ids(word) for word in asked}
        if candidates is not None and candidates.ids:
            named = {place for place in (candidates.pred, candidates.gold) if place is not None}
            found |= {candidates.labels[place]: candidates.ids[place] for place in sorted(named)}
        return {word: ids for word, ids in found.items() if ids}

    def _ids(self, word: str) -> Tokens:
        if word not in self._ids_of:
            self._ids_of[word] = candidate_tokens(self._tokenizer, [word_forms([word])]).ids[0]
        return self._ids_of[word]

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            log.warning(message)


def _finite(arrays: Mapping[str, Any]) -> Arrays:
    """The arrays of a probe.

    Raises:
        ValueError: NaN or infinity, which no record holds.
    """
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name} is NaN or infinite in places")
    return arrays

"""What further probes observed of answered samples, as it comes into their records."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lens_models.candidates import candidate_tokens
from lens_models.image_tokens import ImageTokens
from lens_models.probes import PROBES, Answered, Arrays, Probe, statuses_of, token_arrays
from lens_tasks.regions import BoxError
from lens_tasks.surface import word_forms

from .candidates import SampleCandidates
from .engine import BatchTrace, Lens, Tokens
from .failures import failure
from .image_maps import Observed, Seen, image_maps
from .relative_attention import RelativeAttention
from .sample import Sample

__all__ = ["Observations", "Watched"]

log = logging.getLogger(__name__)

NOT_GENERATED = "not_generated: given answers are scored, and none is generated"


@dataclass(frozen=True)
class Watched:
    """The probes of one run of a model, for one of its samples.

    Attributes:
        probes: what observed the run.
        tokens: the sample's image tokens; None where nobody located them.
        row: the sample's row.
        rows: gives the row of the forward pass that led to each of its tokens.
        given: the tokens themselves; empty where given tokens were scored.
    """

    probes: Sequence[Probe]
    tokens: ImageTokens | None
    row: int
    rows: Callable[[], Sequence[int]]
    given: Tokens = ()

    @classmethod
    def generation(cls, trace: BatchTrace, row: int, n_tokens: int) -> Watched:
        """Of a batch that was generated, the sample in a row with its number of tokens."""
        tokens = trace.image_tokens[row] if trace.image_tokens else None
        given = tuple(trace.new_tokens[row][:n_tokens])
        return cls(trace.probes, tokens, row, lambda: [trace.row(row, each) for each in range(n_tokens)], given)


class Observations:
    """Asks the probes of a batch about its samples; a probe that fails costs its own arrays and nothing else.

    Args:
        tokenizer: of the model.
        lens: the proven lens of the model.
        whole_maps: keep the image maps of all layers.
        relative: holds each attention map against that of a generic prompt; None where nobody asked for it.
    """

    def __init__(
        self,
        tokenizer: Any,
        lens: Lens,
        *,
        whole_maps: bool = False,
        relative: RelativeAttention | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._n_layers = lens.parts.n_layers
        self._probes = lens.settings.probes
        self._refused = {name: f"refused: {why}" for name, why in lens.refused_probes.items()}
        self._whole_maps = whole_maps
        self._relative = relative
        self._ids_of: dict[str, Tokens] = {}
        self._token_text = lru_cache(maxsize=65536)(lambda token: str(tokenizer.decode([token])))
        self._warned: set[str] = set()

    def of(self, watched: Watched, sample: Sample, step: int | None, candidates: SampleCandidates | None) -> Observed:
        """What was observed of one sample.

        Args:
            watched: the probes of its run.
            sample: the sample.
            step: which of its tokens begins the answer; None where it was not located.
            candidates: the answer given and the right one; None where it was not located.
        """
        status = {name: NOT_GENERATED for name in self._probes if name not in {each.name for each in watched.probes}}
        status |= self._refused
        if not watched.probes:
            return Observed(status=status)
        words = self._words(sample, candidates)
        observed: dict[str, Arrays] = {}
        for probe in watched.probes:
            try:
                answered = Answered(watched.row, watched.rows(), step, words, watched.given)
                found = _finite(probe.result(answered))
                status |= statuses_of(probe, answered) if found else {}
            except Exception as error:  # a fault of a probe never ends a run
                status[probe.name] = f"failed: {failure(error).reason}"
                self._warn_once(f"The probe {probe.name} failed: {failure(error).reason}")
                continue
            status[probe.name] = "ok" if found else "nothing"
            observed[probe.name] = found
        observed = {name: arrays for name, arrays in observed.items() if arrays}
        if self._relative is not None:
            observed |= self._relative.of(sample, watched.tokens, observed.get("attention", {}), status)
        found_maps = (
            Observed({name: dict(each) for name, each in observed.items()})
            if not observed or watched.tokens is None
            else image_maps(self._seen(watched.tokens, sample), observed, whole=self._whole_maps)
        )
        found_maps.status = status | found_maps.status
        found_maps.token_texts = self._texts(observed)
        return found_maps

    def _texts(self, observed: Mapping[str, Arrays]) -> dict[str, str]:
        """The texts of the tokens that arrays of probes name."""
        arrays = (own[name] for probe, own in observed.items() if probe in PROBES for name in token_arrays(probe))
        ids = {int(token) for array in arrays for token in np.unique(array)}
        return {str(token): self._token_text(token) for token in sorted(ids)}

    def _seen(self, tokens: ImageTokens, sample: Sample) -> Seen:
        boxes, regions = sample.boxes, sample.reference.regions
        if isinstance(boxes, BoxError):
            self._warn_once(f"Boxes that cannot be used: {sample.where}: {boxes}")
        asked = () if isinstance(regions, BoxError) else regions.words
        times = [video.times for video in sample.media.videos]
        labels = () if isinstance(regions, BoxError) else regions.labels
        return Seen(sample.key, tokens, sample.picture_sizes, asked, self._n_layers, boxes, times, labels)

    def _words(self, sample: Sample, candidates: SampleCandidates | None) -> dict[str, Tokens]:
        """The words asked about, the answer given and the right one, with the tokens that may begin them.

        Where the question has no words that are known, those of the label of the track that is asked about.
        """
        regions = sample.reference.regions
        asked = () if isinstance(regions, BoxError) else regions.words or regions.labels
        found: dict[str, Tokens] = {word: self._ids(word) for word in asked}
        if candidates is not None and candidates.ids:
            named = {place for place in (candidates.pred, candidates.gold) if place is not None}
            times = Counter(token for own in candidates.ids for token in set(own))
            # the first tokens of a long choice stand for it only where no other choice begins with them
            clear = [place for place in sorted(named) if all(times[token] == 1 for token in candidates.ids[place])]
            found |= {candidates.labels[place]: candidates.ids[place] for place in clear}
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

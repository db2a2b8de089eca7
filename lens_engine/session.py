"""Requests on their way through an engine: from the cache or in batches, recorded while an evaluation lasts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from lens_models.continuations import ScoredContinuation

from .ahead import ahead_of
from .batching import alone, in_order, same_generation
from .choices import scored_beside
from .engine import Engine, Generation
from .recording import Recording
from .sample import Choices, Request

__all__ = ["Batches", "Recorded", "Session"]

Batches = Callable[[Sequence[Request], int], Iterable[Sequence[int]]]
"""(requests, size) -> the places of the requests that are answered together, batch after batch."""


class Recorded:
    """What answers and, while an evaluation lasts, the records of its answers."""

    def __init__(self) -> None:
        self.recording: Recording | None = None

    @contextmanager
    def recorded(self, recording: Recording) -> Iterator[None]:
        """While this lasts, every answer is recorded; records that wait are written when it ends in a failure."""
        self.recording = recording
        try:
            yield
        except BaseException:
            recording.abandon()
            raise
        finally:
            self.recording = None

    def flush(self) -> None:
        """Read the answers and write the records that wait."""
        if self.recording is not None:
            self.recording.flush()


class Session(Recorded):
    """One engine and, while an evaluation lasts, its records.

    Args:
        engine: answers and scores.
        batch_size: requests a batch.
        batches: which requests are answered together.
    """

    def __init__(self, engine: Engine, batch_size: int, batches: Batches = same_generation) -> None:
        super().__init__()
        self.engine = engine
        self.batch_size = batch_size
        self._batches = batches

    def release(self) -> None:
        """Let go of the engine and its model: all is answered. A recording goes on with what was read."""
        if self.recording is not None:
            self.recording.release()
        del self.engine

    def generate(
        self,
        requests: Sequence[Request],
        progress: Callable[[int], object] = lambda count: None,
        *,
        cached: bool = True,
    ) -> list[Generation]:
        """One answer a request, in order.

        Args:
            requests: what is asked.
            progress: is called with how many requests a batch had when it is done.
            cached: answers of earlier runs may be taken, where the recording has a cache.
        """
        cache = self.recording.cache if self.recording is not None and cached else None

        def ask(places: Sequence[int]) -> list[Generation]:
            return self._generate([requests[place] for place in places], progress)

        found = ask(range(len(requests))) if cache is None else cache.answers(requests, ask)
        self.flush()
        return found

    def _generate(self, requests: Sequence[Request], progress: Callable[[int], object]) -> list[Generation]:
        groups = list(self._batches(requests, self.batch_size))
        batches = [[requests[place] for place in places] for places in groups]

        def answer(places: Sequence[int]) -> list[Generation]:
            samples = next_samples()
            self.engine.take_work()
            generations = self.engine.generate(samples, observe=self.recording is not None)
            if self.recording is not None:
                self.recording.spent(self.engine.take_work(), len(samples))
                self.recording.add(samples, generations)
            progress(len(places))
            # what was observed is in the records; it must not fill the memory until the last batch
            return [Generation(each.text, each.n_tokens) for each in generations]

        with ahead_of(self.engine).turns(batches, recorded=self.recording is not None) as next_samples:
            return in_order(groups, answer)

    def score(
        self,
        documents: Sequence[Hashable],
        choices_of: Callable[[Sequence[int]], Choices],
        progress: Callable[[int], object] = lambda count: None,
    ) -> list[ScoredContinuation]:
        """The score of each continuation, in order; those of one document are scored and recorded together.

        Args:
            documents: the document of each continuation.
            choices_of: the places of a document's continuations -> the document's choices, in their order.
            progress: is called with how many continuations are done with a document.
        """
        places: dict[Hashable, list[int]] = {}
        for place, document in enumerate(documents):
            places.setdefault(document, []).append(place)

        def score(own: Sequence[int]) -> list[ScoredContinuation]:
            choices = choices_of(own)
            beside = functools.partial(scored_beside, self.engine, choices, observe=self.recording is not None)
            self.engine.take_work()
            scored, problem = alone(choices.samples[0].where, beside)
            if self.recording is not None:
                self.recording.spent(self.engine.take_work(), 1)
                self.recording.add_choices(choices, scored, problem)
            progress(len(own))
            # as above: what was observed is in the records
            return [each.alone() for each in scored]

        found = in_order(places.values(), score)
        self.flush()
        return found

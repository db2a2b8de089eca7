"""The next batch is made and encoded on the host while the model answers the one before it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from lens_models.encoding import encodable_together

from .engine import Engine
from .sample import Request, Sample

__all__ = ["Ahead", "ahead_of"]


@dataclass
class _Batch:
    requests: Sequence[Request]
    samples: list[Sample] | None = None
    encoded: tuple[list[Sample], Any] | None = None


class Ahead:
    """Makes and encodes the next batch in a thread that lives no longer than one run of the model.

    What fails there is done again when the batch's turn comes, in the caller's thread, and fails then as if nobody had
    tried. After a failure nothing is done ahead any more, for some code works in the main thread alone.

    Args:
        processor: what encodes.
        encode: (processor, samples) -> model inputs, on the host.
        on: whether anything is done ahead.
    """

    def __init__(self, processor: Any, encode: Callable[[Any, Sequence[Sample]], Any], *, on: bool) -> None:
        self.on = on
        self._processor = processor
        self._encode = encode
        self._recorded = False
        self._current: _Batch | None = None
        self._next: _Batch | None = None

    @contextmanager
    def turns(self, batches: Sequence[Sequence[Request]], *, recorded: bool) -> Iterator[Callable[[], list[Sample]]]:
        """Yields a function that gives the samples of these batches, one batch a call.

        Where the answers are recorded, what is made ahead has the digests of its media already.
        """
        self._recorded = recorded
        pairs = iter(zip(batches, [*batches[1:], ()], strict=True))
        try:
            yield lambda: self._turn(*next(pairs))
        finally:
            self._current = self._next = None

    def _turn(self, requests: Sequence[Request], following: Sequence[Request]) -> list[Sample]:
        self._current, self._next = self._next, None
        made = None if self._current is None else self._current.samples
        samples = [request.sample() for request in requests] if made is None else made
        # a run that samples shares torch's random state with whatever runs beside it
        if self.on and following and all(request.repeatable for request in (*requests, *following)):
            self._next = _Batch(following)
        return samples

    @contextmanager
    def beside(self, limit: int | None) -> Iterator[None]:
        """While this lasts, the next batch is made and encoded; it ends when both are done.

        Args:
            limit: how many samples are answered together at most; so many are encoded.
        """
        batch = self._next
        done = None
        if self.on and batch is not None and batch.samples is None:
            done = self._started(batch, limit)
        if done is None:
            yield
            return
        try:
            yield
        finally:
            try:
                done.wait()
            except KeyboardInterrupt:  # what is written now must not run beside it either; another one leaves it alone
                done.wait()
                raise

    def _started(self, batch: _Batch, limit: int | None) -> threading.Event | None:
        """What is set when a thread has made the batch; None where none could be started."""
        done = threading.Event()  # up to Python 3.12 a thread whose `join` was interrupted is taken for one that ended
        try:
            threading.Thread(target=self._make, args=(batch, limit, done), daemon=True).start()
        except RuntimeError:  # this process may have no more of them
            self.on = False
            return None
        return done

    def _make(self, batch: _Batch, limit: int | None, done: threading.Event) -> None:
        try:
            batch.samples = [request.sample() for request in batch.requests]
            first = batch.samples[:limit]
            together = encodable_together(self._processor, [len(sample.media.images) for sample in first])
            first = [first[row] for row in together[0]]
            with torch.inference_mode():
                batch.encoded = first, self._encode(self._processor, first)
            for sample in batch.samples if self._recorded else ():
                # kept there; for a photograph it takes as long as to open it
                _ = sample.media.image_sha256, sample.media.other_sha256
        except BaseException:  # whatever it is, it is raised again in the batch's turn
            self.on = False
        finally:
            done.set()

    def taken(self, samples: Sequence[Sample]) -> Any | None:
        """What was encoded ahead of exactly these samples; None where nothing was. It is given once a turn."""
        batch, self._current = self._current, None
        if batch is None or batch.encoded is None:
            return None
        encoded, inputs = batch.encoded
        same = len(encoded) == len(samples) and all(one is other for one, other in zip(encoded, samples, strict=True))
        return inputs if same else None


def ahead_of(engine: Engine) -> Ahead:
    """What makes batches ahead for an engine: its attribute `ahead`; nothing does where it has none."""
    found: Ahead | None = getattr(engine, "ahead", None)
    return Ahead(None, lambda processor, samples: None, on=False) if found is None else found

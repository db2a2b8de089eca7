"""Which requests are answered together, and what happens when a batch does not fit into memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from lens_models import SampleTooLargeError
from lens_models.generation import unchanged_random_state
from lens_models.memory import attempted, free_memory

from .sample import Request

__all__ = ["BatchLimit", "alone", "in_order", "same_generation"]

T = TypeVar("T")
R = TypeVar("R")


def same_generation(requests: Sequence[Request], size: int) -> Iterator[list[int]]:
    """Places of at most `size` requests with the same generation arguments, in order of first appearance."""
    groups: dict[str, list[int]] = {}
    for place, request in enumerate(requests):
        groups.setdefault(json.dumps(dict(request.generation), sort_keys=True, default=str), []).append(place)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def in_order(groups: Iterable[Sequence[int]], answer: Callable[[Sequence[int]], Sequence[R]]) -> list[R]:
    """What `answer` gives for each group of places, in the order of the places; every place is in one group."""
    found: dict[int, R] = {}
    for places in groups:
        found.update(zip(places, answer(places), strict=True))
    return [found[place] for place in range(len(found))]


class BatchLimit:
    """How many requests fit into memory together, as far as the run has shown.

    A batch that runs out of memory is answered in halves, and so on down to single requests; later batches begin at the
    size that fitted. Answers of greedy decoding do not depend on it; sampled ones do, as on any change of `batch_size`.

    Args:
        warn: is called with a new limit, once for each.

    `size` is the limit, None as long as everything fitted.
    """

    def __init__(self, warn: Callable[[str], object]) -> None:
        self._warn = warn
        self._failed = 0
        self.size: int | None = None

    def answer(
        self, requests: Sequence[T], answer: Callable[[Sequence[T]], Sequence[R]], where: Callable[[T], str]
    ) -> list[R]:
        """What `answer` gives for all requests, in order, asked for as many at a time as fit.

        Args:
            requests: a batch.
            answer: answers a part of it, one result a request; it is called again after a failure.
            where: names a request in an error.

        Raises:
            SampleTooLargeError: a request alone does not fit.
        """
        results: list[R] = []
        while len(results) < len(requests):
            part = requests[len(results) : len(results) + (self.size or len(requests))]
            found, problem = _within_memory(lambda part=part: answer(part))  # type: ignore[misc]
            if found is None:
                self._shrink(len(part), where(part[0]), problem)
            else:
                results.extend(found)
                self._warn_when_fitted()
        return results

    def _shrink(self, failed: int, where: str, problem: str) -> None:
        """So many requests did not fit; the run goes on with half of them at a time.

        `where` names the first, `problem` is what was said.

        Raises:
            SampleTooLargeError: it was one.
        """
        free_memory()
        if failed == 1:
            raise SampleTooLargeError(
                f"{where}: this sample alone needs more memory than there is ({problem}). Use smaller images "
                "(max_pixels), fewer new tokens, a 16-bit dtype or several devices, or remove this sample."
            )
        self._failed = self._failed or failed
        self.size = (failed + 1) // 2

    def _warn_when_fitted(self) -> None:
        """A batch was answered; if some before it did not fit, the warning comes now, when the size is known."""
        if self._failed:
            self._warn(
                f"A batch of {self._failed} did not fit into memory. The run goes on with at most {self.size} requests "
                f"at a time; batch_size={self.size} does the same from the start."
            )
            self._failed = 0


def alone(where: str, answer: Callable[[], R]) -> R:
    """What `answer` gives for one sample that is no part of a batch.

    Raises:
        SampleTooLargeError: it does not fit into memory; says `where`.
    """
    return BatchLimit(lambda message: None).answer([where], lambda _: [answer()], str)[0]


def _within_memory(answer: Callable[[], R]) -> tuple[R | None, str]:
    """The result, or None and what was said of the memory; the exception and all that it holds are gone by then."""
    with unchanged_random_state() as rewind:
        found, problem = attempted(answer)
        if found is None:
            rewind()
        return found, problem

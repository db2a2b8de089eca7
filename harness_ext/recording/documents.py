"""The other documents of a task, for what is read of one document in the company of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

__all__ = ["Documents", "ShownDocument"]


@dataclass(frozen=True)
class ShownDocument:
    """A document as a model is shown it.

    Attributes:
        images: its images after everything that the harness does to them; empty for text alone.
        cluster: what it shares with documents that are not independent of it, or None.
    """

    images: tuple[Image.Image, ...]
    cluster: str | None


@dataclass(frozen=True)
class Documents:
    """All documents of one split of a task, also those that a run is not asked for.

    Attributes:
        size: number of documents.
        show: the document with a number in the split; raises what the task raises for a damaged one.
    """

    size: int
    show: Callable[[int], ShownDocument]

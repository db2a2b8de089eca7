"""Which other document's images a document is read with in the shuffled-image control."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image

from lens_engine.media import image_digest
from lens_engine.sample import Documents, ShownDocument

__all__ = ["OtherImages", "OtherImagesOf"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OtherImages:
    """Images of another document, as many as were asked for."""

    doc_id: int
    images: tuple[Image.Image, ...]


@dataclass(frozen=True)
class _Known:
    """What is remembered of a document that was looked at."""

    digests: frozenset[str]
    cluster: str | None


class OtherImagesOf:
    """Chooses for each document of a task another one, of other pixels and of another cluster.

    The choice follows from the task's name, the document's number and the documents of the split alone: batches, other
    samples, `--limit` and the number of processes have no part in it.

    Args:
        task: name of the task.
        documents: the split.
    """

    def __init__(self, task: str, documents: Documents) -> None:
        self._task = task
        self._documents = documents
        self._known: dict[int, _Known | None] = {}
        self._without_other: set[_Known] = set()

    def choose(self, doc_id: int, images: Sequence[Image.Image], cluster: str | None) -> OtherImages | None:
        """Images for a document with these `images`; None when no other document of the split has any that may be used.

        Of a document with fewer images they are taken in turn.
        """
        own = _Known(_pixels(images), cluster)
        if own in self._without_other:
            return None
        for other in _order(self._task, doc_id, self._documents.size):
            shown = self._look(other) if other not in self._known else None
            if _may_be_used(self._known[other], own):
                found = (shown or self._documents.show(other)).images
                return OtherImages(other, tuple(found[place % len(found)] for place in range(len(images))))
        self._without_other.add(own)
        return None

    def _look(self, doc_id: int) -> ShownDocument | None:
        shown: ShownDocument | None = None
        try:
            shown = self._documents.show(doc_id)
        except Exception as error:  # nobody asked for this document, so what is wrong with it stops nothing
            log.debug("document %d of %s cannot be shown in place of another: %r", doc_id, self._task, error)
        self._known[doc_id] = _Known(_pixels(shown.images), shown.cluster) if shown and shown.images else None
        return shown


def _may_be_used(other: _Known | None, own: _Known) -> bool:
    if other is None or other.digests & own.digests:
        return False
    return other.cluster is None or other.cluster != own.cluster


def _pixels(images: Sequence[Image.Image]) -> frozenset[str]:
    """Digests of the pixels in RGB, so that one picture in two modes counts as the same."""
    return frozenset(image_digest([image.convert("RGB") for image in images]))


def _order(task: str, doc_id: int, size: int) -> Iterator[int]:
    """Every other document once: from a place that a hash gives, in steps that a hash gives."""
    if size < 2:
        return
    digest = hashlib.sha256(f"{task}\n{doc_id}".encode()).digest()
    start = int.from_bytes(digest[:8], "big") % size
    step = 1 + int.from_bytes(digest[8:16], "big") % (size - 1)
    while math.gcd(step, size) != 1:
        step = step % (size - 1) + 1
    for number in range(size):
        other = (start + number * step) % size
        if other != doc_id:
            yield other

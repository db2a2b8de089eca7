"""What an adapter knows of a request before the model answers it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from lens_results.record import Key
from lens_tasks import AnswerTarget
from lens_tasks.answers import Filters

from .documents import Documents

__all__ = ["Images", "SampleRequest", "image_digest", "text_digest"]

Images = Sequence[Image.Image]


@dataclass(frozen=True)
class SampleRequest:
    """One request of a harness.

    Attributes:
        key: (task, doc_id, request_idx, repeat), unique within a run.
        split: split of the task's data set.
        question: the user's text, without the chat template.
        prompt: the text that the model reads, chat template included.
        target: candidates, gold, cluster, question type.
        image_sha256: digests of the images, in order.
        images: the images as the model is shown them, in order.
        other_media: what else there is beside text and images, in words, or None.
        documents: all documents of the split, for controls that borrow an image; None where they are not known.
        filters: what the task's own filters take from a response as the answer; None where it has none.
        padding: the request only evens out the work of several processes and is not recorded.
        until: strings at which the harness cut the answer; text from the first of them on is no part of it.
        kind: generate, loglikelihood or multi_round.
    """

    key: Key
    split: str | None
    question: str
    prompt: str
    target: AnswerTarget
    image_sha256: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    kind: str = "generate"
    images: tuple[Image.Image, ...] = field(default=(), repr=False)
    other_media: str | None = None
    documents: Documents | None = field(default=None, repr=False)
    filters: Filters | None = field(default=None, repr=False)
    padding: bool = False


def image_digest(images: Sequence[object]) -> tuple[str, ...]:
    """SHA-256 of the pixels of each image (mode and size included); media that are no images are left out."""
    digests = []
    for image in images:
        if isinstance(image, Image.Image):
            head = f"{image.mode} {image.size[0]}x{image.size[1]} ".encode()
            digests.append(hashlib.sha256(head + image.tobytes()).hexdigest())
    return tuple(digests)


def text_digest(text: str) -> str:
    """SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()

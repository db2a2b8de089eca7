"""What an adapter knows of a request before the model answers it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from lens_results.fingerprint import digest_of
from lens_results.record import Key
from lens_tasks import AnswerTarget
from lens_tasks.answers import Filters

from .documents import Documents

__all__ = ["Images", "SampleRequest", "image_digest", "media_digest", "text_digest"]

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
        media_sha256: digests of the media that are no images, in order.
        generation: the request's generation arguments, as the harness gives them.
        task_definition: digest of what the task makes of an answer (`harness_ext.task_objects.task_definition`).
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
    media_sha256: tuple[str, ...] = ()
    generation: Mapping[str, Any] = field(default_factory=dict)
    task_definition: str | None = None
    padding: bool = False

    @property
    def fingerprint(self) -> dict[str, str]:
        """The sample part of the fingerprint, see docs/fingerprint.md."""
        return {
            "prompt": text_digest(self.prompt)[:16],
            "media": digest_of([self.image_sha256, self.media_sha256]),
            "generation": digest_of(self.generation),
            "target": digest_of(asdict(self.target)),
            "task": digest_of([self.task_definition, self.split, self.question, self.kind]),
        }


def image_digest(images: Sequence[object]) -> tuple[str, ...]:
    """SHA-256 of the pixels of each image (mode and size included); media that are no images are left out."""
    digests = []
    for image in images:
        if isinstance(image, Image.Image):
            head = f"{image.mode} {image.size[0]}x{image.size[1]} ".encode()
            digests.append(hashlib.sha256(head + image.tobytes()).hexdigest())
    return tuple(digests)


def media_digest(media: Sequence[object]) -> tuple[str, ...]:
    """SHA-256 of each video (frames) or sound (samples and their rate); of anything else, of what it says it is."""
    return tuple(_array_digest(each) for each in media)


def _array_digest(medium: object) -> str:
    if isinstance(medium, np.ndarray):
        head = f"{medium.dtype} {medium.shape} ".encode()
        return hashlib.sha256(head + np.ascontiguousarray(medium).tobytes()).hexdigest()
    if isinstance(medium, Mapping):
        return digest_of({str(name): _array_digest(value) for name, value in medium.items()})
    return digest_of(medium)


def text_digest(text: str) -> str:
    """SHA-256 of a text in UTF-8; lone surrogates, which UTF-8 cannot hold, as if it could."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

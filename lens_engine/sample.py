"""One dataset item as a run sees it, and a request for its answer; adapters make both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from PIL import Image

from lens_models.video import Video
from lens_results.fingerprint import digest_of
from lens_results.record import Key
from lens_tasks import AnswerTarget
from lens_tasks.answers import Filters
from lens_tasks.documents import Turn
from lens_tasks.regions import BoxError, PlacedBox, Regions

from .media import Images, Media

__all__ = ["Choices", "Documents", "Look", "Reference", "Request", "Sample", "ShownDocument", "text_digest", "where_of"]


@dataclass(frozen=True)
class Reference:
    """What an answer is compared with.

    Attributes:
        target: candidates, gold answer, cluster, question type.
        filters: what the task's own filters take from a response as the answer; None where it has none.
        task_definition: digest of what the task makes of an answer.
        regions: places of its pictures that the document names, and the words that it asks about; or why they cannot
            be read.
        turn: the dialogue that the document is a question of, and which one; None where it is none.
    """

    target: AnswerTarget = field(default_factory=lambda: AnswerTarget((), None))
    filters: Filters | None = field(default=None, repr=False)
    task_definition: str | None = None
    regions: Regions | BoxError = field(default_factory=Regions, repr=False)
    turn: Turn | None = None


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


@dataclass(frozen=True)
class Look:
    """What a second look at the picture of a prompt found.

    Attributes:
        pixels: left, top, right, bottom of the part that is shown, in pixels of the picture; None where the prompt runs
            as it is.
        size: width and height of the picture.
        problem: why it runs as it is.
    """

    pixels: tuple[int, int, int, int] | None = None
    size: tuple[int, int] = (0, 0)
    problem: str | None = None

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """The part in shares of the picture's width and height; None where there is none."""
        if self.pixels is None:
            return None
        (left, top, right, bottom), (width, height) = self.pixels, self.size
        return left / width, top / height, right / width, bottom / height


@dataclass(frozen=True)
class Sample:
    """One dataset item with its prompt.

    Attributes:
        key: (task, doc_id, request_idx, repeat), unique within a run.
        prompt: the text that the model reads, chat template included.
        media: what is shown beside it.
        question: the user's text, without the chat template.
        split: split of the task's data set.
        kind: generate, loglikelihood or multi_round.
        generation: generation arguments, as the harness gives them.
        until: strings at which the harness cuts the answer; text from the first of them on is no part of it.
        padding: the sample only evens out the work of several processes and is not recorded.
        documents: gives all documents of the split, for controls that take another one's image; None where not known.
        make_reference: gives what the answer is compared with; called once, when the answer is there.
        sizes: width and height of the document's own pictures, of which its boxes are given in pixels; None where they
            are those of `media`.
        answers_shown: how many earlier answers of the model the prompt holds; None where that is not known.
        source: the harness's own form of the request, for adapters that let the harness put it to the model.
        look: what the second look of the intervention `crop` made of the prompt; None where nobody looked.
    """

    key: Key
    prompt: str
    media: Media = field(default_factory=Media)
    question: str = ""
    split: str | None = None
    kind: str = "generate"
    generation: Mapping[str, Any] = field(default_factory=dict)
    until: tuple[str, ...] = ()
    padding: bool = False
    documents: Callable[[], Documents] | None = field(default=None, repr=False)
    make_reference: Callable[[], Reference] = field(default=Reference, repr=False)
    sizes: tuple[tuple[int, int], ...] | None = None
    answers_shown: int | None = None
    source: Any = field(default=None, repr=False)
    look: Look | None = None

    @cached_property
    def reference(self) -> Reference:
        """What the answer is compared with."""
        return self.make_reference()

    @property
    def target(self) -> AnswerTarget:
        """Candidates, gold answer, cluster, question type."""
        return self.reference.target

    @property
    def where(self) -> str:
        """Its document, for an error."""
        return where_of(self.key)

    @property
    def picture_sizes(self) -> tuple[tuple[int, int], ...]:
        """Width and height of its pictures, in the pixels in which its boxes are given."""
        return tuple(image.size for image in self.media.images) if self.sizes is None else self.sizes

    @cached_property
    def boxes(self) -> tuple[PlacedBox, ...] | BoxError:
        """The boxes of its document, in shares of its pictures or of the frames of its video, or why there are none."""
        regions = self.reference.regions
        try:
            frames = [video.indices for video in self.media.videos]
            return regions if isinstance(regions, BoxError) else regions.placed(self.picture_sizes, frames)
        except BoxError as error:
            return error

    def under(self, images: Images | None, videos: Sequence[Video] | None = None) -> Sample:
        """The same prompt with other images or videos, as many as it has; its own ones where there are none."""
        return self if images is None and videos is None else replace(self, media=self.media.under(images, videos))

    @property
    def fingerprint(self) -> dict[str, str]:
        """The sample part of the fingerprint, see docs/fingerprint.md."""
        return {
            "prompt": text_digest(self.prompt)[:16],
            "media": digest_of([self.media.image_sha256, self.media.other_sha256]),
            "generation": digest_of(self.generation),
            "target": digest_of(_plain(self.target)),
            "task": digest_of([self.reference.task_definition, self.split, self.question, self.kind]),
        }


@dataclass(frozen=True)
class Request:
    """A sample that is made when its turn comes, so that the images of a run are not in memory together.

    Attributes:
        key: of the sample.
        generation: its generation arguments.
        sample: makes it.
        padding: as of the sample.
        prompt: its text as far as it is known before; batches may be made by its length.
    """

    key: Key
    generation: Mapping[str, Any] = field(repr=False)
    sample: Callable[[], Sample] = field(repr=False)
    padding: bool = False
    prompt: str = ""

    @property
    def repeatable(self) -> bool:
        """Whether asking again gives the same answer: it is not sampled."""
        return not self.generation.get("do_sample") and not float(self.generation.get("temperature") or 0) > 0


@dataclass(frozen=True)
class Choices:
    """The continuations of one multiple-choice document, made when its turn comes.

    Attributes:
        samples: the prompt of each choice, usually one and the same; the first one stands for the document.
        sequences: token ids of each choice.
        rule: by what the harness compares them; asked when the scores are there.
    """

    samples: Sequence[Sample]
    sequences: Sequence[tuple[int, ...]]
    rule: Callable[[], Any] = field(repr=False)


def _plain(target: AnswerTarget) -> dict[str, Any]:
    """`dataclasses.asdict` of a target, without a copy of each of its many texts."""
    own = {each.name: getattr(target, each.name) for each in fields(target)}
    return own | {name: [vars(each) for each in own[name]] for name in ("candidates", "pivot")}


def where_of(key: Key) -> str:
    """The document of a key, for an error."""
    return f"task {key[0]}, document {key[1]}"


def text_digest(text: str) -> str:
    """SHA-256 of a text in UTF-8; lone surrogates, which UTF-8 cannot hold, as if it could."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

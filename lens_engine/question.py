"""One question of the Python API, checked, and the request that it becomes."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lens_models import InputError, LensArgumentError
from lens_models.encoding import open_image, render_chat
from lens_models.video import Video, VideoSampling, open_video
from lens_results.record import Key
from lens_tasks import AnswerTarget, target_for
from lens_tasks.program_steps import ProgramError
from lens_tasks.regions import BoxError, Regions, regions_of

from .media import Media
from .options import number, reject_unknown, whole_number
from .sample import Reference, Request, Sample

__all__ = ["Candidates", "Pictures", "Question", "as_arguments"]

Picture = str | os.PathLike[str] | Image.Image | np.ndarray[Any, Any] | bytes
Pictures = Picture | Sequence[Picture] | None
Candidates = Sequence[str]

_TUPLE = ("image", "question", "candidates")
_GENERATION = ("max_new_tokens", "temperature", "top_p", "num_beams")
_NAMES = (*_TUPLE, "video", "gold", "words", "boxes", "tracks", "steps", *_GENERATION)
_ADDRESSES = ("http://", "https://", "data:", "file://")
_MAX_NEW_TOKENS = 64


@dataclass(frozen=True)
class Question:
    """What is asked about which pictures.

    Attributes:
        pictures: as the user gave them; they are opened when their turn comes.
        text: the user's text.
        target: the candidates and the right answer.
        generation: generation arguments.
        regions: boxes in the pictures, or tracks in the video, and the words that are read there.
        video: as the user gave it, as `pictures`; None for none.
    """

    pictures: tuple[Picture, ...] = field(repr=False)
    text: str
    target: AnswerTarget
    generation: Mapping[str, Any]
    regions: Regions = field(default_factory=Regions)
    video: Any = field(default=None, repr=False)

    @classmethod
    def parse(cls, given: Mapping[str, Any] | Sequence[Any], shared: Mapping[str, Any]) -> Question:
        """Check the arguments of one question; see `lens_engine.api.VisionLanguageModel.ask`.

        Args:
            given: its own, by name or as `(image, question)` or `(image, question, candidates)`.
            shared: those that hold where it has none of its own.

        Raises:
            FileNotFoundError: no file of that name.
            LensArgumentError: an unknown argument, or a wrong value.
        """
        asked = {**shared, **as_arguments(given)}
        reject_unknown([name for name in asked if name not in _NAMES], _NAMES, what="argument of ask")
        text = asked.get("question")
        if not isinstance(text, str):
            raise LensArgumentError(f"question={text!r}; expected the user's text")
        return cls(
            _pictures(asked.get("image")),
            text,
            _target(text, asked.get("candidates"), asked.get("gold")),
            _generation({name: asked[name] for name in _GENERATION if name in asked}),
            _regions(*(asked.get(name) for name in ("words", "boxes", "tracks", "steps"))),
            _video(asked.get("video")),
        )

    def request(self, key: Key, processor: Any, system_prompt: str | None, sampling: VideoSampling) -> Request:
        """The request under a key, its prompt made by the checkpoint's chat template when its turn comes.

        `sampling` says which frames of a video are shown.
        """
        return Request(key, self.generation, functools.partial(self._sample, key, processor, system_prompt, sampling))

    @property
    def sampled(self) -> bool:
        """Whether asking again may give another answer."""
        return float(self.generation.get("temperature") or 0) > 0

    def opened(self) -> tuple[Image.Image, ...]:
        """The pictures. Raises `InputError`: one cannot be read."""
        return tuple(_opened(picture, place) for place, picture in enumerate(self.pictures))

    def videos(self, sampling: VideoSampling) -> tuple[Video, ...]:
        """The video, at the frames that are shown. Raises `InputError`: it cannot be read."""
        return () if self.video is None else (open_video(self.video, where="video", sampling=sampling),)

    def _sample(self, key: Key, processor: Any, system_prompt: str | None, sampling: VideoSampling) -> Sample:
        """Raises `InputError`: a picture or the video cannot be read, or the checkpoint has no chat template."""
        images, videos = self.opened(), self.videos(sampling)
        shown = [*({"type": "image"} for _ in images), *({"type": "video"} for _ in videos)]
        content = [*shown, {"type": "text", "text": self.text}]
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if system_prompt:
            messages.insert(0, {"role": "system", "content": [{"type": "text", "text": system_prompt}]})
        return Sample(
            key=key,
            prompt=render_chat(processor, messages),
            media=Media(images, videos),
            question=self.text,
            generation=self.generation,
            make_reference=lambda: Reference(self.target, regions=self.regions),
        )


def as_arguments(given: Mapping[str, Any] | Sequence[Any]) -> Mapping[str, Any]:
    """The arguments of one question by their names."""
    if isinstance(given, Mapping):
        return given
    if isinstance(given, tuple) and 2 <= len(given) <= len(_TUPLE):
        return dict(zip(_TUPLE, given, strict=False))
    raise LensArgumentError(
        f"{given!r} is no question; expected (image, question), (image, question, candidates), or a mapping with the "
        f"arguments of ask: {', '.join(_NAMES)}"
    )


def _pictures(given: Any) -> tuple[Picture, ...]:
    pictures = () if given is None else tuple(given) if isinstance(given, list | tuple) else (given,)
    for picture in pictures:
        if isinstance(picture, str | os.PathLike) and not str(picture).startswith(_ADDRESSES):
            if not Path(picture).is_file():
                raise FileNotFoundError(f"image={os.fspath(picture)}: no such file, seen from {Path.cwd()}")
        elif isinstance(picture, np.ndarray):
            if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
                raise LensArgumentError(
                    f"image: found an array {picture.dtype} {picture.shape}; expected uint8 [height, width, 3]"
                )
        elif not isinstance(picture, str | Image.Image | bytes):
            raise LensArgumentError(
                f"image: found {type(picture).__name__}; expected a path, an address, a PIL image, an array, the bytes "
                "of a file, a list of these, or None"
            )
    return pictures


def _video(given: Any) -> Any:
    if isinstance(given, str | os.PathLike) and not str(given).startswith(_ADDRESSES) and not Path(given).is_file():
        raise FileNotFoundError(f"video={os.fspath(given)}: no such file, seen from {Path.cwd()}")
    return given


def _opened(picture: Picture, place: int) -> Image.Image:
    where = str(picture)[:100] if isinstance(picture, str | os.PathLike) else f"image {place}"
    try:
        return open_image(picture, where=where)
    except TypeError as error:  # Pillow's word for an array of a shape that is no picture
        raise InputError(f"{where}: the image cannot be read ({error})") from error


def _target(question: str, candidates: Any, gold: Any) -> AnswerTarget:
    """The candidates in their order, and which of them is right; nothing is looked up but what the caller said."""
    if gold is not None and not isinstance(gold, str):
        raise LensArgumentError(f"gold={gold!r}; expected the right answer as text")
    if candidates is None:
        return target_for("ask", {}, prompt=question, gold=gold)
    labels = [] if isinstance(candidates, str) else list(candidates)
    if len(labels) < 2 or not all(isinstance(label, str) and label.strip() for label in labels):
        raise LensArgumentError(f'candidates={candidates!r}; expected two texts or more, such as ["yes", "no"]')
    target = target_for("ask", {}, prompt=question, gold=gold or "", choices=labels)
    if not target.candidates:
        raise LensArgumentError(f"candidates={labels}: {target.note}")
    if gold and target.gold is None:
        raise LensArgumentError(f"gold={gold!r} is none of the candidates: {', '.join(labels)}")
    return target


def _regions(words: Any, boxes: Any, tracks: Any, steps: Any) -> Regions:
    try:
        found = regions_of("ask", {"lens_words": words, "lens_boxes": boxes, "tracks": tracks, "lens_steps": steps})
    except BoxError as error:
        named = f"boxes={boxes!r}" if tracks is None else "tracks"
        raise LensArgumentError(f"{named}: {error}") from error
    if words is not None and not found.words:
        raise LensArgumentError(f'words={words!r}; expected a text or texts, such as ["dining table"]')
    if isinstance(found.steps, ProgramError):
        raise LensArgumentError(f"steps: {found.steps}")
    return found


def _generation(given: Mapping[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {"max_new_tokens": _MAX_NEW_TOKENS}
    for name, value in given.items():
        if value is not None:
            checked[name] = number(value, name) if name in ("temperature", "top_p") else whole_number(value, name)
    return checked

"""Image tokens whose geometry the model itself has confirmed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .locate import ImageTokenLocator, Size
from .painting import Run
from .proof import GeometryReport, prove_geometry
from .sound_tokens import SoundTokenLocator, prove_sound_tokens
from .tokens import ImageTokens
from .video_layout import VideoShape
from .video_proof import prove_video_geometry
from .video_tokens import VideoTokenLocator

__all__ = ["ProvenImageTokens"]

_BOTH = "the prompt has several kinds of media; which of its tokens belong to which is not known"


class ProvenImageTokens:
    """Locates image tokens; a geometry that is not proven is never given out.

    Args:
        model: in eval mode.
        processor: the model's own.
        warn: is called, once for pictures, videos and sounds each, with why there is no geometry.
        run: see `prove_geometry`; of pictures alone.
    """

    def __init__(self, model: Any, processor: Any, warn: Callable[[str], object], run: Run | None = None) -> None:
        self._run = run
        self.locator = ImageTokenLocator(model, processor)
        self.video_locator = VideoTokenLocator(model, processor)
        self.sound_locator = SoundTokenLocator(model, processor)
        self._warn = warn

    @functools.cached_property
    def report(self) -> GeometryReport:
        """The proof for pictures; made when it is first asked for."""
        report = prove_geometry(self.locator.model, self.locator.processor, locator=self.locator, run=self._run)
        if report.status != "proven":
            self._warn(f"Image tokens have no place in the picture (geometry {report.status}): {report.reason}")
        return report

    @functools.cached_property
    def video_report(self) -> GeometryReport:
        """The proof for videos; made when it is first asked for."""
        locator = self.video_locator
        report = prove_video_geometry(locator.model, locator.processor, locator=locator)
        if report.status != "proven":
            self._warn(f"Tokens of videos have no place and time (geometry {report.status}): {report.reason}")
        return report

    @functools.cached_property
    def sound_problem(self) -> str | None:
        """Why the tokens of sounds are not known, None where they are; found out when it is first asked for."""
        problem = prove_sound_tokens(self.sound_locator.model, self.sound_locator.processor)
        if problem is not None:
            self._warn(f"Which tokens stand for sounds is not known: {problem}")
        return problem

    def locate(
        self,
        inputs: Mapping[str, Any],
        sizes: Sequence[Sequence[Size]],
        videos: Sequence[Sequence[VideoShape]] = (),
        sounds: Sequence[int] = (),
    ) -> list[ImageTokens]:
        """The image tokens of each row, as `ImageTokenLocator.locate`; of a row with sounds alone, their tokens.

        A row with pictures or videos has no image tokens, and the reason as their `problem`, unless the geometry is
        proven; where only the positions of pictures are known, it has these alone.

        Args:
            inputs: what the model is given, left-padded.
            sizes: (width, height) in pixels of the pictures of each row, in order of the prompt.
            videos: shapes of the videos of each row; nothing where no row has any.
            sounds: how many sounds each row has; nothing where no row has any.
        """
        shapes, heard = videos or [()] * len(sizes), sounds or [0] * len(sizes)
        pictures = [() if own or n else size for size, own, n in zip(sizes, shapes, heard, strict=True)]
        found = self._guarded(self._pictures, inputs, pictures)
        for row, (size, own, n) in enumerate(zip(sizes, shapes, heard, strict=True)):
            ids = {"input_ids": inputs["input_ids"][row : row + 1]}
            if bool(own) + bool(size) + bool(n) > 1:
                found[row] = ImageTokens.none(_BOTH)
            elif own:
                (found[row],) = self._guarded(self._videos, ids, [own])
            elif n:
                (found[row],) = self._guarded(self._sounds, ids, [n])
            elif not size:
                found[row] = ImageTokens.none()
        return found

    def _guarded(
        self,
        locate: Callable[[Mapping[str, Any], Sequence[Any]], list[ImageTokens]],
        inputs: Mapping[str, Any],
        shown: Sequence[Any],
    ) -> list[ImageTokens]:
        try:
            return locate(inputs, shown)
        except Exception as error:  # a fault here costs no answer
            problem = f"image tokens could not be located: {type(error).__name__}: {str(error)[:200]}"
            return [ImageTokens.none(problem) for _ in shown]

    def _pictures(self, inputs: Mapping[str, Any], sizes: Sequence[Sequence[Size]]) -> list[ImageTokens]:
        if not any(sizes):
            return [ImageTokens.none() for _ in sizes]
        report = self.report
        if report.status == "proven" or (report.status == "none" and report.tokens):
            return self.locator.locate(inputs, sizes)
        return [_unproven(report) if own else ImageTokens.none() for own in sizes]

    def _videos(self, inputs: Mapping[str, Any], shapes: Sequence[Sequence[VideoShape]]) -> list[ImageTokens]:
        report = self.video_report
        if report.status != "proven":
            return [_unproven(report) for _ in shapes]
        rows = inputs["input_ids"].cpu().numpy()
        return [self.video_locator.locate(ids, own) for ids, own in zip(rows, shapes, strict=True)]

    def _sounds(self, inputs: Mapping[str, Any], numbers: Sequence[int]) -> list[ImageTokens]:
        if self.sound_problem is not None:
            return [ImageTokens.none(self.sound_problem) for _ in numbers]
        rows = inputs["input_ids"].cpu().numpy()
        return [self.sound_locator.locate(ids, n) for ids, n in zip(rows, numbers, strict=True)]


def _unproven(report: GeometryReport) -> ImageTokens:
    return ImageTokens.none(report.reason if report.status == "none" else f"geometry {report.status}: {report.reason}")

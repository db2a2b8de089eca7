"""Image tokens whose geometry the model itself has confirmed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .locate import ImageTokenLocator, Size
from .painting import Run
from .proof import GeometryReport, prove_geometry
from .tokens import ImageTokens
from .video_layout import VideoShape
from .video_proof import prove_video_geometry
from .video_tokens import VideoTokenLocator

__all__ = ["ProvenImageTokens"]

_BOTH = "the prompt shows pictures and videos; which of its tokens belong to which is not known"


class ProvenImageTokens:
    """Locates image tokens; a geometry that is not proven is never given out.

    Args:
        model: in eval mode.
        processor: the model's own.
        warn: is called, once for pictures and once for videos, with why there is no geometry.
        run: see `prove_geometry`; of pictures alone.
    """

    def __init__(self, model: Any, processor: Any, warn: Callable[[str], object], run: Run | None = None) -> None:
        self._run = run
        self.locator = ImageTokenLocator(model, processor)
        self.video_locator = VideoTokenLocator(model, processor)
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

    def locate(
        self,
        inputs: Mapping[str, Any],
        sizes: Sequence[Sequence[Size]],
        videos: Sequence[Sequence[VideoShape]] = (),
    ) -> list[ImageTokens]:
        """The image tokens of each row, as `ImageTokenLocator.locate`.

        A row with pictures or videos has no image tokens, and the reason as their `problem`, unless the geometry is
        proven; where only the positions of pictures are known, it has these alone.

        Args:
            inputs: what the model is given, left-padded.
            sizes: (width, height) in pixels of the pictures of each row, in order of the prompt.
            videos: shapes of the videos of each row; nothing where no row has any.
        """
        shapes = videos or [()] * len(sizes)
        pictures = [() if own else size for size, own in zip(sizes, shapes, strict=True)]
        found = self._guarded(self._pictures, inputs, pictures)
        for row, (size, own) in enumerate(zip(sizes, shapes, strict=True)):
            if own and size:
                found[row] = ImageTokens.none(_BOTH)
            elif own:
                ids = {"input_ids": inputs["input_ids"][row : row + 1]}
                (found[row],) = self._guarded(self._videos, ids, [own])
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


def _unproven(report: GeometryReport) -> ImageTokens:
    return ImageTokens.none(report.reason if report.status == "none" else f"geometry {report.status}: {report.reason}")

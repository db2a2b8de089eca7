"""Image tokens whose geometry the model itself has confirmed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .locate import ImageTokenLocator, Size
from .proof import GeometryReport, prove_geometry
from .tokens import ImageTokens

__all__ = ["ProvenImageTokens"]


class ProvenImageTokens:
    """Locates image tokens; a geometry that is not proven is never given out.

    Args:
        model: in eval mode.
        processor: the model's own.
        warn: is called, once, with why there is no geometry.
    """

    def __init__(self, model: Any, processor: Any, warn: Callable[[str], object]) -> None:
        self.locator = ImageTokenLocator(model, processor)
        self._warn = warn

    @functools.cached_property
    def report(self) -> GeometryReport:
        """The proof; made when it is first asked for."""
        report = prove_geometry(self.locator.model, self.locator.processor, locator=self.locator)
        if report.status != "proven":
            self._warn(f"Image tokens have no place in the picture (geometry {report.status}): {report.reason}")
        return report

    def locate(self, inputs: Mapping[str, Any], sizes: Sequence[Sequence[Size]]) -> list[ImageTokens]:
        """The image tokens of each row, as `ImageTokenLocator.locate`.

        A row with pictures has no image tokens, and the reason as their `problem`, unless the geometry is proven; where
        only the positions are known, it has these alone.
        """
        if not any(sizes):
            return [ImageTokens.none() for _ in sizes]
        try:
            return self._located(inputs, sizes)
        except Exception as error:  # a fault here costs no answer
            problem = f"image tokens could not be located: {type(error).__name__}: {str(error)[:200]}"
            return [ImageTokens.none(problem) if own else ImageTokens.none() for own in sizes]

    def _located(self, inputs: Mapping[str, Any], sizes: Sequence[Sequence[Size]]) -> list[ImageTokens]:
        report = self.report
        if report.status == "proven" or (report.status == "none" and report.tokens):
            return self.locator.locate(inputs, sizes)
        problem = report.reason if report.status == "none" else f"geometry {report.status}: {report.reason}"
        return [ImageTokens.none(problem) if own else ImageTokens.none() for own in sizes]

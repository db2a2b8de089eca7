"""Reports whose figures are made and not drawn: drawing is two thirds of the time of a small report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

import lens_report.presentation.report


@contextmanager
def blank_figures() -> Iterator[None]:
    """Every figure is a white picture; for tests of what else is in a report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lens_report.presentation.report, "save", _blank)
        yield


def _blank(figure: Figure, path: Path) -> tuple[Path, Path]:
    png, svg = path.with_name(path.name + ".png"), path.with_name(path.name + ".svg")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), "white").save(png)
    svg.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", encoding="utf-8")
    return png, svg

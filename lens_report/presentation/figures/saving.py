"""Figures as files: PNG for reading on, SVG for print."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from lens_report.presentation.figures.style import RC

DPI = 160
MOST_FITTINGS = 4
"""How often the letters of a legend are made smaller: its lines keep their length."""


def save(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Write `<path>.png` and `<path>.svg`; the same figure makes the same files."""
    png, svg = path.with_name(path.name + ".png"), path.with_name(path.name + ".svg")
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(RC):
        laid_out(figure)
        figure.savefig(png, dpi=DPI, metadata={"Software": None})
        figure.savefig(svg, metadata={"Date": None, "Creator": None})
    return png, svg


def laid_out(figure: Figure) -> Figure:
    """The same figure with its parts in their places for good, and with legends that fit into it."""
    figure.set_dpi(DPI)  # letters are fitted to pixels: at another resolution the labels have other widths
    engine = figure.get_layout_engine()
    for fitting in range(MOST_FITTINGS + 1):
        if engine is not None:
            engine.execute(figure)
        wide = [one for one in figure.findobj(Legend) if one.get_window_extent().x1 > figure.bbox.x1]
        if not wide or fitting == MOST_FITTINGS:
            break
        for one in wide:
            box = one.get_window_extent()
            share = max(0.8, (figure.bbox.x1 - box.x0) / box.width)
            for text in one.get_texts():
                text.set_fontsize(share * text.get_fontsize())
    figure.set_layout_engine(None)  # laid out once for both files
    return figure

"""Figures as files: PNG for reading on, SVG for print."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from lens_report.presentation.figures.style import RC

DPI = 160


def save(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Write `<path>.png` and `<path>.svg`; the same figure makes the same files."""
    png, svg = path.with_name(path.name + ".png"), path.with_name(path.name + ".svg")
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(RC):
        figure.set_dpi(DPI)  # letters are fitted to pixels: at another resolution the labels have other widths
        if engine := figure.get_layout_engine():
            engine.execute(figure)
            figure.set_layout_engine(None)  # laid out once for both files
        figure.savefig(png, dpi=DPI, metadata={"Software": None})
        figure.savefig(svg, metadata={"Date": None, "Creator": None})
    return png, svg

"""The texts of figures in each language: all inside the figure, and none left in English."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from synthetic import QUICK

import lens_report
import lens_report.presentation.report
from lens_report.presentation.figures.saving import laid_out
from lens_report.presentation.figures.style import RC
from lens_report.presentation.language import catalogue
from lens_report.presentation.report import report_on

pytestmark = pytest.mark.end_to_end
RESULTS = Path(lens_report.__file__).parents[1] / "results"
RUNS = [
    str(RESULTS / "picture" / "lens_pope_mini_20261126T194320Z-6eed275c.parquet"),
    str(RESULTS / "steps" / "lens_reasoning_mini_20261127T193412Z-82e30838.parquet"),
]
WORD = re.compile(r"[A-Za-z]{2}")


def texts_of(language: str, folder: Path, patch: pytest.MonkeyPatch) -> tuple[set[str], list[str]]:
    """Texts of all figures of two runs, and those that reach over the edge of theirs."""
    written: set[str] = set()
    cut: list[str] = []

    def look(figure: Figure, path: Path) -> None:
        with matplotlib.rc_context(RC):
            laid_out(figure).draw_without_rendering()  # which places the texts of legends
        for text in figure.findobj(Text):
            if text.get_visible() and WORD.search(re.sub(r"[а-яё]", "ru", text.get_text())):
                written.add(text.get_text())
                box = text.get_window_extent()
                if box.x0 < -1 or box.y0 < -1 or box.x1 > figure.bbox.width + 1 or box.y1 > figure.bbox.height + 1:
                    cut.append(f"{path.name}: {text.get_text()}")

    patch.setattr(lens_report.presentation.report, "save", look)
    report_on(RUNS, folder, draws=QUICK, texts=catalogue(language))
    return written, cut


def test_texts_of_figures_are_whole_and_in_the_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    english, cut_in_english = texts_of("en", tmp_path, monkeypatch)
    russian, cut_in_russian = texts_of("ru", tmp_path, monkeypatch)
    assert (cut_in_english, cut_in_russian) == ([], [])
    assert len(english) > 60
    alike = [line for text in sorted(english & russian) for line in text.split("\n")]
    assert [line for line in alike if catalogue("ru").text(line) != line] == []

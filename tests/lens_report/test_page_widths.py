"""What a reader sees of a page at a wide and at a narrow screen, in each language: nothing is cut, nothing runs out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from blank_figures import blank_figures
from browser_page import Opened, in_browser
from synthetic import QUICK, Plan, write_run

from lens_report import build_report
from lens_report.presentation.language import LANGUAGES

pytestmark = [*in_browser, pytest.mark.end_to_end]

CUT = """() => [...document.querySelectorAll('#samples th, #samples td:nth-child(2), .numbers th, .figures th')]
  .filter((cell) => cell.offsetWidth && cell.scrollWidth > cell.clientWidth).map((cell) => cell.textContent)"""
"""Heads of columns, and verdicts, that are wider than their cell."""

OUTSIDE = """() => [...document.querySelectorAll('body *')]
  .filter((one) => one.offsetWidth && !one.closest('.scroll > *, svg'))
  .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((one) => `${one.tagName}: ${one.textContent.slice(0, 60)}`)"""
"""What reaches over the right edge of the page; what is in a frame that scrolls by itself does not."""


@pytest.fixture(scope="module", params=LANGUAGES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of a task with a long name, with every verdict and every part of a sample's page."""
    folder = tmp_path_factory.mktemp(request.param)
    plans = [
        Plan(
            n=120, run_id=str(number), seed=number, task="a_task_with_quite_a_long_name_and_no_blank", controls=True,
            thumbnails=True, format_errors=0.1, failed=0.1, types=("random", "left or right of something"),
        )
        for number in (1, 2)
    ]  # fmt: skip
    runs = [write_run(folder / plan.run_id, plan) for plan in plans]
    with blank_figures():
        made = build_report(runs, folder / "report", draws=QUICK, names=["base", "dola"], language=request.param)
    return made.html


def seen(page: Any, width: int) -> None:
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CUT) == []


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_cut_and_no_page_scrolls_sideways(tab: Opened, page: Path, width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 900})
    tab.page.goto(page.as_uri())
    tab.page.wait_for_selector("html[data-ready]", state="attached")
    tab.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    seen(tab.page, width)
    tab.page.click("#tab-explorer")
    tab.settled()
    seen(tab.page, width)
    for kind in ("wrong", "format error", "not read"):
        tab.page.select_option("#task", index=2)  # one run, whose verdicts are words
        tab.page.select_option("#verdict", kind)
        tab.settled()
        tab.page.locator("#samples tbody tr").first.click()
        tab.page.wait_for_selector("#sample h2")
        tab.page.evaluate("document.querySelectorAll('#sample details').forEach((one) => { one.open = true; })")
        seen(tab.page, width)
    tab.page.click("#start-over")
    tab.settled()
    tab.page.locator("#samples tbody tr").first.click()
    tab.page.wait_for_selector(".side .lens")
    seen(tab.page, width)


def test_heads_of_further_metrics_and_their_arrows_are_whole(tab: Opened, page: Path) -> None:
    tab.page.set_viewport_size({"width": 1280, "height": 900})
    tab.open(page)
    for name in ("label_free.commit_depth", "gold_based.wrong_then_corrected", "gold_based.stable_correct_layer"):
        tab.page.select_option("#metric", name)
        tab.page.fill("#from", "0")
        tab.settled()
    for column in ("gold", "score", "gold_based.wrong_then_corrected"):
        tab.sort(column, descending=True)
        seen(tab.page, 1280)


def test_the_list_needs_no_scrolling_on_a_wide_screen(tab: Opened, page: Path) -> None:
    tab.page.set_viewport_size({"width": 1280, "height": 900})
    tab.open(page)
    room = (
        "(() => { const one = document.querySelector('.list .scroll'); return one.clientWidth - one.scrollWidth; })()"
    )
    assert tab.page.evaluate(room) >= 0
    assert tab.page.evaluate("document.querySelector('#samples td:nth-child(3)').offsetWidth") > 80


def test_two_runs_stand_side_by_side_on_a_wide_screen(tab: Opened, page: Path) -> None:
    tab.page.set_viewport_size({"width": 1280, "height": 900})
    tab.open(page)
    tab.page.locator("#samples tbody tr").first.click()
    tab.page.wait_for_selector(".side .lens")
    tops = "[...document.querySelectorAll('.side > div')].map((one) => one.getBoundingClientRect().top)"
    first, second = tab.page.evaluate(tops)
    assert first == second

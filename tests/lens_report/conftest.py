from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_page import CHROMIUM, Opened
from synthetic import HOSTILE, QUICK, Plan, write_run

from lens_report import Report, build_report


@pytest.fixture(scope="session")
def plan() -> Plan:
    return Plan(
        n=240,
        task="rusynth",
        candidates=("да", "нет"),
        format_errors=0.05,
        failed=0.03,
        controls=True,
        pivots=True,
        thumbnails=True,
        questions={1: HOSTILE},
        types=("random", "<b>popular</b>"),
    )


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> Path:
    return write_run(tmp_path_factory.mktemp("run"), plan)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory, run_folder: Path) -> Report:
    return build_report(run_folder, tmp_path_factory.mktemp("report"), draws=QUICK)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Opened]:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    yield Opened(page)
    page.close()

"""axe finds nothing serious in a report: findings, list, sample, two runs side by side, light, dark and narrow."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest
from blank_figures import blank_figures
from browser_page import Opened, in_browser
from synthetic import QUICK, Plan, write_run

from lens_report import Report, build_report

pytest.importorskip("axe_playwright_python", reason="axe is not installed (axe-playwright-python)")
pytestmark = [*in_browser, pytest.mark.end_to_end]
RUN = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations.map((one) =>
    [one.impact, one.id, one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200))])"""


def serious(page: Any) -> list[Any]:
    """What axe calls serious or critical."""
    if not page.evaluate("typeof axe === 'object'"):
        script = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
        page.add_script_tag(content=script)
    return [one for one in page.evaluate(RUN) if one[0] in ("serious", "critical")]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("two")
    plans = [Plan(n=120, run_id=str(number), seed=number, controls=True, thumbnails=True) for number in (1, 2)]
    runs = [write_run(folder / plan.run_id, plan) for plan in plans]
    with blank_figures():
        return build_report(runs, folder / "report", draws=QUICK, names=["base", "dola"])


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light")])
def test_nothing_serious_is_found(tab: Opened, two: Report, width: int, scheme: str) -> None:
    page = tab.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto(two.html.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert serious(page) == []
    page.click("#tab-explorer")
    tab.settled()
    page.fill("#to", "3")
    page.select_option("#metric", index=2)
    tab.settled()
    assert serious(page) == []
    page.locator("#samples tbody tr").nth(3).click()
    page.wait_for_selector(".side .lens")
    page.evaluate("document.querySelectorAll('#sample details').forEach((one) => { one.open = true; })")
    assert serious(page) == []


def test_axe_can_find_something(tab: Opened, two: Report) -> None:
    tab.open(two.html)
    tab.page.evaluate(
        "document.querySelector('#search').closest('label').replaceWith(document.querySelector('#search'))"
    )
    tab.page.evaluate("document.querySelector('#search').removeAttribute('placeholder')")
    assert [one[1] for one in serious(tab.page)] == ["label"]

"""The steps of a response on the page of its sample: planted records, in headless Chromium."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_page import Opened, in_browser
from synthetic import Plan, records, run_info

from lens_report import ExplorerLimits
from lens_report.measures import task_runs
from lens_report.presentation.document.blocks import Document
from lens_report.presentation.document.html import render_html
from lens_report.presentation.explorer.payload import explorer_data
from lens_report.presentation.explorer.step_links import StepLinks
from lens_report.presentation.explorer.steps import WrittenSteps
from lens_results import RecordWriter, load, merge

RESPONSE = "Step 1: a cube.\nStep 2: it is red.\nAnswer: yes"
SPANS = ((0, 15), (16, 34))
FORCED = np.log(np.array([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]]))


def array(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)


def planted(number: int) -> dict[str, Any]:
    """Of the first sample everything, of the second no forced answer, the response of the third lacks its beginning."""
    read: dict[str, Any] = {
        "start": array([start for start, _ in SPANS]), "end": array([end for _, end in SPANS]),
        "tokens": array([6, 5]), "entropy": array([0.25, 1.5]), "forced": array(FORCED),
    }  # fmt: skip
    if number == 1:
        read.pop("forced")
        return {"response": RESPONSE, "probes": {"steps": read}, "probe_status": {"steps": "open: no candidate"}}
    if number == 2:
        return {"response": RESPONSE[4:], "probes": {"steps": read}, "probe_status": {"steps": "ok"}}
    if number == 3:
        return {"probe_status": {"steps": "nothing: no step is written before the answer"}}
    if number == 4:
        read |= {"forced": array(FORCED[[0, 2]]), "read": array([2])}
        return {
            "response": RESPONSE,
            "probes": {"steps": read, **linked()},
            "probe_status": {"steps": "thinned: 1 of 2"},
        }
    return {"response": RESPONSE, "probes": {"steps": read}, "probe_status": {"steps": "ok"}}


def linked() -> dict[str, Any]:
    """Steps with their regions: four image tokens, the first step about the first of them, the second about nothing."""
    quarters = [[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]]
    looks = {
        "result": array([[10, 14], [30, 33]]), "box": array([quarters[0]]), "box of": array([[0, 0]]),
        "attention": array([[0, 2.5, 1, 0.75]]), "map": array([[0.2, 0.05, 0.0, 0.1], [0.1, 0.1, 0.1, 0.1]]),
    }  # fmt: skip
    causes = {
        "result": looks["result"], "masked": array([[0, 0.5, 2.0, -0.25]]), "masked null": array([[0, 0, 0, 0]]),
        "replaced": array([[0, 1.0], [0, 2.0], [1, 0.0]]), "replaced null": array([[0, 0.0], [1, 0.0]]),
    }  # fmt: skip
    return {"step_regions": looks, "step_causes": causes, "tokens": {"boxes": array(quarters), "image": array([0] * 4)}}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steps")
    plan = Plan(n=5, per_image=1)
    with RecordWriter(folder, run_info(plan)) as writer:
        for number, record in enumerate(records(plan)):
            writer.append(replace(record, **planted(number)))
    merge(folder, plan.run_id)
    file = folder / "index.html"
    data = explorer_data(task_runs(load(folder)), ExplorerLimits())
    file.write_text(render_html(Document("t", ()), data), encoding="utf-8")
    return file


def test_texts_are_those_of_the_places_or_absent(page: Path) -> None:
    (task_run,) = task_runs(load(page.parent))
    steps = WrittenSteps(task_run)
    entries = [steps.entry(row) for row in range(4)]
    assert entries[0] is not None and entries[0]["texts"] == ["Step 1: a cube.", "Step 2: it is red."]
    assert entries[0]["entropy"] == [250, 1500]
    assert entries[1] is not None and "forced" not in entries[1]
    assert entries[2] is not None and "texts" not in entries[2], "the places are not of this response"
    assert entries[3] == {"status": "nothing: no step is written before the answer"}


def test_links_are_those_of_the_record(page: Path) -> None:
    (task_run,) = task_runs(load(page.parent))
    links = StepLinks(task_run)
    entry = links.entry(4)
    assert entry is not None and links.entry(0) is None
    assert entry["results"] == ["cube", "red"] and entry["boxes"] == [[0, 0, 5000, 5000, 0, 0]]
    assert entry["figures"] == [[0, 2500, 1000, 750]]
    assert np.frombuffer(base64.b64decode(entry["map"]), np.uint8).tolist() == [255, 64, 0, 128, 128, 128, 128, 128]
    assert entry["words"] == ["not told", "not told"], "two nulls set no threshold"
    assert entry["result_drop"] == [[2000, -250], [None, None]] and entry["answer_drop"] == [500, None]
    assert entry["text_drop"] == [1500, 0]
    steps = WrittenSteps(task_run).entry(4)
    assert steps is not None and steps["read"] == [2]


@pytest.mark.end_to_end
class TestPage:
    pytestmark = in_browser

    def shown(self, tab: Opened, page: Path, row: int) -> Any:
        tab.open(page)
        tab.page.locator("#samples tbody tr").nth(row).click()
        tab.page.wait_for_selector(f'#sample h2:has-text("document {row} ")')
        return tab.page.locator("#sample")

    def test_each_step_has_its_text_entropy_and_forced_answer(self, tab: Opened, page: Path) -> None:
        items = self.shown(tab, page, 0).locator(".chain > li")
        texts = items.all_inner_texts()
        assert len(texts) == len(SPANS) + 1
        assert texts[0].startswith("without any step")
        assert "Step 2: it is red." in texts[2]
        assert "5 tokens, mean entropy 1.500 nats" in texts[2]
        for place, expected in enumerate(np.exp(FORCED)):
            bars = items.nth(place).locator("dd").all_inner_texts()
            assert sorted(float(text) for text in bars) == pytest.approx(sorted(expected), abs=6e-4)
            widths = items.nth(place).locator(".bar").evaluate_all("bars => bars.map((bar) => bar.style.width)")
            assert sorted(float(width.rstrip("%")) for width in widths) == pytest.approx(
                sorted(100 * expected), abs=0.06
            )
        assert tab.console == []

    def test_a_step_has_its_picture_what_it_states_and_what_depends_on_it(self, tab: Opened, page: Path) -> None:
        shown = self.shown(tab, page, 4)
        items = shown.locator(".chain > li")
        texts = items.all_inner_texts()
        assert len(texts) == 3 and "states: cube; lift 2.500, pointing 1, AUROC 0.750; not told" in texts[1]
        assert [items.nth(place).locator(".bars").count() for place in range(3)] == [1, 0, 1], "thinned"
        assert items.nth(1).locator(".of-step canvas").count() == 1
        assert items.nth(1).locator("rect.asked").count() == 2 and items.nth(2).locator("rect.asked").count() == 0
        colour = (
            items.nth(1)
            .locator("canvas")
            .evaluate(
                "one => { const row = one.getContext('2d').getImageData(0, 40, 400, 1).data;"
                " return [row[163], row[963]]; }"
            )
        )
        assert colour[0] == pytest.approx(0.85 * 255, abs=2) and colour[1] == pytest.approx(0.85 * 64, abs=2)
        rows = [each.split("\t") for each in shown.locator(".chain ~ .scroll table").first.inner_text().splitlines()]
        assert rows[1] == ["without the boxes of step 1", "2", "-0.250", "0.500"]
        assert rows[3] == ["another result in step 1", "", "", "1.500"]
        assert tab.console == []

    def test_the_table_of_drops_scrolls_by_itself(self, tab: Opened, page: Path) -> None:
        tab.page.set_viewport_size({"width": 400, "height": 900})
        table = self.shown(tab, page, 4).locator(".figures").first
        table.evaluate("(one) => { one.style.width = '900px'; }")  # as wide as with many steps
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 400

    def test_what_was_not_read_is_said(self, tab: Opened, page: Path) -> None:
        text = self.shown(tab, page, 1).inner_text()
        assert "Not measured: open: no candidate." in text
        assert "without any step" not in text
        assert "The text of the steps was not recorded whole." in self.shown(tab, page, 2).inner_text()
        assert "Steps of the response" not in self.shown(tab, page, 3).inner_text()
        assert tab.console == []

"""Every token of a response on the page of its sample, and texts like formulas in its CSV: planted, in Chromium."""

from __future__ import annotations

import csv
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
from lens_report.presentation.explorer import tokens
from lens_report.presentation.explorer.payload import explorer_data
from lens_results import RecordWriter, load, merge

TEXTS = {"5": " yes", "7": "\n", "9": "<b>no</b>"}
GIVEN, LAYERS = [5, 7], [1, 2, 4]
TOP = [[9, 5, 5], [5, 9, 7]]
LOGPROB = np.log([[0.1, 0.5, 0.9], [0.2, 0.3, 0.8]])
TOP_LOGPROB = np.log([[0.6, 0.5, 0.9], [0.7, 0.4, 0.8]])
FORMULAS = ["=1+1", "+cmd", "-2", "@sum", "a=b"]


def array(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)


def planted(number: int) -> dict[str, Any]:
    """Of the first sample everything, the second was refused, of the third the first step was let go."""
    read = {
        "step": array([0, 1]), "layers": array(LAYERS), "given": array(GIVEN), "top": array(TOP),
        "logprob": array(LOGPROB), "top logprob": array(TOP_LOGPROB), "entropy": array(np.ones((2, 3))),
        "rank": array([[3, 1, 1], [2, 2, 1]]), "identity": array([0, 0]),
    }  # fmt: skip
    if number == 1:
        return {"probe_status": {"every_token": "failed: the readout of step 1 is off"}}
    if number == 2:
        read["step"] = array([0, 4])
    return {"probes": {"every_token": read}, "probe_status": {"every_token": "ok"}, "token_texts": TEXTS}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokens")
    plan = Plan(n=5, per_image=1)
    with RecordWriter(folder, run_info(plan)) as writer:
        for number, record in enumerate(records(plan)):
            writer.append(replace(record, question=FORMULAS[number], **planted(number)))
    merge(folder, plan.run_id)
    file = folder / "index.html"
    data = explorer_data(task_runs(load(folder)), ExplorerLimits())
    file.write_text(render_html(Document("t", ()), data), encoding="utf-8")
    return file


def test_the_texts_of_tokens_are_read_back_from_a_file(page: Path) -> None:
    run = load(page.parent)
    assert {int(token): text for token, text in TEXTS.items()}.items() <= run.token_texts.items()
    assert next(iter(run.records())).token_texts == TEXTS


def test_a_long_response_is_drawn_in_part(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST", 1)
    (task_run,) = task_runs(load(page.parent))
    entry = tokens.ResponseTokens(task_run).entry(0)
    assert entry is not None
    assert (entry["step"], entry["left"], entry["layers"]) == ([0], 1, LAYERS)
    assert [[entry["texts"][place] for place in line] for line in entry["top"]] == [["<b>no</b>", " yes", " yes"]]


@pytest.mark.end_to_end
class TestPage:
    pytestmark = in_browser

    def shown(self, tab: Opened, page: Path, row: int) -> Any:
        tab.open(page)
        tab.page.locator("#samples tbody tr").nth(row).click()
        tab.page.wait_for_selector(f'#sample h2:has-text("document {row} ")')
        return tab.page.locator("#sample")

    def test_positions_are_columns_and_layers_rows_with_the_last_on_top(self, tab: Opened, page: Path) -> None:
        table = self.shown(tab, page, 0).locator("table.positions")
        rows = table.locator("tbody tr")
        assert rows.evaluate_all("rows => rows.map((row) => row.dataset.layer)") == ["4", "2", "1"]
        assert table.locator("thead th").all_inner_texts()[1:] == ["1  yes", "2 ⏎"]
        cells = [rows.nth(place).locator("td") for place in range(3)]
        shown = [each.all_inner_texts() for each in cells]
        assert shown == [[" yes", "⏎"], [" yes", "<b>no</b>"], ["<b>no</b>", " yes"]]
        first = cells[2].nth(0)
        assert first.get_attribute("title") == '"<b>no</b>": p = 0.600; given: " yes", p = 0.100, rank 3'
        assert cells[0].nth(0).evaluate("cell => cell.classList.contains('answer')")
        assert not first.evaluate("cell => cell.classList.contains('answer')")
        assert tab.console == []

    def test_what_was_not_read_is_said_and_steps_keep_their_numbers(self, tab: Opened, page: Path) -> None:
        text = self.shown(tab, page, 1).inner_text()
        assert "Not measured: failed: the readout of step 1 is off." in text
        heads = self.shown(tab, page, 2).locator("table.positions thead th").all_inner_texts()
        assert heads[1:] == ["1  yes", "5 ⏎"]

    def test_no_text_of_the_csv_is_a_formula_and_numbers_stay_numbers(self, tab: Opened, page: Path) -> None:
        tab.open(page)
        with tab.page.expect_download() as waiting:
            tab.page.click("#export")
        text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
        lines = list(csv.DictReader(text.splitlines()))
        expected_texts = [f"'{each}" for each in FORMULAS[:4]] + FORMULAS[4:]
        assert sorted(line["question"] for line in lines) == sorted(expected_texts)
        margins = [float(line["label_free.final_margin"]) for line in lines]
        expected = load(page.parent).samples.set_index("doc_id")["label_free.final_margin"]
        assert margins == pytest.approx([expected[int(line["doc"])] for line in lines], abs=6e-5)

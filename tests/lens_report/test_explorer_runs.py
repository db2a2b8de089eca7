"""Several runs in one explorer, data beside the page, addresses of filters, export; in headless Chromium."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blank_figures import blank_figures
from browser_page import Opened, in_browser
from synthetic import QUICK, Plan, write_run

from lens_report import ExplorerLimits, Report, build_report
from lens_report.presentation.explorer.payload import FOLDER
from lens_results import Run, load

pytestmark = [*in_browser, pytest.mark.end_to_end]
N, MORE = 240, 130
MARGIN = "label_free.final_margin"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two runs of one task of which the second stopped early, and one of another task."""
    folder = tmp_path_factory.mktemp("runs")
    plans = {
        "base": Plan(n=N, task="a", run_id="1", thumbnails=True), "dola": Plan(n=MORE, task="a", run_id="2", seed=1),
        "other": Plan(n=60, task="b", run_id="3", seed=2),
    }  # fmt: skip
    return {name: write_run(folder / name, plan) for name, plan in plans.items()}


def built(runs: dict[str, Path], out: Path, limits: ExplorerLimits | None = None) -> Report:
    with blank_figures():
        return build_report(list(runs.values()), out, draws=QUICK, limits=limits, names=list(runs))


@pytest.fixture(scope="module")
def in_one_file(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Report:
    return built(runs, tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def in_files(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Report:
    return built(runs, tmp_path_factory.mktemp("many"), ExplorerLimits(in_one_file=100, image_bytes=0))


def verdict(run: Run, doc: int) -> Any:
    frame = run.samples
    return frame.loc[frame["doc_id"] == doc, "correct"].item()


def test_a_document_of_two_runs_is_listed_once(tab: Opened, in_one_file: Report, runs: dict[str, Path]) -> None:
    tab.open(in_one_file.html)
    assert tab.count() == f"{N + 60} of {N + 60} documents"
    tab.page.select_option("#task", label="a")
    assert tab.count() == f"{N} of {N + 60} documents"
    marks = tab.page.locator("#samples tbody tr").first.locator(".mark")
    assert [marks.nth(place).get_attribute("aria-label").split(":")[0] for place in range(2)] == ["base", "dola"]
    tab.page.select_option("#task", label="a: dola")
    assert tab.count() == f"{MORE} of {N + MORE + 60} samples"
    tab.page.select_option("#task", label="a")
    tab.page.select_option("#path", "disagree")
    both = [load(runs[name]) for name in ("base", "dola")]
    words = [[verdict(run, doc) for doc in range(MORE)] for run in both]
    assert tab.count() == f"{sum(x is not y for x, y in zip(*words, strict=True))} of {N + 60} documents"
    assert tab.console == []


def test_both_runs_of_a_document_stand_side_by_side(tab: Opened, in_one_file: Report) -> None:
    tab.open(in_one_file.html)
    tab.page.select_option("#task", label="a")
    tab.settled()
    tab.page.locator("#samples tbody tr").nth(7).click()
    tab.page.wait_for_selector(".side h2")
    titles = tab.page.locator(".side h2")
    assert titles.all_inner_texts() == ["a, document 7 (base)", "a, document 7 (dola)"]
    boxes = [titles.nth(place).bounding_box() for place in range(2)]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] < boxes[1]["x"]
    assert tab.page.locator(".side .lens").count() == 2


def test_a_filter_finds_a_document_by_any_of_its_runs(tab: Opened, in_one_file: Report, runs: dict[str, Path]) -> None:
    tab.open(in_one_file.html)
    tab.page.select_option("#task", label="a")
    tab.page.select_option("#verdict", "wrong")
    wrong = {
        int(doc)
        for name in ("base", "dola")
        for doc, right in zip(*docs(load(runs[name])), strict=True)
        if right is False
    }
    assert tab.count() == f"{len(wrong)} of {N + 60} documents"


def docs(run: Run) -> tuple[Any, Any]:
    frame = run.samples
    return frame["doc_id"], [None if value is None or value != value else bool(value) for value in frame["correct"]]


def test_ranges_of_several_metrics_hold_together(tab: Opened, in_one_file: Report, runs: dict[str, Path]) -> None:
    frame = load(runs["base"]).samples
    low = float(np.round(frame[MARGIN].median(), 2))
    tab.open(in_one_file.html)
    tab.page.select_option("#task", label="a: base")
    tab.page.fill("#from", str(low))
    inside = frame[MARGIN] >= low
    assert tab.count().startswith(f"{int(inside.sum())} of ")
    names = tab.page.locator("#metric option").all_inner_texts()
    other = next(name for name in names if name != MARGIN and frame[name].nunique() > 50)
    tab.page.select_option("#metric", other)
    high = float(np.round(frame[other].median(), 2))
    tab.page.fill("#to", str(high))
    inside &= frame[other] <= high
    assert tab.page.locator("#ranges li").count() == 1
    assert tab.count().startswith(f"{int(inside.sum())} of ")
    shown = tab.page.locator("#histogram svg").get_attribute("aria-label")
    assert "right: " in shown and "wrong: " in shown


def test_the_address_brings_filters_order_and_sample_back(tab: Opened, in_one_file: Report) -> None:
    tab.open(in_one_file.html)
    tab.page.select_option("#task", label="a: base")
    tab.page.select_option("#verdict", "wrong")
    tab.page.fill("#to", "1.5")
    tab.sort(MARGIN, descending=True)
    tab.page.locator("#samples tbody tr").nth(3).click()
    tab.page.wait_for_selector("#sample h2")
    address, rows, title = tab.page.url, tab.rows(1), tab.page.inner_text("#sample h2")
    tab.page.goto("about:blank")
    tab.page.goto(address)
    tab.page.wait_for_selector("html[data-ready]", state="attached")
    tab.page.wait_for_selector("#sample h2")
    assert (tab.rows(1), tab.page.inner_text("#sample h2")) == (rows, title)
    assert tab.page.url == address
    assert tab.page.get_attribute(f'th:has([data-sort="{MARGIN}"])', "aria-sort") == "descending"
    tab.page.goto("about:blank")
    tab.page.goto(f"{in_one_file.html.as_uri()}#samples&verdict=nobody&sort=nothing&range=x:1:2&task=%22")
    tab.page.wait_for_selector("html[data-ready]", state="attached")
    assert tab.count() == f"{N + 60} of {N + 60} documents", "what this page has not is not chosen"
    assert tab.console == []


@pytest.mark.parametrize("column", ["doc", "verdict", "question", "gold", "answer", "score"])
def test_every_column_sorts(tab: Opened, in_one_file: Report, column: str) -> None:
    tab.open(in_one_file.html)
    tab.page.select_option("#task", label="b: other")
    tab.settled()
    tab.sort(column)
    place = ["doc", "verdict", "question", "gold", "answer", "score"].index(column) + 1
    rows = [text for text in tab.rows(place) if text != "–"]
    keys = [float(text) for text in rows] if column in ("doc", "score") else rows
    assert keys == sorted(keys)
    assert tab.page.locator('th[aria-sort="ascending"]').count() == 1


def test_the_list_is_downloaded_as_it_is_filtered(tab: Opened, in_one_file: Report, runs: dict[str, Path]) -> None:
    tab.open(in_one_file.html)
    tab.page.select_option("#verdict", "wrong")
    tab.settled()
    with tab.page.expect_download() as waiting:
        tab.page.click("#export")
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    lines = list(csv.DictReader(text.splitlines()))
    assert {line["verdict"] for line in lines} == {"wrong"}
    assert {line["run"] for line in lines} == {"base", "dola", "other"}
    frame = load(runs["dola"]).samples.set_index("doc_id")
    own = [line for line in lines if line["run"] == "dola"]
    assert [float(line[MARGIN]) for line in own] == pytest.approx(
        frame.loc[[int(line["doc"]) for line in own], MARGIN], abs=6e-5
    )
    assert [line["question"] for line in own] == list(frame.loc[[int(line["doc"]) for line in own], "question"])


def test_data_beside_the_page_are_read_as_they_are_needed(tab: Opened, in_files: Report) -> None:
    assert in_files.html.stat().st_size < 250_000
    tab.open(in_files.html)
    asked = {url.rsplit("/", 1)[1] for url in tab.requests[1:]}
    assert all(url.startswith((in_files.folder / FOLDER).as_uri()) for url in tab.requests[1:])
    assert "columns.js" in asked and "texts-0.js" in asked
    assert not any(name.startswith(("details", "images")) for name in asked)
    assert sum(name.startswith("metric") for name in asked) == 1, "only the metric that is shown"
    tab.page.locator("#samples tbody tr").nth(3).click()
    tab.page.wait_for_selector("#sample .lens")
    later = {url.rsplit("/", 1)[1] for url in tab.requests}
    own = {name for name in later if name.startswith("details")}
    assert own == {"details-0.js", "details-1.js"}, "the parts of this document's two samples"
    assert tab.page.locator("#sample .pictures img").count() > 0, "no budget holds beside the page"
    assert tab.console == []


def test_the_list_has_a_bounded_number_of_rows(tab: Opened, in_files: Report) -> None:
    tab.open(in_files.html)
    assert tab.page.locator("#samples tbody tr").count() == 50
    tab.page.click("#next")
    tab.page.wait_for_selector('#page:has-text("page 2")')
    assert tab.page.locator("#samples tbody tr").count() == 50


def test_a_missing_file_is_named(tab: Opened, in_files: Report) -> None:
    for file in (in_files.folder / FOLDER).glob("details-*.js"):
        file.rename(file.with_suffix(".gone"))
    try:
        tab.open(in_files.html)
        tab.page.locator("#samples tbody tr").nth(3).click()
        tab.page.wait_for_selector('#sample:has-text("details-0.js")')
        assert "samples/details-0.js is missing, which belongs beside this page" in tab.page.inner_text("#sample")
    finally:
        for file in (in_files.folder / FOLDER).glob("details-*.gone"):
            file.rename(file.with_suffix(".js"))


def test_a_report_in_one_file_leaves_no_data_of_an_earlier_one(runs: dict[str, Path], tmp_path: Path) -> None:
    few = {"other": runs["other"]}
    built(few, tmp_path, ExplorerLimits(in_one_file=10))
    assert list((tmp_path / FOLDER).glob("*.js"))
    built(few, tmp_path)
    assert not list((tmp_path / FOLDER).glob("*.js"))

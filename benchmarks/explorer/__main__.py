"""`python -m benchmarks.explorer`: a report's explorer of 9,000 and of 100,000 samples in headless Chromium."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import Check, Column, at_most, describe_machine, exit_code, show, write_json
from benchmarks.scaling.synthetic import records, run_info
from lens_report import ExplorerLimits
from lens_report.measures import task_runs
from lens_report.presentation.document.blocks import Document
from lens_report.presentation.document.html import render_html
from lens_report.presentation.explorer.payload import explorer_data
from lens_results import RecordWriter, load, merge

_COLUMNS = (
    Column("samples", "samples"),
    Column("page_mib", "page, MiB"),
    Column("beside_mib", "beside it, MiB"),
    Column("step", "step"),
    Column("seconds", "seconds"),
    Column("heap_mib", "heap after it, MiB"),
)
_OPEN = "open"
_OPEN_SECONDS = 3.0
_SIZES = (9_000, 100_000)

_TIMED = """async ([change, wanted]) => {
  const start = performance.now();
  change === "sort" ? document.querySelector('[data-sort="label_free.final_margin"]').click()
    : change === "sample" ? document.querySelector("#samples tbody tr:nth-child(20)").click()
    : (() => { const element = document.getElementById(change); element.value = wanted;
        element.dispatchEvent(new Event(element.tagName === "SELECT" ? "change" : "input")); })();
  const done = () => change === "sample" ? document.querySelector("#sample .lens")
    : !document.getElementById("explorer").hasAttribute("aria-busy");
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  return (performance.now() - start) / 1000;
}"""
"""Seconds from a change on the page to the frame that shows its result."""

_STEPS = (
    ("filter by verdict", "verdict", "wrong"),
    ("no filter again", "verdict", ""),
    ("sort by a metric", "sort", ""),
    ("open a sample", "sample", ""),
    ("search for the first time", "search", "w12 "),
    ("search again", "search", "w13 "),
)


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when 100,000 samples take longer to open than they may."""
    arguments = _arguments(words)
    rows: list[dict[str, Any]] = []
    for samples in arguments.samples:
        with tempfile.TemporaryDirectory() as name:
            page = _page(Path(name), samples, arguments.layers)
            sizes = {
                "samples": samples,
                "page_mib": page.stat().st_size / 2**20,
                "beside_mib": sum(file.stat().st_size for file in page.parent.glob("samples/*.js")) / 2**20,
            }
            rows += [sizes | row for row in _opened(page, arguments.chromium)]
    show(f"explorer, {arguments.layers} layers", _COLUMNS, rows)
    checks = targets(rows)
    write_json(arguments.out / "explorer_cpu.json", describe_machine(torch.device("cpu")), rows, checks)
    return exit_code(checks)


def targets(rows: Iterable[Mapping[str, Any]]) -> list[Check]:
    """A page opens, with its first list drawn, in at most three seconds on two quiet cores."""
    return [
        at_most(f"seconds to open {row['samples']} samples", row["seconds"], _OPEN_SECONDS)
        for row in rows
        if row["step"] == _OPEN
    ]


def _page(folder: Path, samples: int, layers: int) -> Path:
    """A page with samples and no findings, which take the same time however many samples there are."""
    info = run_info(layers, 5)
    with RecordWriter(folder / "run", info, part_rows=2048) as writer:
        for record in records(samples, layers, 5):
            writer.append(record)
    merge(folder / "run", info.run_id)
    data = explorer_data(task_runs(load(folder / "run"), "stub"), ExplorerLimits())
    page = folder / "report" / "index.html"
    page.parent.mkdir()
    page.write_text(render_html(Document("Explorer", ()), data), encoding="utf-8")
    data.write(page)
    return page


def _opened(page: Path, chromium: str) -> Iterator[dict[str, Any]]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.set_default_timeout(600_000)
        memory = tab.context.new_cdp_session(tab)
        memory.send("Performance.enable")

        def row(step: str, seconds: float) -> dict[str, Any]:
            memory.send("HeapProfiler.collectGarbage")
            found = memory.send("Performance.getMetrics")["metrics"]
            heap = next(one["value"] for one in found if one["name"] == "JSHeapUsedSize")
            return {"step": step, "seconds": seconds, "heap_mib": heap / 2**20}

        tab.goto(f"{page.as_uri()}#samples", wait_until="commit")
        tab.wait_for_selector("html[data-ready]", state="attached")
        yield row(_OPEN, tab.evaluate("performance.now()") / 1000)
        for step, change, wanted in _STEPS:
            yield row(step, tab.evaluate(_TIMED, [change, wanted]))
        browser.close()


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer", description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=list(_SIZES))
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser's program")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of the JSON file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())

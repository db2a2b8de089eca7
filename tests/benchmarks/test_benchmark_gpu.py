"""The command for a GPU: the order of its cases, its minutes, what does not fit; tried without one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu.__main__ import cases, main, within
from benchmarks.overhead.cases import Case
from benchmarks.overhead.shapes import SHAPES


def test_short_answers_and_small_batches_come_first() -> None:
    planned = list(cases(["qwen2-vl-2b"], [8, 1], [64, 2], 3))
    assert [(case.tokens, case.batch) for case in planned] == [(2, 1), (2, 8), (64, 1), (64, 8)]
    assert [bool(case.interventions) for case in planned] == [True, False, True, False]


def run_for(seconds: Callable[[Case], float]) -> tuple[Callable[[], float], Callable[[Case], list[dict[str, Any]]]]:
    now = [0.0]

    def run(case: Case) -> list[dict[str, Any]]:
        now[0] += seconds(case)
        return [{"way": "lens", "seconds": 1.0}]

    return lambda: now[0], run


def test_no_case_is_begun_that_would_end_too_late() -> None:
    planned = [Case(SHAPES["lens_tiny"], batch, 2, 1) for batch in (1, 2, 4, 8)]
    clock, run = run_for(lambda case: 10.0 * case.batch)
    found = [rows[0] for _, rows in within(60.0, planned, run, clock)]
    # 10, then 20 s: of 60 s 30 are left where twice 20 would be needed
    assert [row["way"] for row in found] == ["lens", "lens", "all", "all"]
    assert [row.get("note") for row in found] == [None, None, "left out: no time", "left out: no time"]
    assert clock() == 30.0


def test_what_does_not_fit_into_memory_is_told_and_the_rest_is_measured() -> None:
    def run(case: Case) -> list[dict[str, Any]]:
        if case.batch == 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [{"way": "lens", "seconds": 1.0}]

    planned = [Case(SHAPES["lens_tiny"], batch, 2, 1) for batch in (8, 1)]
    (_, first), (_, second) = within(60.0, planned, run, lambda: 0.0)
    assert first[0]["note"] == "left out: CUDA out of memory" and first[0]["batch"] == 8
    assert second == [{"way": "lens", "seconds": 1.0}]


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks what happens without a GPU")
def test_without_a_gpu_it_says_how_to_try_it() -> None:
    with pytest.raises(SystemExit, match="torch finds no GPU here; --device cpu --shapes lens_tiny"):
        main([])


def test_tried_on_a_processor_it_times_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    words = "--device cpu --shapes lens_tiny --batch 1 --tokens 2 --rounds 1 --minutes 5 --out"
    main([*words.split(), str(tmp_path)])
    rows = json.loads((tmp_path / "gpu_cpu.json").read_text())["rows"]
    ways = {row["way"]: row["ratio"]["median"] for row in rows}
    assert list(ways) == [
        "plain generation", "lens", "lens, hooks alone", "probe image_tokens", "probe attention",
        "intervention dola", "intervention deco", "intervention vcd",
    ]  # fmt: skip
    assert all(ratio > 0 for ratio in ways.values())

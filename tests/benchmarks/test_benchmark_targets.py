"""A target that is missed fails the command; figures here are planted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from made_videos import pictures, write_video
from rich.console import Console

import benchmarks.__main__ as suite
from benchmarks.harness.__main__ import targets as harness_targets
from benchmarks.measure import Check, Spread, at_least, at_most, exit_code, write_json
from benchmarks.overhead import __main__ as overhead
from benchmarks.overhead.cases import LENS, NAIVE, PLAIN
from benchmarks.overhead.plan import cases
from benchmarks.overhead.targets import checks
from benchmarks.report.__main__ import targets as report_targets
from benchmarks.scaling.__main__ import targets as scaling_targets
from benchmarks.video.__main__ import main as video_main
from benchmarks.video.__main__ import targets as video_targets

QUIET = Console(quiet=True)


def spread_of(value: float) -> Spread:
    return Spread(value, value, value, 1)


def row(way: str, ratio: float, added_ms: float = 0.0, **values: Any) -> dict[str, Any]:
    common = {"shape": "qwen2-vl-0.5b", "batch": 1, "tokens": 2, "way": way, "seconds": spread_of(2.0)}
    return common | {"ratio": spread_of(ratio), "added_ms": added_ms, "peak_mib": 0.0} | values


def overhead_rows(ratio: float, added_ms: float, naive_ms: float, **values: Any) -> list[dict[str, Any]]:
    return [row(PLAIN, 1.0), row(LENS, ratio, added_ms, **values), row(NAIVE, 14.0, naive_ms)]


@pytest.mark.parametrize(
    ("check", "met"),
    [
        (at_most("a", 1.0, 1.0), True),
        (at_most("a", 1.0001, 1.0), False),
        (at_least("a", 10.0, 10.0), True),
        (at_least("a", 9.9, 10.0), False),
        (at_most("a", math.nan, 1.0), False),
        (at_least("a", math.nan, 1.0), False),
    ],
)
def test_a_target_is_met_up_to_its_limit_and_never_by_what_is_no_number(check: Check, met: bool) -> None:
    assert check.met is met
    assert exit_code([at_most("fine", 0.5, 1.0), check], QUIET) == int(not met)
    assert str(check).startswith("met" if met else "MISSED")


@pytest.mark.parametrize(
    ("rows", "met"),
    [
        (overhead_rows(1.05, 100.0, 27_000.0), [True, True]),
        (overhead_rows(1.06, 100.0, 27_000.0), [False, True]),
        (overhead_rows(1.05, 100.0, 900.0), [True, False]),
        (overhead_rows(0.99, -20.0, 27_000.0), [True, True]),
        (overhead_rows(0.99, -20.0, 5.0), [True, False]),
    ],
    ids=["met", "too slow", "no better than others", "noise", "noise proves nothing"],
)
def test_targets_of_the_overhead_on_a_processor(rows: list[dict[str, Any]], met: list[bool]) -> None:
    assert [check.met for check in checks(rows, "cpu")] == met


def test_targets_of_the_overhead_on_a_gpu_include_its_memory() -> None:
    rows = overhead_rows(1.02, 5.0, 900.0, peak_mib=70.0)
    found = checks([each | {"shape": "qwen2-vl-2b"} for each in rows], "cuda")
    assert [(check.limit, check.met) for check in found] == [(1.03, True), (10.0, True), (64.0, False)]
    assert not checks(rows, "cuda"), "the 0.5B shape is what processors are judged by"


def test_long_answers_and_other_shapes_are_not_judged() -> None:
    rows = overhead_rows(3.0, 1.0, 1.0)
    assert not checks([each | {"tokens": 128} for each in rows], "cpu")
    assert not checks([each | {"shape": "lens_tiny"} for each in rows], "cpu")


def test_a_run_of_the_overhead_command_fails_when_a_target_is_missed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def planted(ratio: float) -> int:
        monkeypatch.setattr(overhead, "measure", lambda *_: overhead_rows(ratio, 100.0, 27_000.0))
        return overhead.main(["--shapes", "lens_tiny", "--batch", "1", "--tokens", "2", "--out", str(tmp_path)])

    assert planted(1.05) == 0
    assert planted(1.2) == 1
    written = json.loads((tmp_path / "overhead_cpu_float32.json").read_text())
    assert [check["met"] for check in written["checks"]] == [False, True]
    assert written["rows"][1]["ratio"]["median"] == 1.2
    assert {"date", "processor", "cores", "versions"} <= written["machine"].keys()


def test_slow_cases_are_left_to_the_full_run() -> None:
    def named(full: bool) -> list[tuple[str, int, int]]:
        found = cases(["lens_tiny", "qwen2-vl-0.5b"], [1, 8], [2, 128], "cpu", full=full)
        return [(case.shape.name, case.batch, case.tokens) for case in found]

    assert len(named(full=True)) == 8
    slow = {("qwen2-vl-0.5b", 8, 2), ("qwen2-vl-0.5b", 1, 128), ("qwen2-vl-0.5b", 8, 128)}
    assert set(named(full=True)) - set(named(full=False)) == slow
    assert len(list(cases(["qwen2-vl-2b"], [1, 8], [2, 128], "cuda"))) == 4


def test_targets_of_whole_runs() -> None:
    common = {"harness": "lm_eval", "batch": 1}
    ours, stock = common | {"way": "ours, lens on"}, common | {"way": "stock hf-multimodal"}
    for ratio, met in ((0.79, True), (0.81, False)):
        (check,) = harness_targets([ours | {"ratio": spread_of(ratio)}, stock | {"ratio": spread_of(1.0)}])
        assert check.met is met
    (check,) = harness_targets([ours, stock | {"note": "it does not run here"}])
    assert not check.met, "what was not measured is not met"


def test_targets_of_scaling_and_of_the_report() -> None:
    samples = {"kind": "samples", "samples": 1000, "write_ms_sample": 0.1, "peak_mib": 100.0, "kib_sample": 7.9}
    processes = {"kind": "processes", "processes": 2, "same_rows": True, "faster": 1.91}
    rows = [
        {"kind": "readout", "layers": 28},
        {"kind": "processes", "processes": 1, "same_rows": True, "faster": 1.0}, processes,
        processes | {"same_rows": False}, processes | {"faster": 1.89}, processes | {"faster": math.nan},
    ]  # fmt: skip
    met = [True, True, False, True, True, False, True, False]
    assert [check.met for check in scaling_targets(rows)] == met
    of_two = [processes | {"faster": 1.0}, *({**processes, "processes": 4, "faster": each} for each in (1.91, 1.89))]
    assert [check.met for check in scaling_targets(of_two)] == [True, True, True, False], "the first is the reference"
    for changed, met in (
        ({}, [True, True, True]), ({"kib_sample": 8.1}, [False, True, True]),
        ({"write_ms_sample": 0.21}, [True, False, True]), ({"peak_mib": 301.0}, [True, True, False]),
        ({"peak_mib": None}, [True, True, False]), ({"samples": 100_000, "peak_mib": 900.0}, [True, True]),
    ):  # fmt: skip
        assert [check.met for check in scaling_targets([samples | changed])] == met, changed
    times = [
        {"step": "mmlens report", "samples": samples, "seconds": seconds}
        for samples, seconds in ((9_000, 9.0), (9_000, 11.0), (100_000, 59.0), (100_000, 61.0), (50, 99.0))
    ]
    statistics = {"step": "statistics", "samples": 9_000, "seconds": 99.0}
    assert [check.met for check in report_targets([*times, statistics])] == [True, False, True, False]


def test_every_part_runs_and_one_that_fails_fails_them_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(codes: Mapping[str, int]) -> Any:
        def run(name: str, words: Sequence[str]) -> int:
            asked.append((name, *words))
            return codes.get(name, 0)

        return run

    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(suite, "_command", command({}))
    assert suite.main(["--out", str(tmp_path)]) == 0
    assert [name for name, *_ in asked] == list(suite.PARTS)
    assert all(words[-2:] == ("--out", str(tmp_path)) for words in asked)
    monkeypatch.setattr(suite, "_command", command({"harness": 1}))
    assert suite.main(["--out", str(tmp_path)]) == 1
    assert "missed or not measured in: harness" in capsys.readouterr().out
    assert suite.main(["scaling", "--out", str(tmp_path)]) == 0
    with pytest.raises(SystemExit):
        suite.main(["scalling"])


def test_files_hold_no_value_where_there_is_no_number(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {}, [{"x": math.nan, "y": 1.23456789}], [at_most("z", math.inf, 1.0)])
    text = (tmp_path / "a.json").read_text()
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert content["rows"] == [{"x": None, "y": 1.2346}]
    assert content["checks"][0]["met"] is False


def test_videos_take_no_more_memory_than_they_may() -> None:
    rows = [{"minutes": 1, "peak_mib": 245.0}, {"minutes": 60, "peak_mib": 301.0}, {"minutes": 2, "peak_mib": None}]
    assert [check.met for check in video_targets(rows)] == [True, False, False]


def test_a_video_is_opened_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(40))
    assert video_main(["--open", path]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shown_mib"] == 32 * 64 * 48 * 3 / 2**20
    assert found["seconds"] > 0

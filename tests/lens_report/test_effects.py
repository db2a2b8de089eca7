"""`mmlens compare`: paired, clustered, corrected for all that was tried, settings chosen on other samples."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from synthetic import write_run
from typer.testing import CliRunner

from harness_ext.cli import app
from lens_report import Draws, EffectBoard, ReportError, build_effects, build_report
from lens_report.measures.effects import _tunes, effects_among
from lens_report.measures.task_run import task_runs
from lens_results import load

N = 240
DRAWS = Draws(bootstrap=20, permutations=20, simulations=20)


def written(folder: Path, number: int, changes: Any = None, **plan: Any) -> Path:
    info = {"fingerprint": {"interventions": changes}} if changes else {}
    return write_run(folder / str(number), run_id=f"20260131T120000Z-0000000{number}", info=info, n=N, **plan)


def table(board: EffectBoard) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(board.to_csv())))


def rights(folder: Path) -> dict[int, float]:
    return {record.doc_id: float(bool(record.correct)) for record in load(folder).records()}


def test_a_run_is_compared_sample_by_sample(tmp_path: Path) -> None:
    base = written(tmp_path, 1, per_image=1, seed=1)
    other = written(tmp_path, 2, [["dola", 1.0, {"cut": 0.1}]], per_image=1, seed=2, ability=3.0)
    (row,) = table(build_effects(base, other))
    first, second = rights(base), rights(other)
    gap = np.asarray([second[key] - first[key] for key in first])
    assert float(row["difference"]) == pytest.approx(gap.mean())
    # every sample is a cluster of its own here, so the clustered test is the paired t test
    assert float(row["p"]) == pytest.approx(ttest_1samp(gap, 0).pvalue, rel=1e-6)
    assert (int(row["corrected"]), int(row["broken"])) == (int((gap > 0).sum()), int((gap < 0).sum()))
    assert row["intervention"] == "dola:1:cut=0.1"


def test_costs_are_those_of_an_answer_and_absent_where_they_were_not_counted(tmp_path: Path) -> None:
    def costing(number: int, **cost: float) -> Path:
        info = {"answer_cost": cost, "fingerprint": {"interventions": [["vcd", 1.0]]}}
        return write_run(tmp_path / str(number), run_id=f"20260131T120000Z-0000000{number}", info=info, n=40)

    base = costing(1, answers=40, positions=4000, head_products=80, seconds=10.0)
    half = costing(2, answers=20, positions=4000, head_products=60, seconds=20.0, peak_bytes=7)
    (row,) = table(build_effects(base, half))
    found = [row[f"{name}_ratio"] for name in ("positions", "head_products", "seconds", "memory")]
    assert found == ["2.0", "1.5", "4.0", ""]
    (row,) = table(build_effects(base, costing(3)))
    assert row["positions_ratio"] == row["seconds_ratio"] == ""


def test_p_values_are_corrected_for_all_that_was_tried(tmp_path: Path) -> None:
    base = written(tmp_path, 1, seed=1)
    others = [written(tmp_path, 2 + place, [["deco", place + 1.0]], seed=2 + place) for place in range(3)]
    rows = table(build_effects(base, others))
    p, corrected = ([float(row[name]) for row in rows] for name in ("p", "p_holm"))
    assert min(corrected) == pytest.approx(min(1.0, 3 * min(p)))
    assert all(after >= before for before, after in zip(p, corrected, strict=True))


def test_what_was_lost_and_is_brought_back_is_told_apart(tmp_path: Path) -> None:
    base = written(tmp_path, 1, seed=1, ability=0.5, lost=0.5)
    other = written(tmp_path, 2, [["dola", 1.0]], seed=2, ability=0.5, lost=0.5)
    (row,) = table(build_effects(base, other))
    lost = {record.doc_id: record.gold_based.get("correct_then_lost") for record in load(base).records()}
    before, after = rights(base), rights(other)
    wrong = [key for key in before if not before[key] and lost[key] is not None]
    shares = [np.mean([after[key] for key in wrong if bool(lost[key]) is held]) for held in (True, False)]
    assert float(row["recovered"]) == pytest.approx(shares[0] - shares[1])


def test_settings_are_chosen_on_samples_that_are_not_compared(tmp_path: Path) -> None:
    base = written(tmp_path, 1, seed=1)
    others = [
        written(tmp_path, 2 + place, [["dola", strength]], seed=2 + place, ability=ability)
        for place, (strength, ability) in enumerate([(0.5, 0.2), (1.0, 4.0), (2.0, 0.4)])
    ]
    (row,) = table(build_effects(base, others, tune_on=0.3))
    assert (row["intervention"], row["chosen_among"]) == ("dola:1", "3")
    groups = {record.doc_id: record.cluster for record in load(base).records()}
    kept = [key for key, group in groups.items() if not _tunes(group, 0.3)]
    assert int(row["n"]) == len(kept) and 0.5 * N < len(kept) < 0.9 * N
    first, second = rights(base), rights(others[1])
    assert float(row["difference"]) == pytest.approx(np.mean([second[key] - first[key] for key in kept]))
    with pytest.raises(ReportError, match="between 0 and 1"):
        build_effects(base, others, tune_on=1.5)


def test_a_report_says_by_task_what_would_help(tmp_path: Path) -> None:
    written(tmp_path / "runs", 1, seed=1, ability=0.5, per_image=1)
    report = build_report(tmp_path / "runs", tmp_path / "plain", draws=DRAWS)
    assert "What would help" not in report.markdown.read_text(), "nothing was tried"

    written(tmp_path / "runs", 2, [["dola", 1.0]], seed=2, ability=0.5, per_image=1)
    text = build_report(tmp_path / "runs", tmp_path / "one", draws=DRAWS).markdown.read_text()
    assert "What would help" in text
    assert "pope\\_mini: none of the 1 changes that were tried and tested is shown to help." in text

    written(tmp_path / "runs", 3, [["pai", 0.2]], seed=3, ability=6.0, per_image=1)
    text = build_report(tmp_path / "runs", tmp_path / "two", draws=DRAWS).markdown.read_text()
    assert "pope\\_mini: pai:0.2 raises the score by" in text and "is shown to help" not in text


def test_runs_of_another_model_are_no_base(tmp_path: Path) -> None:
    base, foreign = written(tmp_path, 1, seed=1), written(tmp_path, 3, seed=3, model="acme/another")
    other = written(tmp_path, 2, [["dola", 1.0]], seed=2)
    runs = {folder: task_runs(load(folder))[0] for folder in (base, other, foreign)}
    (effect,) = effects_among([runs[foreign], runs[other], runs[base]])
    assert (effect.changes, effect.comparison.first) == ("dola:1", runs[base].label)
    assert effects_among([runs[foreign], runs[other]]) == []


def test_the_command_prints_and_writes_the_table(tmp_path: Path) -> None:
    base, other = written(tmp_path, 1, seed=1), written(tmp_path, 2, [["dola", 1.0]], seed=2)
    ran = CliRunner().invoke(app, ["compare", str(base), str(other), "--out", str(tmp_path / "out")])
    assert ran.exit_code == 0, ran.output
    assert "p (Holm)" in ran.output and "dola:1" in ran.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"compare.{kind}" for kind in ("md", "csv", "tex", "html")
    }
    other_task = write_run(tmp_path / "t", task="clevr_mini", run_id="20260131T120000Z-00000009", n=40)
    ran = CliRunner().invoke(app, ["compare", str(base), str(other_task)])
    assert ran.exit_code == 1 and "the base has pope_mini, the runs have clevr_mini" in ran.output
    assert "Give runs of the same tasks" in ran.output
    ran = CliRunner().invoke(app, ["compare", str(base), str(base)])
    assert ran.exit_code == 1 and "are the base itself; give the base first, then other runs" in ran.output


@pytest.mark.parametrize("command", ["report", "leaderboard", "compare", "paper"])
def test_a_file_in_place_of_the_output_folder_is_named(tmp_path: Path, command: str) -> None:
    base, other = written(tmp_path, 1, seed=1), written(tmp_path, 2, [["dola", 1.0]], seed=2)
    taken = tmp_path / "taken"
    taken.write_text("")
    for out in (taken, taken / "below"):
        ran = CliRunner().invoke(app, [command, str(base), str(other), "--out", str(out)])
        assert ran.exit_code == 1, ran.output
        assert "found a file where a folder is needed. Name another folder" in ran.output
        assert "taken" in ran.output and "Errno" not in ran.output

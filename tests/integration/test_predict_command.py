"""`mmlens predict` as installed, on the bundled reference runs."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from command_runner import Command

from lens_report import predict_accuracy

RESULTS = Path(__file__).parents[2] / "results"
LABELLED = [RESULTS / name for name in ("main", "seed_13", "seed_113", "seed_213", "checkpoint_mixture")]
OPTIONS = [word for folder in LABELLED for word in ("--from", str(folder))]


def test_a_checkpoint_is_predicted_from_other_checkpoints_on_the_same_task(command: Command, tmp_path: Path) -> None:
    target = str(RESULTS / "checkpoint_open")
    done = command(
        "mmlens", "predict", target, *OPTIONS, "--task", "pope_mini", "--method", "doc", "--method", "atc", "--compare",
        "--out", "table.csv",
    )  # fmt: skip
    assert "Traceback" not in done.stdout
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["method"] for row in rows] == ["doc", "atc"]
    made = predict_accuracy(target, LABELLED, methods=["doc", "atc"], tasks=["pope_mini"], compare=True)
    for row, expected in zip(rows, made.to_frame().to_dict("records"), strict=True):
        assert float(row["value"]) == pytest.approx(expected["value"], abs=1e-12)
        assert float(row["low"]) < float(row["value"]) < float(row["high"])
        assert float(row["truth"]) == pytest.approx(0.897, abs=1e-3)
        assert f"{100 * float(row['value']):.1f} %" in done.stdout
    assert "5, same task" in done.stdout


def test_what_is_wrong_is_said_in_one_line(command: Command) -> None:
    done = command("mmlens", "predict", str(RESULTS / "main"), *OPTIONS, "--method", "dock", check=False)
    assert done.returncode == 1
    assert "method 'dock' is unknown" in done.stdout
    assert "Traceback" not in done.stdout
    none = command("mmlens", "predict", "nowhere", *OPTIONS, check=False)
    assert none.returncode == 1
    assert "nowhere" in none.stdout

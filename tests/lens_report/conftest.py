from __future__ import annotations

from pathlib import Path

import pytest
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

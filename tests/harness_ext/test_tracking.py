"""Figures go into the run of Weights & Biases that is open, and nothing of it stops an evaluation."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness_ext.tracking import log_figures


def warnings_with(wandb: Any, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    said: list[str] = []
    log_figures(files, said.append)
    return said


@pytest.mark.parametrize("wandb", [None, SimpleNamespace(), SimpleNamespace(run=None)])
def test_without_an_open_run_nothing_is_read_or_said(wandb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert warnings_with(wandb, {"pope": Path("nowhere.parquet")}, monkeypatch) == []


def test_without_records_nothing_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert warnings_with(SimpleNamespace(run=object()), {}, monkeypatch) == []  # an object without log()


def test_what_fails_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wandb = SimpleNamespace(run=SimpleNamespace(log=print))
    (said,) = warnings_with(wandb, {"pope": tmp_path / "gone.parquet"}, monkeypatch)
    assert "did not reach Weights & Biases" in said
    assert "gone.parquet" in said

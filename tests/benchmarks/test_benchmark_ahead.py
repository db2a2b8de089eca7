"""The benchmark of batches made ahead runs, and says what was simulated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.ahead.__main__ import main


def test_each_device_is_timed_in_both_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--samples", "2", "--batch", "1", "--device-ms", "1", "--rounds", "1", "--out"]
    assert main([*words, str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "ahead_simulated.json").read_text(encoding="utf-8"))["rows"]
    assert [row["device"] for row in rows] == ["waited for", "waits for the host"]
    assert all(row["turn_ms"] > 1 and row["ahead_ms"] > 1 for row in rows)
    assert "a simulated device" in capsys.readouterr().out

"""Processes of one run leave their group before they end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import atexit, sys
import torch.distributed as dist
from lens_engine.placement import leave_group_at_exit

atexit.register(lambda: print("in a group at the end:", dist.is_initialized()))  # called after what is registered later
dist.init_process_group("gloo", init_method=f"file://{sys.argv[1]}", rank=0, world_size=1)
if sys.argv[2] == "leaves":
    leave_group_at_exit()
    leave_group_at_exit()
if sys.argv[3] == "by itself":
    dist.destroy_process_group()
"""


@pytest.mark.parametrize(
    ("how", "before", "inside"),
    [("leaves", "", False), ("stays", "", True), ("leaves", "by itself", False)],
)
def test_a_process_leaves_its_group_once(tmp_path: Path, how: str, before: str, inside: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "store"), how, before],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split("\n")[-2] == f"in a group at the end: {inside}", done.stderr
    assert "Traceback" not in done.stderr

"""Runs of the installed commands, as a user types them, in an empty folder."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from command_runner import Command, run_command


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """`run_command` in `tmp_path`."""
    return functools.partial(run_command, tmp_path)

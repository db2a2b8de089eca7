"""Where the installed commands are, and the environment that tests run them in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

BIN = Path(sys.executable).parent
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def environment() -> dict[str, str]:
    """The user's environment, offline, one thread a process so that tests are not slowed by each other."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def run_command(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one of the environment's commands in a folder and return its output.

    Raises:
        AssertionError: The exit code is not zero, and `check` is True.
    """
    done = subprocess.run(
        [str(BIN / words[0]), *words[1:]],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    assert not check or done.returncode == 0, done.stdout[-4000:]
    return done

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

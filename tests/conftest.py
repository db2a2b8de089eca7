from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from mera_folder import write_mera_folder

# the same examples in every run, and no verdict by the clock of a busy machine
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def mera_tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `--include_path` as the users of the MERA fork have it."""
    return write_mera_folder(tmp_path_factory.mktemp("multimodal_tasks") / "tasks")

from __future__ import annotations

from pathlib import Path

import pytest
from mera_folder import write_mera_folder


@pytest.fixture(scope="session")
def mera_tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `--include_path` as the users of the MERA fork have it."""
    return write_mera_folder(tmp_path_factory.mktemp("multimodal_tasks") / "tasks")

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from mera_folder import write_mera_folder

# torch packs 16-bit matrices for the instructions that oneDNN finds; ATEN_CPU_CAPABILITY alone leaves it without the
# code for them ("pack_vnni2 is only supported when avx512 is supported"), so oneDNN is told the same
if (level := {"default": "SSE41", "avx2": "AVX2"}.get(os.environ.get("ATEN_CPU_CAPABILITY", ""))) is not None:
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", level)

# the same examples in every run, and no verdict by the clock of a busy machine
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


END_TO_END = {"command", "evaluate", "tab", "board", "mixed", "report", "run_folder", "start", "everything"}
"""Fixtures of the tests that start a command, run a harness or read all its tasks, open a page or build a report."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if END_TO_END & set(getattr(item, "fixturenames", ())):
            item.add_marker("end_to_end")


def pytest_collection_finish() -> None:
    """Set the objects of all libraries aside: the harnesses collect garbage after every run, which takes as long."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    gc.unfreeze()


@pytest.fixture
def nothing_set_aside() -> Iterator[None]:
    """The garbage collector as it is in a program of its own."""
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.freeze()


@pytest.fixture(scope="session")
def mera_tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `--include_path` as the users of the MERA fork have it."""
    return write_mera_folder(tmp_path_factory.mktemp("multimodal_tasks") / "tasks")

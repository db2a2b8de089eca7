"""No module imports itself by way of others; imports for type checkers and inside functions count too."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

PACKAGES = ("harness_ext", "lens_engine", "lens_models", "lens_report", "lens_results", "lens_tasks", "mmlens")


def cycle(*packages: str) -> list[str]:
    """Modules of one cycle, each imported by the next; empty where there is none."""
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=False, cache_dir=None)
    try:
        TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_there_are_no_import_cycles() -> None:
    assert cycle(*PACKAGES) == []


@pytest.mark.parametrize(
    "line",
    [
        "import {0}.a",
        "from {0} import a",
        "from .a import x",
        "if TYPE_CHECKING:\n    from .a import x",
        "def f():\n    from . import a",
    ],
)
def test_this_test_can_fail(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ring"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "a.py").write_text(f"from {name}.b import y\n")
    (folder / "b.py").write_text("y = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert cycle(name) == []
    (folder / "b.py").write_text(f"from typing import TYPE_CHECKING\n{line.format(name)}\n")
    assert sorted(set(cycle(name))) == [f"{name}.a", f"{name}.b"]


def test_a_package_that_imports_from_its_own_module_and_back_is_a_cycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backward"
    folder.mkdir()
    (folder / "__init__.py").write_text("from .inner import x\n")
    (folder / "inner.py").write_text("from backward import x\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(cycle("backward")) == {"backward", "backward.inner"}

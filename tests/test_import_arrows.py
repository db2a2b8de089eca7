"""Each package, imported in a fresh process, brings along nothing that docs/architecture.md forbids it.

import-linter (`make check`) sees what the code says; this sees what comes along with other libraries too.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.end_to_end
HARNESSES = ("lm_eval", "lmms_eval")
SCIENCE = ("scipy", "sklearn", "statsmodels", "matplotlib")
OPTIONAL = ("vllm",)
"""What a module may need that is not installed everywhere."""
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "lens_models": (*HARNESSES, "pandas", "pyarrow", "lens_tasks", "lens_results", "lens_report", "harness_ext"),
    "lens_tasks": (
        *(*HARNESSES, "torch", "transformers"),
        *("lens_models", "lens_results", "lens_report", "harness_ext"),
    ),
    "lens_results": (
        *(*HARNESSES, "torch", "transformers", *SCIENCE),
        *("lens_models", "lens_tasks", "lens_report", "harness_ext"),
    ),
    "lens_engine": (*HARNESSES, "matplotlib", "plotly", "lens_report", "harness_ext"),
    "lens_report": (*HARNESSES, "torch", "transformers", "lens_models", "lens_tasks", "harness_ext"),
    "mmlens": (*HARNESSES, "torch", "transformers", "pandas", *SCIENCE, "harness_ext"),  # each name waits for its use
}

_IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        if error.name not in sys.argv[2:]:
            raise
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def brought_along(package: str, folder: Path) -> set[str]:
    """Top-level modules that are loaded after the package and all its modules were imported."""
    words = [sys.executable, "-c", _IMPORT_ALL, package, *OPTIONAL]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def trespassers(package: str, forbidden: tuple[str, ...], folder: Path) -> list[str]:
    return sorted(brought_along(package, folder) & set(forbidden))


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    root = Path(__file__).parent.parent
    found = trespassers(package, FORBIDDEN[package], root)
    assert not found, f"importing {package} also imports {', '.join(found)} (docs/architecture.md)"


@pytest.mark.parametrize("where", ["__init__.py", "inner.py", "deep/inner.py"])
def test_this_test_can_fail(where: str, tmp_path: Path) -> None:
    file = tmp_path / "leaf" / where
    file.parent.mkdir(parents=True)
    for folder in {tmp_path / "leaf", file.parent}:
        (folder / "__init__.py").touch()
    (tmp_path / "forbidden.py").touch()
    file.write_text("def later():\n    import forbidden\n")
    assert trespassers("leaf", ("forbidden",), tmp_path) == []
    file.write_text("import forbidden\n")
    assert trespassers("leaf", ("forbidden",), tmp_path) == ["forbidden"]

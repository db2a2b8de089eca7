"""sdist and wheel install and run outside the repository, in an environment that has never seen the source tree."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def done(folder: Path, *words: str | Path) -> str:
    """What a command says, run in a folder without any variable that points at the source tree."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = {**kept, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    found = subprocess.run(
        [str(word) for word in words], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-4000:]
    return found.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sdist, and the wheel that is built from it, of what git keeps or would: no left-over of a build can help."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(words, cwd=ROOT)
    with tarfile.open(source / "tree.tar", "w") as archive:
        for name in listed.decode().split("\0"):
            if (ROOT / name).is_file() and not name.startswith(("results/", "report/")):
                archive.add(ROOT / name, name)
    with tarfile.open(source / "tree.tar") as archive:
        archive.extractall(source / "tree", filter="data")
    done(source, UV, "build", "--quiet", "--out-dir", folder, source / "tree")
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of a new environment with the wheel in it."""
    home = tmp_path_factory.mktemp("environment") / "env"
    venv.create(home)
    python = home / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    done(built, UV, "pip", "install", "--quiet", "--python", python, "--constraint", constraints, *built.glob("*.whl"))
    return home / "bin"


def test_the_wheel_holds_the_packages_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    packages = {"harness_ext", "lens_engine", "lens_models", "lens_report", "lens_results", "lens_tasks", "mmlens"}
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == packages
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert {"lens_models/lens_tiny/model.safetensors", "lens_tasks/minis/pope_mini.parquet"} - set(names) == set()


def test_the_demo_runs(installed: Path, tmp_path: Path) -> None:
    words = ("--model", "hf-multimodal-lens", "--tasks", "pope_mini", "--limit", "48", "--batch_size", "16")
    table = done(tmp_path, installed / "lmms-eval", *words, "--output_path", "runs/demo", "--log_samples")
    assert "lens_commit_depth" in table
    done(tmp_path, installed / "mmlens", "report", "runs/demo", "--out", "report")
    assert (tmp_path / "report" / "index.html").stat().st_size > 100_000
    assert "pope\\_mini" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")


def test_the_python_front_answers(installed: Path, tmp_path: Path) -> None:
    code = """
import mmlens
from PIL import Image
answer = mmlens.load(device="cpu").ask(Image.new("RGB", (64, 64)), "Is there a cube?")
print(mmlens.__file__, len(answer.layers), mmlens.__version__)
"""
    said = done(tmp_path, installed / "python", "-c", code)
    place, layers, version = said.split()[-3:]
    assert not Path(place).is_relative_to(ROOT)
    assert int(layers) == 10
    assert done(tmp_path, installed / "mmlens", "--version").split() == ["mmlens", version]


def test_lm_eval_finds_the_bundled_tasks(installed: Path, tmp_path: Path) -> None:
    words = ("--model", "hf-multimodal-lens", "--tasks", "ruclevr_mini", "--limit", "8", "--apply_chat_template")
    assert "lens_coverage" in done(tmp_path, installed / "lm-eval-lens", *words, "--output_path", "runs/m")

"""The `mmlens` command, as installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from command_runner import BIN, Command, environment, run_alone
from typer.testing import CliRunner

import mmlens
from harness_ext.cli import app
from lens_models import LENS_TINY
from lens_models.loading import resolve_pretrained


def test_check_says_what_was_found_and_that_it_is_exact(command: Command) -> None:
    said = command("mmlens", "check").stdout.replace("\\", "")  # Markdown escapes underscores
    for words in ("lens_tiny is read exactly", "Qwen2VLForConditionalGeneration", "model.language_model.layers"):
        assert words in said


def test_check_leaves_with_code_1_and_one_line_for_what_is_no_model(command: Command) -> None:
    done = command("mmlens", "check", ".", check=False)
    assert done.returncode == 1
    assert "Error: pretrained=.: " in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.end_to_end
def test_tasks_prints_a_folder_for_each_harness(tmp_path: Path) -> None:
    for harness in ("lmms-eval", "lm-eval"):
        folder = Path(run_alone(tmp_path, "mmlens", "tasks", "--harness", harness).stdout.strip())
        assert (folder / "pope_mini.yaml").is_file()
    assert "pope_mini" in run_alone(tmp_path, "mmlens", "tasks", "--names").stdout.split()
    assert run_alone(tmp_path, "mmlens", "tasks", "--harness", "other", check=False).returncode == 2


@pytest.mark.end_to_end
def test_commands_on_nothing_say_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    nothing = str(tmp_path / "empty")
    for words in (("report", nothing), ("leaderboard", nothing), ("submit", nothing, "--dst", str(tmp_path / "a.zip"))):
        found = CliRunner().invoke(app, [*words])
        assert found.exit_code == 1, words
        assert isinstance(found.exception, SystemExit), "a message, not a traceback"
        assert "Error: " in found.output
    assert CliRunner().invoke(app, ["submit"]).exit_code == 2


_WITHOUT = """
import sys

sys.modules["lmms_eval"] = None  # as where only the fork of lm-eval is installed

from harness_ext.cli import main

sys.argv = ["mmlens", *sys.argv[1:]]
main()
"""


def test_the_command_works_where_lmms_eval_is_not_installed(command: Command) -> None:
    done = command("python", "-c", _WITHOUT, "check", "--samples", "1")
    assert r"lens\_tiny is read exactly" in done.stdout
    refused = command("python", "-c", _WITHOUT, "check", "--task", "pope_mini", check=False)
    assert refused.returncode == 1
    assert "--task needs lmms-eval, which is not installed" in refused.stdout
    for words in (("report", "."), ("leaderboard", "."), ("submit", ".", "--dst", "a.zip")):
        done = command("python", "-c", _WITHOUT, *words, check=False)
        assert done.returncode == 1
        assert "No module named" not in done.stdout


@pytest.mark.end_to_end
def test_prepare_clevr_tells_where_the_release_is_to_be_had(tmp_path: Path) -> None:
    done = run_alone(tmp_path, "mmlens", "prepare", "clevr", "nowhere", check=False)
    assert done.returncode == 1
    assert "CLEVR" in done.stdout


@pytest.mark.end_to_end
def test_version_and_completion(tmp_path: Path) -> None:
    assert run_alone(tmp_path, "mmlens", "--version").stdout.split() == ["mmlens", mmlens.__version__]
    asked = {"_MMLENS_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "mmlens leader"}
    listed = subprocess.run(
        [BIN / "mmlens"], env={**environment(), **asked}, capture_output=True, text=True, check=True
    )
    assert '"leaderboard"' in listed.stdout


def test_the_bundled_model_is_an_ordinary_folder() -> None:
    folder = Path(resolve_pretrained(LENS_TINY))
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 16 * 2**20

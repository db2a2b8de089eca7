"""Code that comes with a checkpoint runs when the user says so, and only then."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness_ext.lm_eval.model import HFMultimodalLens as LmEvalModel
from harness_ext.lmms_eval.model import HFMultimodalLens as LmmsEvalModel
from lens_models import load_model
from lens_models.loading import resolve_pretrained

_CODE = """
from pathlib import Path

from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

Path({marker!r}).write_text("run")


class OwnConfig(Qwen2VLConfig):
    model_type = "own_qwen"


class OwnModel(Qwen2VLForConditionalGeneration):
    config_class = OwnConfig
"""

Door = Callable[..., Any]
DOORS: dict[str, Door] = {
    "Python": lambda path, **options: load_model(path, device="cpu", **options),
    "lmms-eval": lambda path, **options: LmmsEvalModel(pretrained=path, device="cpu", **options),
    "lm-eval": lambda path, **options: LmEvalModel(pretrained=path, device="cpu", **options),
}


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bundled model as a type of its own, whose code leaves a file where it runs."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "own_checkpoint"
    shutil.copytree(resolve_pretrained("lens_tiny"), folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own_qwen",
        "auto_map": {"AutoConfig": "own_code.OwnConfig", "AutoModelForImageTextToText": "own_code.OwnModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own_code.py").write_text(_CODE.format(marker=str(tmp_path / "marker")))
    return folder


@pytest.mark.parametrize("door", DOORS)
def test_code_of_a_checkpoint_is_refused_unless_asked_for(door: str, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="trust_remote_code=True"):
        DOORS[door](str(checkpoint))
    assert not (tmp_path / "marker").exists()


def test_the_code_runs_when_it_is_asked_for(checkpoint: Path, tmp_path: Path) -> None:
    loaded = load_model(str(checkpoint), device="cpu", trust_remote_code=True)
    assert type(loaded.model).__name__ == "OwnModel"
    assert (tmp_path / "marker").read_text() == "run"

"""What lmms-eval loads: the lens model, by an entry point of the group `lmms_eval.models`, and the bundled tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lmms_eval.models.registry_v2 import ModelManifest
from lmms_eval.tasks import TaskManager

from harness_ext.include_path import folders
from harness_ext.wrapping import wrap
from lens_tasks.folders import lmms_eval_tasks

__all__ = ["MODEL_ID", "manifest", "register_tasks"]

MODEL_ID = "hf-multimodal-lens"
VLLM_MODEL_ID = "vllm-multimodal-lens"


def manifest() -> list[ModelManifest]:
    """Register the models under their names, and the folder of our tasks so that `--tasks pope_mini` needs no flag."""
    register_tasks()
    return [
        ModelManifest(
            model_id=MODEL_ID,
            chat_class_path="harness_ext.lmms_eval.model.HFMultimodalLens",
            simple_class_path="harness_ext.lmms_eval.model.HFMultimodalLensSimple",
        ),
        ModelManifest(
            model_id=VLLM_MODEL_ID,
            chat_class_path="harness_ext.lmms_eval.vllm_model.VLLMMultimodalLens",
        ),
    ]


def register_tasks() -> None:
    """Append our folder to every task search; the harness's own tasks and `--include_path` win on equal names."""
    wrap(TaskManager, "initialize_tasks", _with_our_folder)


def _with_our_folder(original: Callable[..., Any]) -> Callable[..., Any]:
    def initialize_tasks(self: Any, include_path: Any = None, include_defaults: bool = True) -> Any:
        searched = [*folders(include_path), str(lmms_eval_tasks())]
        return original(self, include_path=searched, include_defaults=include_defaults)

    return initialize_tasks

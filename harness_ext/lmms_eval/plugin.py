"""The entry point that lmms-eval loads from the group `lmms_eval.models`."""

from __future__ import annotations

from lmms_eval.models.registry_v2 import ModelManifest

from .task_folder import register_task_folder

__all__ = ["MODEL_ID", "manifest"]

MODEL_ID = "hf-multimodal-lens"


def manifest() -> list[ModelManifest]:
    """Register the model under its name, and the folder of our tasks so that `--tasks pope_mini` needs no flag."""
    register_task_folder()
    return [
        ModelManifest(
            model_id=MODEL_ID,
            chat_class_path="harness_ext.lmms_eval.model.HFMultimodalLens",
            simple_class_path="harness_ext.lmms_eval.model.HFMultimodalLensSimple",
        )
    ]

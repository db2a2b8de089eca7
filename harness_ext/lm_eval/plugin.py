"""Make lm-eval know the lens model and our tasks. Nothing happens on import."""

from __future__ import annotations

__all__ = ["MODEL_ID", "register"]

MODEL_ID = "hf-multimodal-lens"


def register() -> None:
    """Register the model under its name, our task folder, and the wrappers around an evaluation; once is enough.

    Raises:
        UnsupportedHarnessError: this version of lm-eval lacks a function that the lens needs.
    """
    import lm_eval.models  # noqa: F401  # a lone registration would hide the built-in models
    from lm_eval.api.registry import MODEL_REGISTRY, register_model

    from .evaluation import install
    from .model import HFMultimodalLens
    from .task_folder import register_task_folder

    if MODEL_ID not in MODEL_REGISTRY:
        register_model(MODEL_ID)(HFMultimodalLens)
    register_task_folder()
    install()

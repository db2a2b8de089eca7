"""Make lm-eval know the lens model and our tasks. Nothing happens on import."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

from harness_ext.include_path import folders
from harness_ext.wrapping import UnsupportedHarnessError, wrap
from lens_tasks.folders import lm_eval_tasks

__all__ = ["MODEL_ID", "register"]

MODEL_ID = "hf-multimodal-lens"
VLLM_MODEL_ID = "vllm-multimodal-lens"
CHAT_MODEL_ID = "local-chat-completions-lens"
OPENAI_MODEL_ID = "openai-chat-completions-lens"


def register() -> None:
    """Register the model under its name, our task folder, and the wrappers around an evaluation; once is enough.

    Raises:
        UnsupportedHarnessError: this version of lm-eval lacks a function that the lens needs.
    """
    import lm_eval.models  # noqa: F401  # a lone registration would hide the built-in models
    from lm_eval.api.registry import MODEL_REGISTRY, register_model
    from lm_eval.tasks import TaskManager

    from .evaluation import install
    from .model import HFMultimodalLens
    from .served import LocalChatLens, OpenAIChatLens

    classes = {MODEL_ID: HFMultimodalLens, CHAT_MODEL_ID: LocalChatLens, OPENAI_MODEL_ID: OpenAIChatLens}
    for name, cls in classes.items():
        if name not in MODEL_REGISTRY:
            register_model(name)(cls)
    if VLLM_MODEL_ID not in MODEL_REGISTRY:
        _register_lazily(VLLM_MODEL_ID, "harness_ext.lm_eval.vllm_model:VLLMMultimodalLens")
    wrap(TaskManager, "__init__", _with_our_folder)
    install()


def _register_lazily(name: str, target: str) -> None:
    """Register a model that is imported when asked for; with lm-eval 0.4.9, one that says why it does not run."""
    from lm_eval.api import registry

    if hasattr(registry, "model_registry"):
        registry.model_registry.register(name, target=target)
    elif name not in registry.MODEL_REGISTRY:
        registry.MODEL_REGISTRY[name] = _TooOldForVllm


class _TooOldForVllm:
    """In the place of the model under vLLM where lm-eval is older than what vLLM 0.32 can run with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise UnsupportedHarnessError(
            f"{VLLM_MODEL_ID} needs lm-eval 0.4.10 or later with vLLM 0.32 or later, found lm-eval "
            f"{metadata.version('lm-eval')}, whose models are written for transformers 4, while vLLM 0.32 needs "
            f"transformers 5. Use {MODEL_ID} here, or give a newer lm-eval the folder of tasks with --include_path"
        )

    @classmethod
    def create_from_arg_string(cls, *args: Any, **kwargs: Any) -> Any:
        """How lm-eval makes a model; see `UnsupportedHarnessError`."""
        return cls()

    create_from_arg_obj = create_from_arg_string


def _with_our_folder(original: Callable[..., Any]) -> Callable[..., Any]:
    """Our folder in every task search; tasks of `--include_path` win on equal names."""
    from lm_eval.tasks import TaskManager

    later_wins = hasattr(TaskManager, "load")  # since the task manager was rewritten for 0.4.10

    def init(self: Any, verbosity: Any = None, include_path: Any = None, *args: Any, **kwargs: Any) -> None:
        given = folders(include_path)
        # releases of the 0.4.9 line differ in which of two tasks of one name they keep: the first, or the last
        around = [] if later_wins else given
        original(self, verbosity, [*around, str(lm_eval_tasks()), *given], *args, **kwargs)

    return init

"""PEFT adapters (LoRA and its kin) on a loaded model."""

from __future__ import annotations

import warnings
from typing import Any

from .errors import LensArgumentError, ModelLoadError

__all__ = ["attach_adapter", "model_itself"]

_MISSING = "missing adapter keys"


def attach_adapter(model: Any, peft: str, *, revision: str | None = None) -> Any:
    """The model with an adapter in its layers, active and not merged, in eval mode.

    Merging would round the weights once more, and where head and embedding are tied it would change the embedding too,
    so the adapter stays what it was in training. The lens reads through the model's own modules, adapted or not.

    Args:
        model: the model the adapter was trained on.
        peft: a folder with `adapter_config.json` and the adapter's weights, or a repository name.
        revision: branch, tag or commit of the repository.

    Raises:
        ModelLoadError: nothing there, or an adapter that does not fit the model.
        LensArgumentError: the package peft is not installed, or a kind of adapter that is not part of the layers.
    """
    try:
        from peft import PeftConfig, PeftModel
    except ImportError as error:
        raise LensArgumentError(
            f"peft={peft} needs the package peft, which is not installed: pip install 'mm-logit-lens[peft]'"
        ) from error
    hub = {"revision": revision} if revision else {}
    with warnings.catch_warnings():
        # weights of the adapter that are not in its files stay as they were made: it would be another adapter
        warnings.filterwarnings("error", message=f".*{_MISSING}")
        try:
            config = PeftConfig.from_pretrained(peft, **hub)
            _require_in_layers(config, peft)
            adapted = PeftModel.from_pretrained(model, peft, **hub)
        except (ValueError, OSError, RuntimeError, KeyError, TypeError, UserWarning) as error:
            if isinstance(error, LensArgumentError):
                raise
            raise ModelLoadError(f"peft={peft}: the adapter cannot be loaded ({_short(error)})") from error
    return adapted.eval()


def model_itself(model: Any) -> Any:
    """The model that an adapter is around; without one it is the model that is given."""
    inner = getattr(model, "get_base_model", None)
    return inner() if callable(inner) else model


def _require_in_layers(config: Any, peft: str) -> None:
    if getattr(config, "is_prompt_learning", False):
        kind = getattr(config.peft_type, "value", config.peft_type)
        raise LensArgumentError(
            f"peft={peft} is a {kind} adapter, which puts vectors before the prompt instead of changing layers; images "
            "and positions would no longer be where the lens looks. Adapters of the layers (LoRA and its kin) are read."
        )


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 400 else f"{text[:400]} ..."

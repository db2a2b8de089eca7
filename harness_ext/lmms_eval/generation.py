"""Generation arguments with the meaning they have in the stock `huggingface` wrapper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["generate_arguments", "stop_strings"]

_DEFAULTS: dict[str, Any] = {"max_new_tokens": 4096, "temperature": 0.0, "top_p": None, "num_beams": 1}


def generate_arguments(task: Mapping[str, Any], tokenizer: Any, *, use_cache: bool) -> dict[str, Any]:
    """Arguments of `model.generate`, as the stock wrapper derives them: sampling only with a positive temperature."""
    chosen = {**_DEFAULTS, **task}
    sampled = bool(chosen["temperature"]) and chosen["temperature"] > 0
    return {
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "do_sample": sampled,
        "temperature": chosen["temperature"] if sampled else None,
        "top_p": chosen["top_p"] if sampled else None,
        "num_beams": chosen["num_beams"],
        "max_new_tokens": chosen["max_new_tokens"],
        "use_cache": use_cache,
    }


def stop_strings(task: Mapping[str, Any]) -> tuple[str, ...]:
    """The harness's stop strings. Like the stock wrapper, generation does not end there; the answer does."""
    until = task.get("until") or ()
    return (until,) if isinstance(until, str) else tuple(str(stop) for stop in until)

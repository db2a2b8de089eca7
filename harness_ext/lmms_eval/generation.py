"""Generation arguments with the meaning they have in the stock `huggingface` wrapper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness_ext.end_tokens import end_token_ids

__all__ = ["generate_arguments"]

_DEFAULTS: dict[str, Any] = {"max_new_tokens": 4096, "temperature": 0.0, "top_p": None, "num_beams": 1}


def generate_arguments(task: Mapping[str, Any], model: Any, tokenizer: Any, *, use_cache: bool) -> dict[str, Any]:
    """Arguments of `model.generate`, as the stock wrapper derives them.

    Sampling only with a positive temperature, whatever `do_sample` says. `until` ends nothing and cuts nothing: the
    wrapper leaves it out, so answers are scored whole, also those with the `["\\n\\n"]` that lmms-eval writes into
    tasks without generation arguments. Unlike the wrapper, which knows the tokenizer's end token alone, a text also
    ends at the other ones that the checkpoint names; the wrapper's text runs on behind them.
    """
    chosen = {**_DEFAULTS, **task}
    sampled = bool(chosen["temperature"]) and chosen["temperature"] > 0
    ends = end_token_ids(model, tokenizer)
    return {
        "eos_token_id": ends[0] if len(ends) == 1 else list(ends) or None,
        "pad_token_id": tokenizer.pad_token_id,
        "do_sample": sampled,
        "temperature": chosen["temperature"] if sampled else None,
        "top_p": chosen["top_p"] if sampled else None,
        "num_beams": chosen["num_beams"],
        "max_new_tokens": chosen["max_new_tokens"],
        "use_cache": use_cache,
    }

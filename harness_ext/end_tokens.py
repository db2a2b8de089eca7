"""Which tokens end an answer."""

from __future__ import annotations

from typing import Any

__all__ = ["end_token_ids"]


def end_token_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Ids that end a generated text: the tokenizer's, then those of the model's generation configuration.

    Chat checkpoints name several (end of turn, end of text), and their tokenizer one of them.
    """
    config = getattr(model, "generation_config", None)
    ids: dict[int, None] = {}
    for value in (getattr(tokenizer, "eos_token_id", None), getattr(config, "eos_token_id", None)):
        named = [] if value is None else [value] if isinstance(value, int) else value
        ids.update(dict.fromkeys(int(each) for each in named))
    return tuple(ids)

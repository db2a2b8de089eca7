"""What interventions need to know of a loaded model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lens_models.image_tokens.families import image_token_ids, video_token_ids, without_tokens
from lens_models.interventions import Host
from lens_models.unembed import Unembedding

__all__ = ["host_of"]


def host_of(model: Any, processor: Any, unembedding: Unembedding, example: Mapping[str, Any]) -> Host:
    """The host that a model and its processor are.

    Args:
        model: in eval mode.
        processor: what encodes its prompts.
        unembedding: the model's norm and head, as interventions read layers with it.
        example: an encoded prompt with a picture.
    """
    kinds = () if without_tokens(model) else (image_token_ids, video_token_ids)
    return Host(
        unembedding,
        tokenizer=getattr(processor, "tokenizer", processor),
        media_ids=tuple(tuple(ids(model, processor)) for ids in kinds),
        example=example,
    )

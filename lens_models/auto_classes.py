"""Which class of transformers a checkpoint that takes images, videos or sounds beside a text is loaded with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import transformers
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoModelForSeq2SeqLM
from transformers.models.auto import modeling_auto

__all__ = ["class_of", "listens"]

_IMAGES = "AutoModelForImageTextToText"
_THINKERS = {
    "qwen2_5_omni": "Qwen2_5OmniThinkerForConditionalGeneration",
    "qwen3_omni_moe": "Qwen3OmniMoeThinkerForConditionalGeneration",
}
"""Checkpoints that also speak: the part that answers in text is loaded alone, as their authors do for text."""
_LISTENING = ("audio_config", "audio_token_id", "audio_token_index", "audio_processor")


def listens(config: Any) -> bool:
    """Whether a model with this configuration takes sounds."""
    return any(getattr(config, name, None) is not None for name in _LISTENING)


def class_of(config: Any) -> Any:
    """The class whose `from_pretrained` loads a checkpoint with this configuration; None where there is none.

    Sounds alone: transformers 5 has `AutoModelForMultimodalLM` and lists some types under sequence-to-sequence models
    only, transformers 4 lists them there or among causal language models.
    """
    kind = config.model_type
    # by the class of the configuration, which some types call otherwise (lfm2-vl in transformers 4)
    known = type(config) in AutoModelForImageTextToText._model_mapping
    if known or _IMAGES in (getattr(config, "auto_map", None) or {}):
        return AutoModelForImageTextToText
    if kind in _THINKERS:
        return getattr(transformers, _THINKERS[kind], None)
    return next((cls for cls, names in _mappings() if kind in names), None) if listens(config) else None


def _mappings() -> Iterator[tuple[Any, Any]]:
    for cls, name in (
        (getattr(transformers, "AutoModelForMultimodalLM", None), "MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES"),
        (AutoModelForSeq2SeqLM, "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES"),
        (AutoModelForCausalLM, "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"),
    ):
        if cls is not None:
            yield cls, getattr(modeling_auto, name, {})

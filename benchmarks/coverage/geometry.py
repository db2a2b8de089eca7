"""Is the geometry of image tokens right for one model type? Its own processor and the painted spots are the judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from lens_models.image_tokens import GeometryReport, prove_geometry, prove_video_geometry
from lens_models.image_tokens.families import without_tokens

from .build import build
from .processor_sizes import CONFIG, REPEATED, UNTRIED, UNTRIED_VIDEOS
from .processors import SIDE, NoProcessorError, processor_of
from .shrink import assign, shrunk_config

__all__ = ["check_geometry", "check_video_geometry"]

_ID_NAMES = ("image_token_id", "image_token_index", "image_patch_id")
_VIDEO_ID_NAMES = ("video_token_id", "video_token_index")
_SOUND_ID_NAMES = ("audio_token_id", "audio_token_index")
_AROUND_VIDEOS = {"video_start_token_id": "<|begin_of_video|>", "video_end_token_id": "<|end_of_video|>"}


def check_geometry(model_type: str) -> GeometryReport:
    """The verdict of the painted spots on a tiny model with the family's own processor."""
    if model_type in UNTRIED:
        return GeometryReport("unknown", UNTRIED[model_type])
    try:
        processor = processor_of(model_type)
        model = model_for(model_type, processor)
    except Exception as error:  # whatever a processor does without its checkpoint
        if (why := without_tokens(build(model_type))) is not None:
            return GeometryReport("none", why)
        said = str(error) if isinstance(error, NoProcessorError) else f"{type(error).__name__}: {str(error)[:200]}"
        return GeometryReport("unknown", said)
    return prove_geometry(model, processor)


def check_video_geometry(model_type: str) -> GeometryReport | None:
    """The same for videos; None for a family whose processor takes none."""
    try:
        processor = processor_of(model_type)
    except Exception:  # whatever a processor does without its checkpoint
        return None
    if getattr(processor, "video_processor", None) is None:
        return None
    untried = UNTRIED | UNTRIED_VIDEOS
    if model_type in untried:
        return GeometryReport("unknown", untried[model_type])
    try:
        model = model_for(model_type, processor)
    except Exception as error:  # whatever a model does with a tiny configuration
        return GeometryReport("unknown", f"{type(error).__name__}: {str(error)[:200]}")
    return prove_video_geometry(model, processor)


def model_for(model_type: str, processor: Any, values: Mapping[str, Any] | None = None) -> Any:
    """A tiny model whose image token is the processor's, and which mixes the places of a picture little.

    Args:
        model_type: of the model.
        processor: of the family.
        values: of its configuration, dotted path -> value.
    """
    config = shrunk_config(model_type, SIDE)
    named = REPEATED.get(model_type) or getattr(processor, "image_token", None)
    vocabulary = processor.tokenizer.get_vocab()
    around = [((name,), token) for name, token in _AROUND_VIDEOS.items()]
    others = [
        (names, getattr(processor, f"{kind}_token", None))
        for kind, names in (("video", _VIDEO_ID_NAMES), ("audio", _SOUND_ID_NAMES))
    ]
    for names, token in ((_ID_NAMES, named), *others, *around):
        number = vocabulary.get(token)
        for part in _parts(config):
            for name in names:
                own = getattr(part, "attribute_map", {}).get(name, name)  # a name may stand for another's value
                if (
                    number is not None
                    and own in names
                    and (isinstance(getattr(part, name, None), int) or (name in _SOUND_ID_NAMES and name in vars(part)))
                ):
                    setattr(part, name, number)
    for path, value in (CONFIG.get(model_type, {}) | dict(values or {})).items():
        assign(config, path, value)
    model = build(model_type, config=config)
    unmix(model)
    return model


def _parts(config: Any) -> list[Any]:
    found = [config]
    for value in vars(config).values():
        if isinstance(value, type(config).__mro__[1]):
            found += _parts(value)
    return found


def unmix(model: nn.Module) -> None:
    """Make attention and the rims of convolutions weak, as attention is beside the residual stream of trained towers.

    With random weights of full size a change at one place would reach all others as strongly.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "attn" in name or "attention" in name:
                parameter.mul_(0.3)
        for name, module in model.named_modules():
            if isinstance(module, nn.Conv2d) and module.stride == (1, 1) and ".vq" not in name:
                middle = module.kernel_size[0] // 2, module.kernel_size[1] // 2
                kept = module.weight[..., middle[0], middle[1]].clone()
                module.weight.mul_(0.2)
                module.weight[..., middle[0], middle[1]] = kept

"""Tiny random models of any architecture."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lens_models.auto_classes import class_of

from .shrink import IMAGE, shrunk_config

__all__ = ["build", "randomise"]


def build(model_type: str, seed: int = 0, config: Any = None) -> Any:
    """A randomised float32 model in eval mode that does not stop by itself and says no image."""
    torch.manual_seed(seed)
    config = shrunk_config(model_type) if config is None else config
    model = class_of(config).from_config(config, attn_implementation="eager")
    randomise(model)
    settings = model.generation_config
    settings.do_sample, settings.pad_token_id, settings.suppress_tokens = False, 0, [IMAGE]
    settings.eos_token_id = settings.forced_eos_token_id = None
    if model.config.is_encoder_decoder:
        settings.decoder_start_token_id = 1
    return model.eval()


def randomise(model: nn.Module) -> None:
    """Fill every parameter so that no norm weight is one, no bias and no gate zero, and logits spread over several."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.is_floating_point():
                continue
            if parameter.dim() >= 2:
                fan_in = parameter[0].numel()
                parameter.normal_(0.0, 1.5 / fan_in**0.5)
            elif name.endswith("weight"):
                parameter.normal_(1.0, 0.3)
            else:
                parameter.normal_(0.0, 0.3)

"""What is asked of a model that runs elsewhere when its image tokens are located."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
import transformers
from torch import nn

__all__ = ["Structure"]


class Structure:
    """A checkpoint's configuration, and the modules that transformers would build of it, without any weights.

    Args:
        config: of the checkpoint.
    """

    def __init__(self, config: Any) -> None:
        self.config = config

    def modules(self) -> Iterator[nn.Module]:
        """As of a model; none where transformers has no class for the configuration."""
        yield from self._modules

    @cached_property
    def _modules(self) -> tuple[nn.Module, ...]:
        try:
            with torch.device("meta"):
                return tuple(transformers.AutoModelForImageTextToText.from_config(self.config).modules())
        except Exception:  # code of the hub, or a class of vLLM's own: then what needs the modules says so itself
            return ()

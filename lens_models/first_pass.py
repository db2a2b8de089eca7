"""The pass over a prompt, run once for several continuations of it that are given step by step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

__all__ = ["FirstPass"]


@dataclass
class FirstPass:
    """What the first forward pass of a generation gave, to be given again in its place.

    `generate` goes on from the keys and values in it as it went on from those of the pass itself, so every number is
    the one that it would compute. It belongs to one encoded prompt and to the model as it was.
    """

    _output: Any = None
    _residual: Tensor | None = None

    def output(self, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What `forward` gives; later calls get a copy of it, for a generation writes into its keys and values."""
        if self._output is None:
            found = forward(*args, **kwargs)
            self._output = copy.deepcopy(found)
            return found
        return copy.deepcopy(self._output)

    def steps(self, captured: Sequence[Tensor]) -> list[Tensor]:
        """The residuals of each step of a run: those of the first one, which only the first run captured, and the rest.

        Args:
            captured: `[layers, rows, d]` of each step whose layers ran, at the layers that the first run kept.
        """
        if self._residual is None:
            self._residual, *captured = captured
        return [self._residual, *captured]

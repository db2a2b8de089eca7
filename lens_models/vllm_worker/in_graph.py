"""Watch the blocks of a model that vLLM compiles: an operation in its graph shows what each block hands on.

Hooks on modules run once, while the graph is traced. So each of them puts an operation into the graph, which the
compiler takes as it is: it is given the residual stream, hands it to whoever watches, and changes nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .parts import WorkerParts
from .stream import residual_stream

__all__ = ["SEE", "is_watched_in_graph", "sees_graph", "watch_in_graph"]

SEE = "lens::see"
"""Name of the operation. vLLM splits its graphs there, so that it runs where the rest is replayed from a CUDA graph."""
_ORDER = "lens_order"
_SINKS: list[Callable[[int, Sequence[Tensor]], None]] = []


def sees_graph(sink: Callable[[int, Sequence[Tensor]], None]) -> None:
    """Whoever is shown the streams from now on, by layer number; 0 is what goes into the first block."""
    _SINKS[:] = [sink]


# it says that it writes into `order`, so that no compiler takes it for an operation without effect
@torch.library.custom_op(SEE, mutates_args=("order",))
def _see(stream: list[Tensor], layer: int, order: Tensor) -> None:
    for sink in _SINKS:
        sink(layer, stream)


@_see.register_fake
def _(stream: list[Tensor], layer: int, order: Tensor) -> None:
    return None


def watch_in_graph(parts: WorkerParts) -> None:
    """Put the operation behind each block, and before the first one; to be called before the model is compiled."""
    first = parts.layers[0]
    device = next(first.parameters()).device
    first.register_buffer(_ORDER, torch.zeros(1, device=device), persistent=False)

    def before(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        torch.ops.lens.see(residual_stream((*args, *kwargs.values())), 0, first.lens_order)

    def after(layer: int, module: Any, args: Any, output: Any) -> None:
        given = output if isinstance(output, tuple) else (output,)
        torch.ops.lens.see(residual_stream(given), layer, first.lens_order)

    first.register_forward_pre_hook(before, with_kwargs=True)
    for number, block in enumerate(parts.layers, 1):
        block.register_forward_hook(functools.partial(after, number))


def is_watched_in_graph(parts: WorkerParts) -> bool:
    """Whether `watch_in_graph` was called for a model."""
    return hasattr(parts.layers[0], _ORDER)

"""To which model a lens belongs: some numbers of the model's weights, kept beside the lens."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lens_models.definition import evenly_spaced
from lens_models.parts import ModelParts

__all__ = ["differing_part", "model_values"]

_VALUES = 16


def model_values(parts: ModelParts) -> Tensor:
    """fp32 `[tensors, 16]`: evenly spaced values of every weight, the decoder's layers, final norm and head first.

    What lies before the decoder counts too: with another vision tower its layers hold other states. The rest of a row
    is NaN where a weight has fewer values, and all of it where it gives none (quantised weights).
    """
    return torch.stack([_row(tensor) for _, tensor in _weights(parts)])


def differing_part(parts: ModelParts, expected: Tensor, dtype: torch.dtype) -> str | None:
    """What of a model is not as it was where a lens was learnt, or None.

    The same checkpoint may be loaded in another dtype: its values then agree within the coarser one's rounding.

    Args:
        parts: of the model.
        expected: what `model_values` gave.
        dtype: of the model then.
    """
    named = list(_weights(parts))
    if len(named) != len(expected):
        return f"{len(named)} weights; expected {len(expected)}"
    compared = 0
    for (name, tensor), row in zip(named, expected, strict=True):
        if tensor.is_meta:  # offloaded: its values are elsewhere
            continue
        found, exact = _row(tensor), tensor.dtype == dtype
        share = 0.0 if exact else max(torch.finfo(each).eps for each in (dtype, _float(tensor)))
        # numbers too small for half precision lose more of their digits
        allowed = share * row.abs() + (0.0 if exact else 1e-7)
        if not torch.equal(found.isnan(), row.isnan()) or bool(((found - row).abs() > allowed).any()):
            return f"other values in {name}"
        compared += 1
    return None if compared else "no weights in memory to compare (all are offloaded)"


def _weights(parts: ModelParts) -> Iterator[tuple[str, Tensor]]:
    named: list[tuple[str, nn.Module | None]] = [(f"layer {n}", layer) for n, layer in enumerate(parts.layers, start=1)]
    named += [("the final norm", parts.norm), ("the head", parts.head)]
    known: set[int] = set()
    for place, part in named:
        if part is not None:
            found = sorted(part.named_parameters())
            known |= {id(each) for _, each in found}
            yield from ((f"{place}, {name}", each) for name, each in found)
    if parts.model is not None:
        yield from ((name, each) for name, each in sorted(parts.model.named_parameters()) if id(each) not in known)


def _float(tensor: Tensor) -> torch.dtype:
    return tensor.dtype if tensor.dtype.is_floating_point else torch.float32


def _row(tensor: Tensor) -> Tensor:
    values = evenly_spaced(tensor, _VALUES)
    row = torch.full((_VALUES,), torch.nan)
    if values is not None:
        row[: len(values)] = values.float()
    return row

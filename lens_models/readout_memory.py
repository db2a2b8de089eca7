"""How much of a readout is computed at a time: all layers in one product with the head, its consequences in slices."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["ReadoutPlan", "default_limit"]

_CPU_LIMIT = 512 * 2**20
_DEVICE_LIMIT = 48 * 2**20  # with the 16 MiB of residuals that a capture keeps on the device 64 MiB
_DEVICE_LIMIT_AFTER_GENERATION = 512 * 2**20
_REFERENCE = 3  # rows of the last layer that stay: logits, log-probabilities, probabilities
_TEMPORARIES = 4  # of a slice live at a time: probabilities, mixture, a difference and a product
_CPU_SLICE = 2 * 2**20  # a slice that stays in the processor's cache takes half the time


@dataclass(frozen=True)
class ReadoutPlan:
    """Sizes of the pieces of one readout.

    Attributes:
        samples: samples that go through the head together.
        layers: layers of them that go through the head together; all, where the limit allows it.
        slice_samples: samples whose distributions are compared at a time.
        slice_layers: layers of them.
    """

    samples: int
    layers: int
    slice_samples: int
    slice_layers: int

    @classmethod
    def of(cls, layers: int, samples: int, vocabulary: int, limit: int, device: torch.device) -> ReadoutPlan:
        """The largest pieces that stay within `limit` bytes, in rows of `vocabulary` fp32 numbers.

        A sample takes `layers` rows of logits, three of the last layer and four temporary ones for each layer of a
        slice. Slices are at least a quarter of the layers, because small ones keep a GPU waiting; where not even one
        sample fits its layers are cut, and one layer of one sample is computed whatever the limit.
        """
        rows = limit // (4 * vocabulary)
        alone = 2 * layers + _REFERENCE
        together = max(1, min(samples, rows // alone))
        at_once = layers if rows >= alone else max(1, (rows - _REFERENCE) // (1 + _TEMPORARIES))
        left = rows - together * (at_once + _REFERENCE)
        slice_layers = max(1, min(at_once, left // (_TEMPORARIES * together)))
        if device.type != "cpu":
            return cls(together, at_once, together, slice_layers)
        rows = max(1, _CPU_SLICE // (4 * vocabulary))
        slice_layers = min(slice_layers, rows)
        return cls(together, at_once, max(1, min(together, rows // slice_layers)), slice_layers)


def default_limit(device: torch.device, *, alone: bool = True) -> int:
    """Bytes for a readout where the user names none.

    Args:
        device: where the logits are computed.
        alone: whether this process computes them by itself. Those that share a head have to call it equally often,
            however much memory each of them has left.

    On a GPU 48 MiB, and what generation took for itself beyond what is in use now: a readout comes after it, so it
    raises the peak of the process by no more than the 48 MiB.
    """
    if device.type == "cpu":
        return _CPU_LIMIT
    if device.type != "cuda" or not alone:
        return _DEVICE_LIMIT
    freed = torch.cuda.max_memory_allocated(device) - torch.cuda.memory_allocated(device)
    return _DEVICE_LIMIT + min(max(0, freed), _DEVICE_LIMIT_AFTER_GENERATION)

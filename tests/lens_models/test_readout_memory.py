from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lens_models import ReadoutRow, read_layers
from lens_models.parts import ModelParts
from lens_models.readout_memory import ReadoutPlan, default_limit
from lens_models.unembed import Unembedding

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
MIB = 2**20


class Watch(TorchDispatchMode):
    """Largest number of bytes that the results of torch operations held at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._users: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        known = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and leaf.numel():
                place = leaf.untyped_storage().data_ptr()
                if place not in known or place in self._users:
                    self._hold(leaf, place, leaf.untyped_storage().nbytes())
        return out

    def _hold(self, tensor: Tensor, place: int, size: int) -> None:
        self.live += size if not self._users[place] else 0
        self._users[place] += 1
        self.peak = max(self.peak, self.live)
        weakref.finalize(tensor, self._release, place, size)

    def _release(self, place: int, size: int) -> None:
        self._users[place] -= 1
        if not self._users[place]:
            del self._users[place]
            self.live -= size


def test_the_watch_counts_what_lives_together() -> None:
    with Watch() as watch:
        a = torch.ones(1000)
        b = a.view(10, 100) + 1
        del a
        c = b.add_(1).exp()
        del b, c
    assert (watch.peak, watch.live) == (8000, 0)


@pytest.mark.parametrize("samples", [1, 5])
@pytest.mark.parametrize("share", [0.4, 1.0, 2.5, 40.0])
def test_a_readout_takes_no_more_than_its_limit(samples: int, share: float) -> None:
    layers, width, vocabulary = 6, 16, 40_000
    norm, head = nn.LayerNorm(width), nn.Linear(width, vocabulary)
    blocks = tuple(nn.Identity() for _ in range(layers))
    unembed = Unembedding(ModelParts("Blocks", blocks, norm, head, "", "", "", width, vocabulary))
    rows = [ReadoutRow(torch.randn(layers, width), 3, ((4, 5), (6,)), (4,)) for _ in range(samples)]
    one_layer = 8 * vocabulary * 4  # its logits, the last layer three times, four temporary ones: read in any case
    limit = max(one_layer, int(share * (2 * layers + 3) * vocabulary * 4))
    read_layers(unembed, rows, memory_limit=limit)
    with Watch() as watch:
        found = read_layers(unembed, rows, memory_limit=limit)
    # the last layer's logits are handed out with the readouts; a tenth is for what is not vocabulary-wide
    kept = sum(readout.last_logits.nbytes for readout in found)
    everything = samples * layers * vocabulary * 4
    assert 0.2 * min(limit, everything) < watch.peak <= 1.1 * limit + kept


@pytest.mark.parametrize("device", [CPU, GPU], ids=str)
@pytest.mark.parametrize("limit", [1, 10 * MIB, 48 * MIB, 512 * MIB])
@pytest.mark.parametrize(("layers", "vocabulary"), [(10, 2_624), (28, 151_936), (80, 256_000)])
def test_a_plan_covers_at_least_one_layer_of_one_sample(
    device: torch.device, limit: int, layers: int, vocabulary: int
) -> None:
    plan = ReadoutPlan.of(layers, 8, vocabulary, limit, device)
    assert 1 <= plan.samples <= 8
    assert 1 <= plan.slice_samples <= plan.samples
    assert 1 <= plan.slice_layers <= plan.layers <= layers
    rows = plan.samples * (plan.layers + 3) + 4 * plan.slice_samples * plan.slice_layers
    assert rows * vocabulary * 4 <= max(limit, 8 * vocabulary * 4)


def test_a_sample_of_a_2b_model_is_read_in_one_product_within_the_default() -> None:
    plan = ReadoutPlan.of(28, 1, 151_936, 48 * MIB, GPU)
    assert (plan.samples, plan.layers) == (1, 28)
    assert plan.slice_layers >= 7


def test_a_gpu_readout_may_take_what_generation_took_before(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {"max_memory_allocated": 1000 * MIB, "memory_allocated": 1000 * MIB}
    for name in used:
        monkeypatch.setattr(torch.cuda, name, lambda device, name=name: used[name])
    assert default_limit(GPU) == 48 * MIB
    used["max_memory_allocated"] += 300 * MIB
    assert default_limit(GPU) == 348 * MIB
    used["max_memory_allocated"] += 10_000 * MIB
    assert default_limit(GPU) == (48 + 512) * MIB
    assert default_limit(CPU) == 512 * MIB
    assert default_limit(GPU, alone=False) == 48 * MIB, "processes that share a head read in pieces of one size"

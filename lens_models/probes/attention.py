"""Attention from the position that predicts the answer to the image tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lens_models.attention import AttentionCall, Sinks, SinkWatch, attention_observed, last_weights, prove_attention
from lens_models.attention.proof import self_attention
from lens_models.image_tokens import ImageTokens
from lens_models.parts import ModelParts

from .kept_steps import KeptSteps
from .protocol import Answered, Arrays, Batch, ProvenLens, Step
from .residual import CAPTURE_LIMIT

__all__ = ["MIDDLE_LAYERS", "ImageAttention", "entropy_of", "figures", "middle"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MIDDLE_LAYERS = (5 / 32, 18 / 32)
"""Relative depths between which SVAR sums: layers 5 to 18 of 32 (Jiang et al., arXiv:2411.16724)."""


class ImageAttention:
    """Attention of the answer's predicting position to every image token, by layer; see docs/attention.md.

    The weights are computed from the queries and keys that the model's attention functions are given, in whatever
    implementation it runs (`lens_models.attention`). A model whose attention cannot be read so is refused at load.
    """

    name: ClassVar[str] = "attention"
    needs_image_tokens: ClassVar[bool] = True

    def __init__(self, lens: ProvenLens, batch: Batch) -> None:
        self._n_layers = lens.parts.n_layers
        self._tokens = batch.image_tokens
        self._layers: list[int] = []  # that attend, in order, known after the first pass
        self._pass: dict[int, Tensor] = {}  # layer -> [rows, heads + image tokens of the longest row]
        self._steps = KeptSteps(CAPTURE_LIMIT)
        self._sinks = SinkWatch(batch.image_tokens, batch.inputs)
        self._columns: Tensor | None = None
        self._total = 0  # positions of the sequence up to this pass

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        """Watch the decoder's attention; nothing is watched where no row has image tokens."""
        with attention_observed(parts, self._see), self._sinks.attach(parts):
            yield

    def _see(self, call: AttentionCall) -> None:
        if not any(len(own) for own in self._tokens) or call.layer in self._pass or not self_attention(call):
            return
        if not self._pass:  # the first layer of a pass; without a cache a pass has the whole sequence again
            new = call.query.shape[2]
            self._total = new if new == call.key.shape[2] else self._total + new
        weights = last_weights(call)
        positions, known = self._positions(weights)
        picked = weights.gather(-1, positions[:, None].expand(-1, weights.shape[1], -1)) * known[:, None]
        self._pass[call.layer] = torch.cat([picked.sum(-1), picked.mean(1)], dim=-1)

    def _positions(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """`[rows, width]`: places of each row's image tokens among the keys of a call, and which of them are there.

        Where a window slid on, a layer has the last keys of the sequence alone; what it has no longer gets nothing.
        """
        if self._columns is None:
            width = max(len(own) for own in self._tokens)
            padded = np.full((len(self._tokens), width), -1, dtype=np.int64)
            for row, own in enumerate(self._tokens):
                padded[row, : len(own)] = own.positions
            self._columns = torch.from_numpy(padded).to(weights.device)
        beams = weights.shape[0] // len(self._tokens)
        columns = self._columns.to(weights.device).repeat_interleave(beams, dim=0)
        context = weights.shape[-1]
        places = columns - max(0, self._total - context)
        return places.clamp(0, context - 1), (columns >= 0) & (places >= 0)

    def on_step(self, step: Step) -> None:
        """The layers of one pass are complete."""
        self._sinks.end_of_pass()
        if not self._pass:
            return
        self._layers = self._layers or sorted(self._pass)
        width = max(each.shape[1] for each in self._pass.values())
        # layers may differ in their number of heads, and stand on several devices
        rows = [
            torch.nn.functional.pad(self._pass[layer], (width - self._pass[layer].shape[1], 0))
            for layer in self._layers
        ]
        self._steps.append(torch.stack([row.to(step.logits.device) for row in rows]))
        self._pass = {}

    def result(self, answered: Answered) -> Arrays:
        """What the answer attends to; nothing where it was not located or its step was not kept.

        Returns:
            `layers` `[layers]`: the blocks that attend; `map` `[layers, image tokens]`: mean over heads of the weight
            on each image token, as a share of the whole context; `mass` `[layers, heads]`: VAR, their sum by head;
            `svar`, `image_mass`, `attention_entropy` `[1]`. Where sinks are determined also `sinks`
            `[layers, image tokens]`, 1 for a sink, and what `figures` makes of the map without them.
        """
        step = answered.step
        tokens: ImageTokens | None = self._tokens[answered.sample] if self._tokens else None
        if step is None or tokens is None or not len(tokens) or step >= len(self._steps.steps):
            return {}
        kept = self._steps.steps[step]
        if not kept.numel():
            return {}
        own = kept[:, answered.rows[step]].float().cpu().numpy()
        mass, maps = own[:, : -self._width], own[:, -self._width :][:, : len(tokens)]
        found: dict[str, Any] = {"layers": np.asarray(self._layers, dtype=np.float32), "map": maps, "mass": mass}
        sinks = self._sinks_of(answered.sample)
        if sinks is not None:
            found["sinks"] = sinks.astype(np.float32)
        return found | figures(maps.astype(np.float64), self._layers, self._n_layers, sinks)

    def statuses(self, answered: Answered) -> Mapping[str, str]:
        """`attention sinks`: "ok", or why the map without attention sinks is the map itself or is not there."""
        return {"attention sinks": self._sinks.sinks(answered.sample).status}

    def _sinks_of(self, sample: int) -> Flags | None:
        """`[layers, image tokens]` of the layers that attend; None where sinks are undetermined."""
        found: Sinks = self._sinks.sinks(sample)
        return None if found.found is None else found.found[[self._sinks.blocks.index(each) for each in self._layers]]

    @classmethod
    def refusal(cls, model: nn.Module, parts: ModelParts, inputs: Mapping[str, Any]) -> str | None:
        """Why the attention of a model cannot be read; None where it can. Runs the model twice on example inputs."""
        report = prove_attention(model, parts, inputs)
        return report.reason or None

    @property
    def _width(self) -> int:
        return max(len(own) for own in self._tokens)


def figures(maps: Floats, layers: list[int], n_layers: int, sinks: Flags | None = None) -> dict[str, Any]:
    """`svar`: sum over the middle layers of the attention to all image tokens, mean over heads; `image_mass`: its mean
    over all layers that attend; `attention_entropy`: of the mean map of the middle layers as a distribution, in nats.

    Args:
        maps: `[layers, image tokens]`, mean over heads.
        layers: number of each.
        n_layers: L.
        sinks: `[layers, image tokens]`, which tokens are attention sinks. Then there are also `sinkless_svar`, without
            each layer's own sinks, `sinkless_attention_entropy`, without the tokens that are a sink at any of the
            middle layers (absent where none is left), and `attention_sinks`, the number of those.
    """
    chosen = middle(np.asarray(layers), n_layers)
    values = {
        "svar": maps[chosen].sum(),
        "image_mass": maps.sum(axis=1).mean(),
        "attention_entropy": entropy_of(maps[chosen].sum(axis=0)),
    }
    if sinks is not None:
        left = ~sinks[chosen].any(axis=0)
        values["attention_sinks"] = (~left).sum()
        values["sinkless_svar"] = maps[chosen][~sinks[chosen]].sum()
        if left.any():
            values["sinkless_attention_entropy"] = entropy_of(maps[chosen].sum(axis=0)[left])
    return {name: np.asarray([value], dtype=np.float32) for name, value in values.items()}


def entropy_of(heat: Floats) -> float:
    """Of a map as a distribution, in nats; that of a flat one where it has no mass."""
    share = heat / heat.sum() if heat.sum() > 0 else np.full(len(heat), 1 / len(heat))
    return float(-(share[share > 0] * np.log(share[share > 0])).sum())


def middle(layers: npt.NDArray[np.int64], n_layers: int) -> npt.NDArray[np.bool_]:
    """`[layers]`: which of them lie in `MIDDLE_LAYERS`; all where none does."""
    low, high = (share * n_layers for share in MIDDLE_LAYERS)
    found: npt.NDArray[np.bool_] = (layers >= low) & (layers <= high)
    return found if found.any() else np.ones_like(found)

"""What the image tokens say of the words that matter to a sample, by the logit lens or a learnt one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from lens_models.errors import CaptureError
from lens_models.image_tokens.reading import read_image_tokens
from lens_models.parts import ModelParts

from .protocol import Answered, Arrays, Batch, ProvenLens, Step

__all__ = ["ImageTokenLens", "spread_layers"]

_N_LAYERS = 8
_DEVICE_BUDGET_BYTES = 2**28


class ImageTokenLens:
    """The probability of each word at every image token, softmax(unembed(norm(h_l(v_i)))), at some layers.

    Internal confidence (the maximum) and heat map (the maximum over layers at each token) are those of Jiang et al.,
    arXiv:2410.02762, read through the final norm, with all spellings of a word together. The states are those of the
    prefill, which no generated token changes. With a learnt lens they go through its maps of image tokens first.
    """

    name: ClassVar[str] = "image_tokens"
    needs_image_tokens: ClassVar[bool] = True

    def __init__(self, lens: ProvenLens, batch: Batch) -> None:
        self._lens = lens
        self._tokens = batch.image_tokens
        self._layers = spread_layers(lens.parts.n_layers)
        self._kept: dict[int, Tensor] = {}  # layer -> [image tokens of all samples, d]
        self._places: tuple[Tensor, Tensor] | None = None
        self._done = False

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        """Hook the layers that are read; only the first pass is looked at."""
        with ExitStack() as stack:
            for layer in self._layers:
                stack.callback(parts.layers[layer - 1].register_forward_hook(self._after(layer)).remove)
            yield

    def _after(self, layer: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if not self._done and any(len(own) for own in self._tokens):
                hidden: Tensor = (output[0] if isinstance(output, tuple | list) else output).detach()
                rows, positions = self._where(hidden)
                self._kept[layer] = hidden[rows, positions]

        return hook

    def _where(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Row and position of each image token of all samples; of a sample's beams the first stands for all.

        Raises:
            CaptureError: an image token lies behind the end of what the layers see.
        """
        if self._places is None:
            beams = hidden.shape[0] // len(self._tokens)
            rows = np.concatenate([np.full(len(own), at * beams) for at, own in enumerate(self._tokens)])
            positions = np.concatenate([own.positions for own in self._tokens])
            if positions.max(initial=-1) >= hidden.shape[1]:
                raise CaptureError(
                    f"image token at position {positions.max()}, but the layers see {hidden.shape[1]} positions at once"
                )
            self._places = torch.from_numpy(rows), torch.from_numpy(positions)
        rows_, positions_ = self._places
        return rows_.to(hidden.device), positions_.to(hidden.device)

    def on_step(self, step: Step) -> None:
        """After the first pass the states are complete; many of them wait in the memory of the machine."""
        if not self._done:
            self._done = True
            if sum(kept.numel() * kept.element_size() for kept in self._kept.values()) > _DEVICE_BUDGET_BYTES:
                self._kept = {layer: kept.cpu() for layer, kept in self._kept.items()}

    def result(self, answered: Answered) -> Arrays:
        """What is read of each word; nothing without words or image tokens.

        Returns:
            `layers` `[layers]`; `error` `[1]`, the largest relative standard error of the maps; for each word
            `map WORD` `[layers, image tokens]` (probabilities), `map near WORD` its nearness by the contextual lens
            (`lens_models.image_tokens.contextual`), where the model reads text alone, and `rank WORD` `[layers]`; see
            `lens_models.image_tokens.reading.ImageReadout`.
        """
        words = {word: ids for word, ids in answered.words.items() if ids}
        tokens = self._tokens[answered.sample] if self._tokens else ()
        if not words or not len(tokens) or not self._kept:
            return {}
        start = sum(len(own) for own in self._tokens[: answered.sample])
        layers = [layer for layer in self._layers if layer in self._kept]  # a model may leave some out
        device = self._kept[layers[-1]].device
        residual = torch.stack([self._kept[layer][start : start + len(tokens)].to(device) for layer in layers])
        seen = self._lens.of_images(residual, layers)
        found = read_image_tokens(self._lens.unembedding, seen, list(words.values()))
        arrays: dict[str, Any] = {"layers": np.asarray(layers, dtype=np.float32)}
        arrays["error"] = np.asarray([found.error], dtype=np.float32)
        for word, own, rank in zip(words, found.maps, found.rank, strict=True):
            arrays[f"map {word}"] = own
            arrays[f"rank {word}"] = rank.astype(np.float32)
        bank = self._lens.bank
        if bank is not None and tuple(layers) == bank.layers:
            names = list(words)
            arrays |= {f"map near {n}": own for n, own in zip(names, bank.nearness(residual, names), strict=True)}
        return arrays


def spread_layers(n_layers: int, count: int = _N_LAYERS) -> tuple[int, ...]:
    """`count` layers out of 1..L at equal distances, the last one among them; all of a model with no more."""
    steps = np.linspace(n_layers / min(count, n_layers), n_layers, min(count, n_layers))
    return tuple(int(layer) for layer in np.unique(np.rint(steps)))

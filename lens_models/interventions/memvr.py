"""MemVR: where the layers are unsure, what the picture said is read once more by the next block's MLP."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts

from .host import Host
from .mlps import mlps_of, only_changed
from .model_output import Pass, layers_by_share
from .on_pictures import PictureIntervention
from .prompt import PromptRun, mask_of

__all__ = ["Memvr"]

_LIKELIEST = 10


@dataclass(frozen=True)
class Memvr(PictureIntervention):
    """y <- (1 - strength) y + strength (mean |y| / mean |a|) a with a = (x Vᵀ) V, in the block behind an unsure layer.

    Zou et al., arXiv:2410.03577, as in the authors' code for LLaVA (github.com/1zhou-Wang/MemVR, de2e3cf): x is what
    the MLP of a block is given and y what it gives; V `[image tokens, d]` are the image tokens as they enter the first
    block; a layer is unsure where the entropy of its ten likeliest tokens, read through the final norm and divided by
    log 10, is above `threshold` at the last position. In each pass the first such layer of `layers_of` counts, and all
    positions of the pass change. The factors with which the code brings V to the size of the MLP's weights fall out of
    the formula; the activation function between the two products is in their code for Qwen alone. Theirs are the blocks
    with the numbers 6 to 15 from 0 of 32 (9 to 16 is written for other models); by share of the depth that is the
    default. Means are over the positions of the prompt without padding, and behind the prompt of each position alone,
    as with a cache. The authors take the tokens of the last picture; here all of a prompt stand in V.

    Costs the head once for each of the layers that is read, and two products with V in the block behind each.

    Attributes:
        strength: the authors' 0.12 for MME and MM-Vet, 0.28 to 0.32 for captions and open questions.
        threshold: the authors' 0.75, of 0 to 1.
        layers_of: numbers of the blocks behind which it is looked whether the model is sure, such as 7-16, none of them
            the last one; empty for those by share.
    """

    name: ClassVar[str] = "memvr"
    strength: float = 0.12
    threshold: float = 0.75
    layers_of: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1 or not 0 <= self.strength <= 1:
            raise LensArgumentError(
                f"memvr: strength={self.strength}, threshold={self.threshold}; expected shares from 0 to 1"
            )

    def read(self, n_layers: int) -> tuple[int, ...]:
        """The layers behind which it is looked whether the model is sure, rising.

        Raises:
            LensArgumentError: the model does not have them, or one of them is the last one.
        """
        found = layers_by_share(self.layers_of, 7, 16, n_layers, self.name)
        if found[-1] >= n_layers:
            raise LensArgumentError(
                f"memvr: layers={self.layers_of} with the last of {n_layers}, which has no next one"
            )
        return found

    def require(self, host: Host) -> None:
        """See `PictureIntervention`: pictures that are positions of the prompt, blocks with an MLP, and the layers.

        Raises:
            LensArgumentError: the model does not have them.
        """
        host.require_positions(self.name)
        mlps_of(host.parts, self.name)
        self.read(host.parts.n_layers)

    def passing(self, parts: ModelParts) -> Pass:
        """See `LogitIntervention`."""
        assert self.unembedding is not None, "bound() comes first"
        return _Memvr(self, self.unembedding, parts=parts, media_ids=self.media_ids, memvr=self)


@dataclass
class _Memvr(PromptRun):
    """A pass under MemVR.

    Attributes:
        pictures: `[rows, image tokens, d]`, fp32, 0 where a row has fewer; None where there are none.
        counted: bool `[rows, positions]`, which of the positions of a pass are no padding.
        sure: bool `[rows, ends]`, where nothing is to be read again in this pass (any more).
        due: block -> bool `[rows, ends]`, where its MLP reads the picture.
    """

    memvr: Memvr = None  # type: ignore[assignment]
    pictures: Tensor | None = None
    counted: Tensor | None = None
    sure: Tensor | None = None
    due: dict[int, Tensor] = field(default_factory=dict)
    pictures_of: WeakKeyDictionary[Any, Tensor] = field(default_factory=WeakKeyDictionary)
    _cache: Any = None

    @contextmanager
    def attached(self, parts: ModelParts) -> Iterator[None]:
        """Keep what enters the first block, look at the layers, and change MLPs."""
        mlps = mlps_of(parts, self.memvr.name)
        with ExitStack() as stack:
            stack.callback(parts.layers[0].register_forward_pre_hook(self._enter, with_kwargs=True).remove)
            for layer in self.memvr.read(parts.n_layers):
                stack.callback(parts.layers[layer - 1].register_forward_hook(self._looked(layer)).remove)
                again = self._again(layer + 1)
                stack.callback(mlps[layer].register_forward_hook(again, with_kwargs=True).remove)
            yield

    def look(self, kwargs: Mapping[str, Any], name: str) -> None:
        """See `PromptRun`; nothing is known of layers yet, and of pictures what was kept of the prompt."""
        super().look(kwargs, name)
        self._cache, self.due, self.counted = kwargs.get("past_key_values"), {}, None
        self.pictures, self.sure = None, None
        if self.shown is not None:
            mask = mask_of(kwargs, name) if self.first else None
            self.counted = torch.ones_like(kwargs["input_ids"]) if mask is None else mask
            self.counted = self.counted[:, -kwargs["input_ids"].shape[1] :].bool()
            self.sure = ~self.shown.any(-1, keepdim=True).expand(-1, self.ends)
            self.pictures = None if self.first else self.pictures_of[self._cache]

    def beside(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        """See `Pass`: nothing; what is known of the prompt is at hand from here on."""
        self.look(kwargs, self.memvr.name)
        return None

    def _enter(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self._on or not self.first:
            return
        assert self.shown is not None
        hidden: Tensor = args[0] if args else kwargs["hidden_states"]
        columns, shown = self.shown.any(0), self.shown.to(hidden.device)
        kept = hidden.detach().float() * shown[..., None]
        self.pictures = kept[:, columns.to(hidden.device)]
        if self._cache is not None:
            self.pictures_of[self._cache] = self.pictures

    @property
    def _on(self) -> bool:
        return self.running and not self.aside and self.shown is not None

    def _looked(self, layer: int) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            if not self._on:
                return
            assert self.sure is not None
            hidden = output[0] if isinstance(output, tuple | list) else output
            logits = self.unembedding(hidden[:, -self.ends :].detach())
            unsure = (_entropy(logits) > self.memvr.threshold).to(self.sure.device)
            self.due[layer + 1] = unsure & ~self.sure
            self.sure = self.sure | unsure

        return hook

    def _again(self, layer: int) -> Any:
        def hook(module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> Any:
            due = self.due.get(layer) if self._on else None
            if due is None:
                return None
            given: Tensor = args[0] if args else next(iter(kwargs.values()))
            return only_changed(output, layer, self.memvr.name, lambda own: self._mixed(given, own, due))

        return hook

    def _mixed(self, given: Tensor, own: Tensor, due: Tensor) -> Tensor:
        """What an MLP gives `[rows, positions, d]`, where the picture is to be read with that mixed in."""
        assert self.pictures is not None and self.counted is not None
        pictures, strength = self.pictures.to(own.device), self.memvr.strength
        counted, due = self.counted.to(own.device), due.to(own.device)
        start = own.shape[1] - self.ends + 1  # positions up to there are of the prompt, and change together
        read = given.float() @ pictures.transpose(1, 2) @ pictures
        scale = _sizes(own.float(), counted, start) / _sizes(read, counted, start)
        mixed = (1 - strength) * own.float() + strength * scale[..., None] * read
        where = torch.cat([due[:, :1].expand(-1, start), due[:, 1:]], dim=1)
        return own.where(~where[..., None], mixed.to(own.dtype))


def _entropy(logits: Tensor) -> Tensor:
    """That of the likeliest tokens among themselves, in shares of the largest there can be."""
    logp = torch.log_softmax(logits.topk(_LIKELIEST, dim=-1).values, dim=-1)
    return -(logp.exp() * logp).sum(-1) / math.log(_LIKELIEST)


def _sizes(values: Tensor, counted: Tensor, start: int) -> Tensor:
    """`[rows, positions]`: the mean of the absolute values, over the prompt up to `start` and then of each position."""
    each, first = values.abs().mean(-1), counted[:, :start]
    prompt = (each[:, :start] * first).sum(-1, keepdim=True) / first.sum(-1, keepdim=True)
    return torch.cat([prompt.expand(-1, start), each[:, start:]], dim=1)

"""Learn a tuned lens: affine maps after which each layer reads like the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lens_models.unembed import Unembedding

from .affine import IMAGE, TEXT, AffineMaps
from .quality import ANSWER
from .states import States, pieces, pooled

__all__ = ["OPTIMIZERS", "Recipe", "TunedFit"]

OPTIMIZERS = ("sgd", "adam")
_CLIP, _MOMENTUM = 1.0, 0.9
_RATES = {"sgd": 1.0, "adam": 1e-3}
_LIMIT = 2**28


@dataclass(frozen=True)
class Recipe:
    """How a tuned lens is learnt; the defaults are those of the package tuned-lens 0.2.0, but for `answer_share`.

    Attributes:
        steps: optimizer steps; the rate falls linearly to nothing over them.
        optimizer: sgd (Nesterov, momentum .9, rate 1 times 1 - momentum) or adam (amsgrad, rate 1e-3).
        rate: factor of the optimizer's rate.
        weight_decay: pulls the maps to the identity.
        answer_share: weight of the positions that predict the answer, which are few and are what is read, among those
            of text; the others share the rest. None counts every position once, as the package does.
    """

    steps: int = 250
    optimizer: str = "sgd"
    rate: float = 1.0
    weight_decay: float = 1e-3
    answer_share: float | None = 0.5

    def optimizer_of(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        """A new one for these parameters."""
        rate = self.rate * _RATES[self.optimizer]
        if self.optimizer == "sgd":
            return torch.optim.SGD(
                parameters, lr=rate * (1 - _MOMENTUM), momentum=_MOMENTUM, nesterov=True, weight_decay=self.weight_decay
            )
        return torch.optim.Adam(
            parameters, lr=rate, betas=(_MOMENTUM, 0.999), amsgrad=True, weight_decay=self.weight_decay
        )

    def factor(self, step: int) -> float:
        """Of the rate at a step, from 0; Adam rises over the first fifth of the steps, at most 1,000."""
        rise = min(1000, self.steps // 5) if self.optimizer == "adam" else 0
        if step < rise:
            return step / rise
        return (self.steps - step) / max(1, self.steps - rise)


@dataclass
class _Kind:
    """The maps of one kind of position while they are learnt: `[L, d, d]` and `[L, d]`, fp32, from zero."""

    weight: nn.Parameter
    bias: nn.Parameter
    optimizer: torch.optim.Optimizer
    rate: float

    @classmethod
    def new(cls, n_layers: int, width: int, device: torch.device, recipe: Recipe) -> _Kind:
        weight = nn.Parameter(torch.zeros(n_layers, width, width, device=device))
        bias = nn.Parameter(torch.zeros(n_layers, width, device=device))
        optimizer = recipe.optimizer_of([weight, bias])
        return cls(weight, bias, optimizer, float(optimizer.param_groups[0]["lr"]))

    def maps(self, dtype: torch.dtype) -> AffineMaps:
        layers = range(len(self.weight))
        weights = {layer: self.weight[layer].detach().to(dtype) for layer in layers}
        return AffineMaps(weights, {layer: self.bias[layer].detach().to(dtype) for layer in layers})


@dataclass
class TunedFit:
    """Affine maps of layers 0 to L-1, apart for text and image tokens, learnt step by step.

    Loss of a step: KL(last layer || layer) in nats, mean over positions of a kind, summed over layers; text and image
    tokens each with an optimizer of their own, gradients clipped at norm 1. Nothing of the model is changed.

    Attributes:
        unembed: of the model.
        recipe: how.
        step: how many steps were taken.
    """

    unembed: Unembedding
    recipe: Recipe
    step: int = 0
    _kinds: dict[str, _Kind] = field(default_factory=dict, repr=False)

    def take(self, batch: Sequence[States]) -> dict[str, float]:
        """One optimizer step on these prompts.

        Returns:
            Kind of position -> loss before the step, mean over layers.
        """
        device, losses = self.unembed.device, {}
        text, answer, images = (pooled(batch, kind, device) for kind in (TEXT, ANSWER, IMAGE))
        by_kind = {TEXT: self._shared(text, answer), IMAGE: [(images, 1.0)]}
        for kind, parts in by_kind.items():
            given = [(residual, share) for residual, share in parts if residual.shape[1]]
            if given:
                losses[kind] = self._take(self._of(kind, given[0][0]), given)
        self.step += 1
        return losses

    def maps(self, kind: str, dtype: torch.dtype = torch.float32) -> AffineMaps | None:
        """The maps of text or image tokens as they are; None where no such position was seen."""
        return self._kinds[kind].maps(dtype) if kind in self._kinds else None

    def start_from(self, kind: str, maps: AffineMaps) -> None:
        """Begin with the maps of another lens, those of all layers 0 to L-1."""
        own = self._new(len(maps.weights), next(iter(maps.weights.values())).shape[0])
        with torch.no_grad():
            for layer, weight in maps.weights.items():
                own.weight[layer] = weight
                if layer in maps.biases:
                    own.bias[layer] = maps.biases[layer]
        self._kinds[kind] = own

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, for `torch.save`."""
        kinds = {
            kind: {"weight": own.weight.data, "bias": own.bias.data, "optimizer": own.optimizer.state_dict()}
            for kind, own in self._kinds.items()
        }
        return {"step": self.step, "kinds": kinds}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.step = state["step"]
        for kind, saved in state["kinds"].items():
            own = self._new(*saved["weight"].shape[:2])
            own.weight.data.copy_(saved["weight"])
            own.bias.data.copy_(saved["bias"])
            own.optimizer.load_state_dict(saved["optimizer"])
            self._kinds[kind] = own

    def _shared(self, text: Tensor, answer: Tensor) -> list[tuple[Tensor, float]]:
        share, counts = self.recipe.answer_share, (text.shape[1], answer.shape[1])
        if share is None or not all(counts):
            share = counts[1] / max(1, sum(counts))
        return [(text, 1 - share), (answer, share)]

    def _new(self, n_layers: int, width: int) -> _Kind:
        return _Kind.new(n_layers, width, self.unembed.device, self.recipe)

    def _of(self, kind: str, residual: Tensor) -> _Kind:
        if kind not in self._kinds:
            self._kinds[kind] = self._new(residual.shape[0] - 1, residual.shape[-1])
        return self._kinds[kind]

    def _take(self, own: _Kind, given: Sequence[tuple[Tensor, float]]) -> float:
        own.optimizer.zero_grad()
        for group in own.optimizer.param_groups:
            group["lr"] = own.rate * self.recipe.factor(self.step)
        total = sum(self._gradients(own, residual, share) for residual, share in given)
        nn.utils.clip_grad_norm_([own.weight, own.bias], _CLIP)
        own.optimizer.step()
        return total / len(own.weight)

    def _gradients(self, own: _Kind, residual: Tensor, share: float) -> float:
        """Add those of `share` times the loss on `[L + 1, positions, d]`; the loss itself, summed over layers."""
        count, total = residual.shape[1], 0.0
        for rows in pieces(count, self.unembed.vocab_size, _LIMIT):
            with torch.no_grad():
                reference = torch.log_softmax(self.unembed(residual[-1, rows]), dim=-1)
                p = reference.exp()
            for layer in range(len(own.weight)):
                hidden = residual[layer, rows].float()
                moved = hidden + hidden @ own.weight[layer].T + own.bias[layer]
                logp = torch.log_softmax(self.unembed.differentiable(moved.to(residual.dtype)), dim=-1)
                # tokens that the model can never say have no probability in either
                loss = share * (p * (reference - logp)).nansum() / count
                loss.backward()  # type: ignore[no-untyped-call]
                total += float(loss.detach())
        return total

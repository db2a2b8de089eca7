"""Learn a selector from residuals of a frozen model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from .selector import Selector, scores_of

__all__ = ["SelectorFit", "SelectorRecipe", "Shown"]


@dataclass(frozen=True)
class SelectorRecipe:
    """How a selector is learnt.

    Attributes:
        layer: 1 to L, whose residuals it reads.
        rank: rows of W_q and W_k.
        steps: of Adam; its rate falls linearly to 0.
        rate: at the start.
        decay: weight decay, decoupled as in AdamW.
        seed: of the first values of W_q and W_k.
    """

    layer: int
    rank: int = 64
    steps: int = 300
    rate: float = 3e-3
    decay: float = 1e-2
    seed: int = 0


@dataclass(frozen=True)
class Shown:
    """One position that looks for something, and the image tokens before it.

    Attributes:
        step: `[d]`, the residual of the position.
        tokens: `[tokens, d]`, those of the image tokens, at the same layer.
        target: `[tokens]`, fp32, 0 to 1: what each token's sigmoid(s) is to be; NaN where that is not known.
    """

    step: Tensor = field(repr=False)
    tokens: Tensor = field(repr=False)
    target: Tensor = field(repr=False)


class SelectorFit:
    """Binary cross-entropy of each token's score with its target; every position with a target counts alike.

    Args:
        width: d of the model.
        recipe: how.
        device: where the weights are.
    """

    def __init__(self, width: int, recipe: SelectorRecipe, device: torch.device | str = "cpu") -> None:
        self.recipe, self.step = recipe, 0
        drawn = torch.Generator().manual_seed(recipe.seed)
        shape = (recipe.rank, width)
        # of size 1 / sqrt(d): a score of two unrelated residuals is about 1 at first
        self._query, self._key = (
            (torch.randn(shape, generator=drawn) / width**0.5).to(device).requires_grad_() for _ in range(2)
        )
        self._bias = torch.zeros(1, device=device, requires_grad=True)
        weights = [self._query, self._key, self._bias]
        self._optimizer = torch.optim.AdamW(weights, lr=recipe.rate, weight_decay=recipe.decay)

    @torch.enable_grad()
    def take(self, batch: Sequence[Shown]) -> Mapping[str, float]:
        """One training step; gives its mean loss in nats by name.

        Raises:
            ValueError: an empty batch, or more steps than the recipe has.
        """
        if not batch or self.step >= self.recipe.steps:
            raise ValueError(f"{len(batch)} positions at step {self.step} of {self.recipe.steps}")
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.rate * (1 - self.step / self.recipe.steps)
        loss = torch.stack([self._loss(each) for each in batch]).mean()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self.step += 1
        return {"cross-entropy": float(loss.detach())}

    def _loss(self, shown: Shown) -> Tensor:
        step, tokens, target = (each.to(self._bias.device) for each in (shown.step, shown.tokens, shown.target))
        known = target.isfinite()
        scores = scores_of(self._query, self._key, self._bias, step, tokens[known])
        return binary_cross_entropy_with_logits(scores, target[known])

    def selector(self, dtype: torch.dtype, trained_on: str) -> Selector:
        """What was learnt, rounded to the dtype in which it is kept."""
        query, key, bias = (each.detach().cpu().to(dtype) for each in (self._query, self._key, self._bias))
        return Selector(self.recipe.layer, query, key, bias, trained_on)

"""VISTA: each block's MLP is steered towards what the picture adds, and late layers speak along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts

from .host import Host
from .mlps import mlps_of, only_changed
from .model_output import Pass, layers_by_share
from .on_pictures import PictureIntervention
from .prompt import PromptRun, without_positions

__all__ = ["Vista"]


@dataclass(frozen=True)
class Vista(PictureIntervention):
    """x <- |x| unit(unit(x) + strength (1 + max(0, cos(x, -v))) unit(v)), and (1 - mix) z + mix mean(early z).

    Li et al., arXiv:2502.03628, as in the authors' code: x is what the MLP of a block adds to the residual stream, at
    every position; v = h(prompt) - h(prompt without its image tokens) is the difference of what the block hands on at
    the end of the two, for each sample; z of the early layers leaves the final norm out. The authors take v through a
    principal component analysis of one sample, which adds 1 to its first number alone and is left out here. Their
    layers 25 to 30 from 0 of 32 are, by share of the depth, the default. Marks beside the image tokens stay in the
    prompt without them. Where there are no pictures, v is 0 and nothing is steered.

    Costs two runs of the model more over the prompt, and the head once for each of the layers at each token.

    Attributes:
        strength: the authors' 0.01 (lambda) for POPE; 0.17 for captions.
        mix: the authors' 0.3; 0 for the steering alone.
        layers_of: numbers such as 26-31; empty for those by share.
    """

    name: ClassVar[str] = "vista"
    strength: float = 0.01
    mix: float = 0.3
    layers_of: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.mix <= 1:
            raise LensArgumentError(f"vista: mix={self.mix}; expected a share")

    def layers(self, n_layers: int) -> tuple[int, ...]:
        """See `LogitIntervention`."""
        found = layers_by_share(self.layers_of, 26, 31, n_layers, self.name)
        return tuple(sorted({min(each, n_layers - 1) for each in found})) if self.mix else ()

    def require(self, host: Host) -> None:
        """See `PictureIntervention`: blocks with an MLP besides.

        Raises:
            LensArgumentError: the model does not have what is needed.
        """
        super().require(host)
        mlps_of(host.parts, self.name)

    def passing(self, parts: ModelParts) -> Pass:
        """See `LogitIntervention`."""
        assert self.unembedding is not None, "bound() comes first"
        return _Vista(self, self.unembedding.without_norm(), parts=parts, media_ids=self.media_ids, vista=self)

    def logits(self, final: Tensor, early: Tensor) -> Tensor:
        """See `LogitIntervention`; `early` was read without the final norm."""
        return (1 - self.mix) * final + self.mix * early.mean(0)


@dataclass
class _Vista(PromptRun):
    """A pass under VISTA."""

    vista: Vista = None  # type: ignore[assignment]
    ending: dict[int, Tensor] = field(default_factory=dict)  # layer -> [rows, d] at the end of the prompt
    directions: dict[int, Tensor] = field(default_factory=dict)  # layer -> [rows, d]
    directions_of: WeakKeyDictionary[Any, dict[int, Tensor]] = field(default_factory=WeakKeyDictionary)

    @contextmanager
    def attached(self, parts: ModelParts) -> Iterator[None]:
        """Look at what blocks hand on, and steer their MLPs."""
        with ExitStack() as stack:
            for number, (layer, mlp) in enumerate(zip(parts.layers, mlps_of(parts, "vista"), strict=True), 1):
                stack.callback(layer.register_forward_hook(self._ending(number)).remove)
                stack.callback(mlp.register_forward_hook(self._steered(number)).remove)
            yield

    def _ending(self, layer: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if self.aside:
                hidden = output[0] if isinstance(output, tuple | list) else output
                self.ending[layer] = hidden[:, -self.ends].detach().float()

        return hook

    def _steered(self, layer: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> Any:
            if self.aside or not self.running or layer not in self.directions:
                return None
            direction, strength = self.directions[layer], self.vista.strength
            return only_changed(output, layer, "vista", lambda hidden: _steered(hidden, direction, strength))

        return hook

    def beside(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        """See `Pass`: the two runs over the prompt whose difference steers."""
        self.look(kwargs, self.vista.name)
        cache = kwargs.get("past_key_values")
        if not self.first:
            self.directions = self.directions_of[cache]
            return None
        self.directions = {}
        if self.shown is not None:
            self.trial(forward, args, kwargs)
            shown, self.ending = self.ending, {}
            self.trial(forward, args, {**kwargs, **without_positions(kwargs, self.shown, self.vista.name)})
            self.directions = {layer: shown[layer] - self.ending[layer] for layer in shown}
        if cache is not None:
            self.directions_of[cache] = self.directions
        return None


def _steered(hidden: Tensor, direction: Tensor, strength: float) -> Tensor:
    """`[rows, positions, d]` moved along `[rows, d]`, with the lengths that they had."""
    x, v = hidden.float(), direction.to(hidden.device)[:, None]
    away = torch.nn.functional.cosine_similarity(x, -v, dim=-1).clamp_min(0)[..., None]
    unit = torch.nn.functional.normalize
    moved = unit(unit(x, dim=-1) + strength * (1 + away) * unit(v, dim=-1), dim=-1)
    found: Tensor = (moved * x.norm(dim=-1, keepdim=True)).to(hidden.dtype)
    return found

"""Interventions that hold a model's logits against those of a second run with other pictures of the same shape."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from lens_models.parts import ModelParts
from lens_models.shadowing import shadowed

from .host import Host
from .model_output import Pass
from .on_pictures import PictureIntervention
from .prompt import shown_media
from .second_run import SecondRun, no_beams

__all__ = ["SecondStream", "contrast"]

_MODALITIES = ("image", "video")


@dataclass(frozen=True)
class SecondStream(PictureIntervention):
    """`logits` is given those of a second run of the model in place of those of layers.

    The second run has its own cache and goes through the same tokens. What observes the model does not see it; other
    interventions change it too. Rows of a batch that show nothing keep the model's own logits.
    """

    def require(self, host: Host) -> None:
        """See `PictureIntervention`: nothing. Not knowing where pictures stand, all rows count as showing one."""

    def second(self, kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the second run is given in place of the same arguments of a prompt, or of the model's vision tower.

        None where there is nothing that could be replaced: then the prompt runs as it is.
        """
        raise NotImplementedError

    def passing(self, parts: ModelParts) -> Pass:
        """See `LogitIntervention`."""
        assert self.unembedding is not None
        return _OtherPictures(self, self.unembedding, parts=parts, second=self.second, media_ids=self.media_ids)


@dataclass
class _OtherPictures(SecondRun):
    """The second run is over other pixels."""

    second: Callable[[Mapping[str, Any]], dict[str, Any] | None] = field(kw_only=True)
    media_ids: Sequence[Sequence[int]] = field(kw_only=True)
    replaced: bool = False
    showing_none: Tensor | None = None
    encoded: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def around(self, module: Any) -> Iterator[None]:
        """The vision tower, which `generate` of transformers 5 runs before the first forward pass, runs twice."""
        base = getattr(module, "base_model", module)
        towers = {kind: getattr(base, f"get_{kind}_features", None) for kind in _MODALITIES}
        wrapped = {
            f"get_{kind}_features": functools.wraps(tower)(functools.partial(self._encode, kind, tower))
            for kind, tower in towers.items()
            if tower is not None
        }
        with shadowed(base, **wrapped):
            yield

    def _encode(self, kind: str, tower: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self.running and (other := self.second(kwargs)) is not None:
            self.encoded[kind] = tower(*args, **{**kwargs, **other})
        return tower(*args, **kwargs)

    def _first(self, kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the second run of a prompt is given: other pixels, or what the vision tower made of them."""
        given = kwargs.get("mm_encoder_outputs")
        encoded = {kind: own for kind, own in self.encoded.items() if kind in (given or {})}
        if given and encoded:
            # beams repeat what the tower gave
            if any(len(given[kind].pooler_output) != len(own.pooler_output) for kind, own in encoded.items()):
                no_beams()
            return {"mm_encoder_outputs": {**given, **encoded}}
        return self.second(kwargs)

    def beside(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        """See `Pass`; None where the prompt has no pictures."""
        other: dict[str, Any] | None = {}
        if self.begins(kwargs):
            other = self._first(kwargs)
            self.replaced, self.showing_none = other is not None, self._without_pictures(kwargs)
        if not self.replaced or other is None:
            return None
        self.alone = self.showing_none
        return self.stream(forward, args, kwargs, other)

    def _without_pictures(self, kwargs: Mapping[str, Any]) -> Tensor | None:
        """bool `[rows]`; None where all rows of a prompt show something, or it is not known where."""
        ids = kwargs.get("input_ids")
        if not isinstance(ids, Tensor) or not any(self.media_ids):
            return None
        none = ~shown_media(ids, self.media_ids).any(-1)
        return none if bool(none.any()) else None


def contrast(final: Tensor, other: Tensor, strength: float) -> Tensor:
    """(1 + strength) final - strength other."""
    return (1 + strength) * final - strength * other

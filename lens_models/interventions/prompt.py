"""What is known of a prompt while a model runs over it, and how a second run is given another one."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lens_models.errors import LensArgumentError
from lens_models.shadowing import shadowed

from .second_run import SecondRun

__all__ = [
    "PromptRun",
    "leading",
    "mask_of",
    "own_mask",
    "own_positions",
    "require_one_token",
    "shown_media",
    "until",
    "with_tokens",
    "without_positions",
]

_TYPES = ("token_type_ids", "mm_token_type_ids", "moe_mm_token_type_ids")
_KNOWN = ("input_ids", "attention_mask", *_TYPES, "position_ids", "cache_position")


@dataclass
class PromptRun(SecondRun):
    """Knows where the prompt of a pass ends, and which of its positions stand for pictures or videos.

    Attributes:
        media_ids: see `Host`.
        shown: bool `[rows, positions]` of the prompt that runs; later positions are none. None where there are none.
        ends: how many of the last positions of a pass are predicting ones: 1 in generation with a cache, else the
            prompt's last and all after it.
        first: whether the pass is over a whole prompt.
        total: positions so far.
    """

    media_ids: Sequence[Sequence[int]] = field(kw_only=True)
    shown: Tensor | None = None
    ends: int = 1
    first: bool = True
    total: int = 0
    _prompt: int | None = None

    @contextmanager
    def around(self, module: Any) -> Iterator[None]:
        """How long the prompts are that `generate` is given."""
        own = module.generate
        with shadowed(module, generate=functools.wraps(own)(functools.partial(self._given, own))):
            yield

    def _given(self, generate: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        ids = args[0] if args else kwargs.get("input_ids", kwargs.get("inputs"))
        outer, self._prompt = self._prompt, ids.shape[1] if isinstance(ids, Tensor) else None
        try:
            return generate(*args, **kwargs)
        finally:
            self._prompt = outer

    @contextmanager
    def within(self, kwargs: Mapping[str, Any], longer: int) -> Iterator[None]:
        """See `Pass`: what stands in that run's prompt is known while it lasts."""
        with super().within(kwargs, longer):
            self._prompt = None if self._prompt is None else self._prompt + longer
            if self.running:
                self.look(kwargs, self.intervention.name)
            yield

    def look(self, kwargs: Mapping[str, Any], name: str) -> None:
        """Take in what a pass runs over.

        Raises:
            LensArgumentError: it is not over token ids, or over several with a cache.
        """
        ids = kwargs.get("input_ids")
        if not isinstance(ids, Tensor):
            raise LensArgumentError(f"{name}: the model is not given the ids of its prompt, so no pictures are found")
        cache, self.ends, self.first = kwargs.get("past_key_values"), 1, self.begins(kwargs)
        self.total = ids.shape[1] + (0 if self.first else cache.get_seq_length())  # type: ignore[union-attr]
        if self.first:
            shown, mask = shown_media(ids, self.media_ids), kwargs.get("attention_mask")
            if isinstance(mask, Tensor) and mask.dim() == 2:
                shown &= mask[:, : ids.shape[1]].bool()  # in a run without the picture there is none
            self.shown = shown if bool(shown.any()) else None
            self.ends = max(1, ids.shape[1] - (self._prompt or ids.shape[1]) + 1)
            if cache is not None:
                self.kept[cache] = self.shown
        else:
            require_one_token(ids, name)
            self.shown = self.kept.get(cache)

    def trial(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What the model returns of a whole prompt, from its end on; its cache is left as it is."""
        kept = {"logits_to_keep": self.ends} if "logits_to_keep" in kwargs else {}
        cache = copy.deepcopy(kwargs.get("past_key_values"))
        return self.once(forward, args, {**kwargs, **kept, "past_key_values": cache})

    def columns(self, context: int) -> Tensor:
        """bool `[rows, context]`: which keys of an attention call stand for pictures.

        A call behind the prompt has the last keys alone where a window slides, and empty ones behind in a static cache.
        """
        assert self.shown is not None
        total = min(self.total, context) if self.first else self.total
        known = torch.nn.functional.pad(self.shown, (0, max(0, max(total, context) - self.shown.shape[1])))
        return known[:, :context] if context >= total else known[:, total - context : total]


def shown_media(ids: Tensor, media_ids: Sequence[Sequence[int]]) -> Tensor:
    """bool `[rows, positions]`: which of the ids `[rows, positions]` of a prompt stand for pictures or videos.

    Args:
        ids: of the prompt.
        media_ids: see `Host`.
    """
    shown = torch.zeros_like(ids, dtype=torch.bool)
    for kind in media_ids:
        found, first = torch.zeros_like(shown), torch.zeros_like(shown[:, :1])
        for each in kind:  # of each row the likeliest id that is there
            here = ids == each
            found |= here & ~first
            first = first | here.any(-1, keepdim=True)
        shown |= found
    return shown


def require_one_token(ids: Tensor, name: str) -> None:
    """Of a pass behind a prompt.

    Raises:
        LensArgumentError: it is over several.
    """
    if ids.shape[1] > 1:
        raise LensArgumentError(f"{name} reads one token a pass behind a prompt, found {ids.shape[1]}")


def leading(kwargs: Mapping[str, Any], begin: int | None, name: str) -> list[int]:
    """The place behind the padding of each row of a prompt, and behind the token that begins a text.

    Raises:
        LensArgumentError: the mask has a form that is not known.
    """
    ids, mask = kwargs["input_ids"], mask_of(kwargs, name)
    first = torch.zeros(len(ids), dtype=torch.long, device=ids.device) if mask is None else mask.long().argmax(-1)
    own = ids.gather(1, first[:, None])[:, 0]
    found: list[int] = (first if begin is None else first + (own == begin).long()).tolist()
    return found


def without_positions(kwargs: Mapping[str, Any], gone: Tensor, name: str) -> dict[str, Any]:
    """What differs for a pass in which no position looks at some of the prompt, and others move up.

    For a decoder whose layers all attend this is the prompt without those positions.

    Args:
        kwargs: of the pass.
        gone: bool `[rows, positions]` of the prompt.
        name: of the intervention.

    Raises:
        LensArgumentError: the mask has a form that is not known.
    """
    ids = kwargs["input_ids"]
    mask = mask_of(kwargs, name)
    if mask is None:  # of rows without padding
        cache = kwargs.get("past_key_values")
        mask = torch.ones_like(ids[:, :1]).expand(-1, ids.shape[1] + (0 if cache is None else cache.get_seq_length()))
    here = torch.nn.functional.pad(gone, (0, mask.shape[1] - gone.shape[1]))
    left = mask.masked_fill(here, 0)
    positions = (left.long().cumsum(-1) - 1).clamp_min(0)
    own = kwargs.get("position_ids")
    if isinstance(own, Tensor) and own.dim() == 2:  # some models count from 1
        positions = positions + own[:, -1:] - (mask.long().cumsum(-1) - 1)[:, -1:]
    positions = positions[:, -ids.shape[1] :]
    if isinstance(own, Tensor) and own.dim() == 3:
        positions = positions.expand(own.shape[0], -1, -1)
    return {"attention_mask": left, "position_ids": positions}


def with_tokens(kwargs: Mapping[str, Any], tokens: Sequence[int], places: Sequence[int], name: str) -> dict[str, Any]:
    """What differs for a pass over a prompt with some tokens more, all before its pictures, or for one behind it.

    Args:
        kwargs: of the pass.
        tokens: their ids.
        places: where they come in, one place a row.
        name: of the intervention.

    Raises:
        LensArgumentError: the model takes an input of the length of the prompt that is not known.
    """
    ids, n = kwargs["input_ids"], len(tokens)
    mask, first = mask_of(kwargs, name), SecondRun.begins(kwargs)
    other: dict[str, Any] = {}
    if mask is not None:
        other["attention_mask"] = _inserted(mask, mask.new_ones(n), places)
    for key in ("position_ids", "cache_position"):
        if isinstance(own := kwargs.get(key), Tensor):
            other[key] = _moved(own, n, places) if first else own + n
    if not first:
        return other
    other["input_ids"] = _inserted(ids, ids.new_tensor(list(tokens)), places)
    for key, value in kwargs.items():
        if not isinstance(value, Tensor) or value.dim() < 2 or value.shape[:2] != ids.shape or key in other:
            continue
        if key not in _TYPES:
            raise LensArgumentError(f"{name}: the model's input {key} goes along its prompt, and is not known")
        other[key] = _inserted(value, value.new_zeros(n), places)
    return other


def own_mask(kwargs: Mapping[str, Any], name: str) -> Tensor:
    """The mask of a prompt, `[rows, positions]`; ones where the model is given none.

    Raises:
        LensArgumentError: the mask has a form that is not known.
    """
    mask = mask_of(kwargs, name)
    return torch.ones_like(kwargs["input_ids"]) if mask is None else mask


def own_positions(kwargs: Mapping[str, Any], model: Any, name: str) -> Tensor:
    """The numbers of the positions of a prompt, `[..., rows, positions]`, for rotary embeddings.

    Raises:
        LensArgumentError: the model counts them itself, on several axes.
    """
    own, ids = kwargs.get("position_ids"), kwargs["input_ids"]
    if isinstance(own, Tensor):
        return own.expand(*own.shape[:-2], *ids.shape)
    config = model.config.get_text_config(decoder=True)
    if "mrope_section" in str(getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", "")):
        raise LensArgumentError(f"{name}: positions on several axes are known in generate() alone")
    return (own_mask(kwargs, name).long().cumsum(-1) - 1).clamp_min(0)


def until(kwargs: Mapping[str, Any], end: int, name: str) -> dict[str, Any]:
    """What goes along the positions of a pass over a whole sequence, of the first `end` of them.

    Raises:
        LensArgumentError: the model takes an input of the length of the prompt that is not known.
    """
    ids, found = kwargs["input_ids"], {}
    for key, value in kwargs.items():
        if not isinstance(value, Tensor):
            continue
        if key in _KNOWN:
            found[key] = value[..., :end]
        elif end < ids.shape[1] and value.dim() >= 2 and value.shape[:2] == ids.shape:
            raise LensArgumentError(f"{name}: the model's input {key} goes along its prompt, and is not known")
    return found


def mask_of(kwargs: Mapping[str, Any], name: str) -> Tensor | None:
    """The attention mask of a pass, `[rows, positions]`; None where there is none.

    Raises:
        LensArgumentError: it has another form.
    """
    mask = kwargs.get("attention_mask")
    if mask is None or (isinstance(mask, Tensor) and mask.dim() == 2):
        return mask
    raise LensArgumentError(f"{name} needs attention masks of [rows, positions]; leave cache_implementation out")


def _inserted(rows: Tensor, piece: Tensor, places: Sequence[int]) -> Tensor:
    """`rows` `[rows, positions]` with a piece at the place of each."""
    found = [torch.cat([row[:at], piece, row[at:]]) for row, at in zip(rows, places, strict=True)]
    return torch.stack(found)


def _moved(positions: Tensor, n: int, places: Sequence[int]) -> Tensor:
    """Numbers of positions `[..., rows, positions]` or `[positions]` with `n` more at the place of each row."""
    if positions.dim() == 1:
        return torch.cat([positions, positions[-1] + 1 + torch.arange(n, device=positions.device)])
    if positions.dim() == 3:
        return torch.stack([_moved(each, n, places) for each in positions])
    positions = positions.expand(len(places), -1)  # one row may stand for all
    added = torch.arange(n, device=positions.device)
    found = [torch.cat([row[:at], row[at] + added, row[at:] + n]) for row, at in zip(positions, places, strict=True)]
    return torch.stack(found)

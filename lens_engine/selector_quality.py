"""How well a selector of image tokens finds what it was to find, on prompts that it was not learnt from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata
from torch import Tensor

from lens_models import InputError
from lens_models.image_tokens.boxes import Covered, box_figures
from lens_models.selection import Selector

from .selector_prompts import Looked

__all__ = ["SelectorQuality", "another", "attention_figures", "figures_of", "in_other_steps", "quality_of"]

Floats = npt.NDArray[np.float64]
_FEWEST = 2


@dataclass(frozen=True)
class SelectorQuality:
    """Means over held-out prompts of figures of a selector's map; see docs/metrics.md and docs/selection.md.

    Attributes:
        data: what it was measured on, in words.
        prompts, clusters: how many prompts, or steps where the selector reads these, and of how many pictures.
        own: `lift`, `pointing` and `auroc` of the selector's map, of prompts with boxes, and where it was asked for
            `rank_correlation` with the targets; a figure that no prompt has is absent.
        other_picture: the same of the map that it makes of the next prompt's picture: what a map has by knowing where
            objects lie in all pictures.
        attention: the same of the attention of a step's last token; empty where it was not read.
        beside_others, other_steps: of steps that have others which lie elsewhere, the same of the selector's map in
            their own boxes, and the mean in the boxes of those others; empty without such.
        left_out: why responses or steps are not among them -> how many, see `selector_steps.StepsSeen`.
    """

    data: str
    prompts: int
    clusters: int
    own: Mapping[str, float]
    other_picture: Mapping[str, float]
    attention: Mapping[str, float] = field(default_factory=dict)
    beside_others: Mapping[str, float] = field(default_factory=dict)
    other_steps: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)


def quality_of(
    selector: Selector, looked: Sequence[Looked], named: str, *, against_targets: bool = False
) -> SelectorQuality:
    """Means of a selector's figures over prompts; `against_targets` adds `rank_correlation`.

    Raises:
        InputError: they are of fewer than two pictures, so that there is no other one.
    """
    clusters = {each.cluster for each in looked}
    if len(clusters) < _FEWEST:
        raise InputError(f"{len(clusters)} pictures with targets to measure on; expected {_FEWEST} or more")
    own = [figures_of(selector, each, against_targets=against_targets) for each in looked]
    others = [
        figures_of(selector, each, other.shown.tokens, against_targets=against_targets)
        for place, each in enumerate(looked)
        if (other := another(looked, place)) is not None
    ]
    beside = [figures for figures, each in zip(own, looked, strict=True) if each.others]
    return SelectorQuality(
        named,
        len(looked),
        len(clusters),
        _means(own),
        _means(others),
        _means([figures for each in looked if (figures := attention_figures(each)) is not None]),
        _means(beside),
        _means([in_other_steps(selector, each) for each in looked if each.others]),
    )


def figures_of(
    selector: Selector, looked: Looked, tokens: Tensor | None = None, *, against_targets: bool = False
) -> Mapping[str, float]:
    """`lift`, `pointing` and `auroc` of the map sigmoid(s); NaN where boxes give none, absent where there are no boxes.

    Args:
        selector: what makes the map.
        looked: the prompt, against whose targets and boxes it is held.
        tokens: other image tokens `[tokens, d]` in the place of its own.
        against_targets: also `rank_correlation` (Spearman) with the targets that are known; NaN where all are the same.
    """
    scores = selector(looked.shown.step, looked.shown.tokens if tokens is None else tokens)
    heat = torch.sigmoid(scores).cpu().numpy()
    figures = {"rank_correlation": _rank_correlation(heat, looked.shown.target.numpy())} if against_targets else {}
    if looked.inside is not None:
        figures |= _in_boxes(heat, looked.inside)
    return figures


def in_other_steps(selector: Selector, looked: Looked) -> Mapping[str, float]:
    """The figures of the selector's map of a step in the boxes of the other steps: their means; there are some."""
    return _means([figures_of(selector, replace(looked, inside=each)) for each in looked.others])


def attention_figures(looked: Looked) -> Mapping[str, float] | None:
    """The figures of the attention of a step's last token; None where it was not read."""
    if looked.attention is None or looked.inside is None:
        return None
    return _in_boxes(looked.attention, looked.inside)


def _in_boxes(heat: Floats, inside: Covered) -> dict[str, float]:
    found = box_figures(heat, inside)
    return {name: float(getattr(found, name)[0]) for name in ("lift", "pointing", "auroc")}


def _rank_correlation(heat: Floats, target: Floats) -> float:
    known = np.isfinite(target)
    ranks = [rankdata(each[known]) for each in (heat, target)]
    if any(np.ptp(each) == 0 for each in ranks if len(each)) or known.sum() < _FEWEST:
        return math.nan
    return float(np.corrcoef(*ranks)[0, 1])


def another(looked: Sequence[Looked], place: int) -> Looked | None:
    """The next prompt about another picture with as many image tokens."""
    own = looked[place]
    rest = [looked[(place + step) % len(looked)] for step in range(1, len(looked))]
    shape = own.shown.tokens.shape
    return next((each for each in rest if each.cluster != own.cluster and each.shown.tokens.shape == shape), None)


def _means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of the finite ones; a figure that no prompt has is left out."""
    names = dict.fromkeys(name for each in figures for name in each)
    found = {name: np.array([each[name] for each in figures if name in each]) for name in names}
    return {name: float(own[np.isfinite(own)].mean()) for name, own in found.items() if np.isfinite(own).any()}

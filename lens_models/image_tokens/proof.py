"""Is the geometry right? A spot of a picture is painted, and the model says which of its image tokens change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import nn

from lens_models.parts import find_parts

from .decoder_input import decoder_input
from .families import refusal, without_tokens
from .locate import ImageTokenLocator
from .painting import Changes, Run, paint_all, spots, textured
from .ranking import Figures, measure
from .tokens import ImageTokens

__all__ = ["SIZES", "GeometryReport", "least_proven", "prove_geometry"]

Status = Literal["proven", "refuted", "none", "unknown"]
SIZES = ((336, 224), (180, 300))
"""Pictures that are painted: (width, height) in pixels, one wide, one tall."""
_MIN_RANK, _MIN_TOP1, _MIN_LEAD, _MAX_P = 0.9, 0.5, 0.25, 0.01


@dataclass(frozen=True)
class GeometryReport:
    """What the painted spots say.

    Attributes:
        status: `proven`; `refuted` where tokens change that the geometry does not name, or other ones than it names;
            `none` where no geometry is known; `unknown` where it could not be tried, where the tokens are too few to
            tell it from another order, or where the model mixes places much.
        reason: in words; empty when proven.
        figures: of the worst picture, see `lens_models.image_tokens.ranking.Figures`; None where nothing was measured.
        tokens: image tokens of that picture.
    """

    status: Status
    reason: str = ""
    figures: Figures | None = None
    tokens: int = 0


def prove_geometry(
    model: nn.Module,
    processor: Any,
    *,
    sizes: Sequence[tuple[int, int]] = SIZES,
    n_spots: int = 16,
    locator: ImageTokenLocator | None = None,
    run: Run | None = None,
) -> GeometryReport:
    """Paint spots of a wide and a tall picture and see which image tokens of the first decoder layer's input change.

    Runs the vision tower `n_spots + 2` times a picture, and the decoder not at all.

    Args:
        model: in eval mode.
        processor: the model's own.
        sizes: (width, height) in pixels of the pictures.
        n_spots: how many places of each picture are painted.
        locator: what says where the image tokens are; a new one where none is given.
        run: what the first decoder layer is given for the prompt that the locator encodes; None runs `model` itself.
            With a run of its own the model is asked for nothing but its `config`.
    """
    locator = locator or ImageTokenLocator(model, processor)
    shown = run or _own_run(model, locator)
    return least_proven(model, lambda size: _prove(shown, locator, size, n_spots), sizes)


def least_proven(
    model: nn.Module, prove: Callable[[tuple[int, int]], GeometryReport], sizes: Sequence[tuple[int, int]]
) -> GeometryReport:
    """The report of the size that is proven by the fewest spots, or the first one that is not proven at all.

    Args:
        model: whose geometry is proven.
        prove: width and height of what is shown -> its report.
        sizes: that are tried, in order.
    """
    reports = []
    for size in sizes:
        try:
            report = prove(size)
        except Exception as error:  # a model or processor that does not take it says nothing of its geometry
            report = GeometryReport("unknown", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
            known = refusal(model)
            report = report if known is None else GeometryReport("none", known)
        if report.status != "proven":
            return report
        reports.append(report)
    return min(reports, key=lambda each: each.figures.top1 if each.figures else 0.0)


def _own_run(model: nn.Module, locator: ImageTokenLocator) -> Run:
    def run(pictures: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        inputs: Any = locator.encode(pictures)
        first_layer = find_parts(model).layers[0]
        return decoder_input(model, first_layer, inputs.to(model.device, model.dtype))[0].numpy()

    return run


def _prove(run: Run, locator: ImageTokenLocator, size: tuple[int, int], n_spots: int) -> GeometryReport:
    if (why := without_tokens(locator.model)) is not None:
        return GeometryReport("none", why)
    picture = textured(size)
    tokens = locator.locate(locator.encode([picture]), [[size]])[0]
    if not len(tokens):
        return GeometryReport("none", tokens.problem or "no image tokens")
    where = [] if tokens.boxes is None else spots(tokens, 0, n_spots)
    return judge(tokens, paint_all(run, [picture], 0, where))


def judge(tokens: ImageTokens, changes: Changes) -> GeometryReport:
    """The verdict on the geometry of the first picture of a prompt; of positions alone, whether these are right."""
    claimed = np.zeros(changes.whole.shape, dtype=bool)
    claimed[tokens.positions] = True
    must = claimed.copy()
    if tokens.boxes is not None:  # what shows nothing but a border need not change
        must[tokens.positions] = tokens.inside() > 0
    wrong = int((changes.whole & ~claimed).sum() + (must & ~changes.whole).sum())
    if tokens.boxes is None and tokens.problem is not None and wrong:
        return GeometryReport("none", tokens.problem)
    if wrong:
        why = f"{changes.whole.sum()} positions change with the picture, {len(tokens)} were named; {wrong} do not agree"
        return GeometryReport("refuted", why, tokens=len(tokens))
    if tokens.boxes is None:
        return GeometryReport("none", tokens.problem or "no geometry", tokens=len(tokens))
    figures = measure(tokens, 0, changes)
    if figures is None:
        return GeometryReport("refuted", "no token's part of the picture holds any of the painted spots")
    said = (
        f"the expected token changes most in {figures.top1:.0%} of {figures.cases} cases (mean rank "
        f"{figures.rank:.2f}, {figures.rival or 'another order'} {figures.rival_top1:.0%}, p {figures.p:.3f})"
    )
    fits = figures.rank >= _MIN_RANK and figures.top1 >= _MIN_TOP1
    apart = figures.p <= _MAX_P and figures.top1 > figures.rival_top1
    if fits and apart and figures.top1 - figures.rival_top1 >= _MIN_LEAD:
        return GeometryReport("proven", "", figures, len(tokens))
    # too few tokens to tell them from another order, or places mixed too much
    return GeometryReport("unknown" if fits or apart else "refuted", said, figures, len(tokens))

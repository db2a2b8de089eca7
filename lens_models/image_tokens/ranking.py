"""How well a geometry foretells which tokens change with which spot, against the same tokens in another order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .painting import Changes, Floats
from .tokens import ImageTokens

__all__ = ["Figures", "measure"]

Order = npt.NDArray[np.int64]
_SHUFFLES = 499


@dataclass(frozen=True)
class Figures:
    """How well a geometry foretells the changes of the tokens.

    For a spot and a view that shows it, the token that is expected to change most is the one whose box shares the
    largest area with the spot; a change is taken as a share of the token's usual one (its mean over all spots
    and that of its view, added).

    Attributes:
        cases: spots times views that show them.
        rank: mean over the cases of the share of the view's other tokens that change less than the expected one; 0.5
            by chance.
        top1: share of the cases in which no other token of the view changes as much.
        rival: the name of the best wrong geometry (mirrored, transposed, moved by a token or a view), and `rival_top1`
            its `top1`.
        p: share of random orders of the tokens that do as well, the geometry itself counted.
    """

    cases: int
    rank: float
    top1: float
    rival: str
    rival_top1: float
    p: float


def measure(tokens: ImageTokens, image: int, changes: Changes, seed: int = 0) -> Figures | None:
    """Figures of the geometry of one picture; None where no spot lies in any token."""
    own = np.flatnonzero(tokens.image == image)
    assert tokens.boxes is not None
    assert tokens.view is not None
    change = changes.change[:, tokens.positions[own]]
    boxes, view = tokens.boxes[own].astype(np.float64), _comparable(tokens.view[own])
    ratio = _ratio(change, view)
    cases = list(_cases(boxes, view, np.asarray(changes.spots)))
    claimed = boxes
    if changes.frames is not None:
        assert tokens.frames is not None
        begin, end = tokens.frames[own].T
        cases = [(spot, token) for spot, token in cases if begin[token] <= changes.frames[spot] <= end[token]]
        claimed = np.column_stack([boxes, tokens.frames[own]])
    if not cases:
        return None
    same = np.arange(len(own))
    rank, top1 = _score(ratio, view, cases, same)
    rivals = {name: _score(ratio, view, cases, order)[1] for name, order in _rivals(boxes, view, claimed)}
    random = np.random.default_rng(seed)
    shuffled = [_score(ratio, view, cases, random.permutation(len(own))) for _ in range(_SHUFFLES)]
    better = sum((other[1], other[0]) >= (top1, rank) for other in shuffled)
    rival = max(rivals, key=rivals.__getitem__, default="")
    return Figures(len(cases), rank, top1, rival, rivals.get(rival, 0.0), (1 + better) / (1 + _SHUFFLES))


def _comparable(view: Order) -> Order:
    """Views, with those of a single token taken as one: such a token is compared with others of its kind."""
    alone = np.array([(view == each).sum() == 1 for each in view], dtype=bool)
    joined: Order = np.where(alone, -1, view)
    return joined


def _ratio(change: Floats, view: Order) -> Floats:
    """Changes as shares of the mean change of their token, with that of its view added.

    Without the addition a token that a spot barely touches, and no other spot does, would change as much as can be.
    """
    usual = change.mean(0)
    usual = usual + np.array([usual[view == each].mean() for each in view])
    ratio: Floats = np.divide(change, usual, out=np.zeros_like(change), where=usual > 0)
    return ratio


def _cases(boxes: Floats, view: Order, spots: Floats) -> Iterator[tuple[int, int]]:
    """(spot, expected token) for each view that shows the middle of the spot."""
    for number, spot in enumerate(spots):
        width = np.minimum(boxes[:, 2], spot[2]) - np.maximum(boxes[:, 0], spot[0])
        height = np.minimum(boxes[:, 3], spot[3]) - np.maximum(boxes[:, 1], spot[1])
        shared = np.clip(width, 0, None) * np.clip(height, 0, None)
        for each in np.unique(view):
            there = np.flatnonzero(view == each)
            best = there[shared[there].argmax()]
            # a spot on a border of a view is shown by half; which token changes most is then not foretold
            if shared[best] > 0.4 * (spot[2] - spot[0]) * (spot[3] - spot[1]):
                yield number, int(best)


def _score(ratio: Floats, view: Order, cases: list[tuple[int, int]], order: Order) -> tuple[float, float]:
    """(rank, top1) when what is claimed of token i is true of token `order[i]`."""
    ranks, tops = [], []
    for spot, expected in cases:
        token = order[expected]
        others = ratio[spot, view == view[token]]
        less, equal = int((others < ratio[spot, token]).sum()), int((others == ratio[spot, token]).sum()) - 1
        ranks.append((less + equal / 2) / max(1, len(others) - 1))
        tops.append(ratio[spot, token] > 0 and less == len(others) - 1)
    return float(np.mean(ranks)), float(np.mean(tops))


def _rivals(boxes: Floats, view: Order, claimed: Floats) -> Iterator[tuple[str, Order]]:
    """Wrong geometries with a name, as orders of the tokens; one that claims nothing else of a token is left out."""
    same = np.arange(len(boxes))
    made = {
        "mirrored": _within(boxes, view, lambda grid: grid[:, ::-1]),
        "upside down": _within(boxes, view, lambda grid: grid[::-1]),
        "transposed": _within(boxes, view, lambda grid: grid.T),
        "a token further": np.roll(same, -1),
        "a row further": _within(boxes, view, lambda grid: np.roll(grid, -1, axis=0)),
        "a view further": _next_view(view),
    }
    for name, order in made.items():
        if not np.allclose(claimed[order], claimed, atol=1e-3):  # two views may show the same
            yield name, order


def _within(boxes: Floats, view: Order, change: object) -> Order:
    order = np.arange(len(boxes))
    assert callable(change)
    for each in np.unique(view):
        there = np.flatnonzero(view == each)
        columns = _distinct(boxes[there, 0], float(np.median(boxes[there, 2] - boxes[there, 0])))
        if len(there) % columns == 0:
            order[there] = change(there.reshape(-1, columns)).reshape(-1)
    return order


def _distinct(values: Floats, cell: float) -> int:
    """How many values there are when those within a twentieth of a cell are one."""
    return 1 + int((np.diff(np.sort(values)) > cell / 20).sum())


def _next_view(view: Order) -> Order:
    """Each view takes the place of the next one of its size, the last of a size that of the first."""
    order = np.arange(len(view))
    views = [np.flatnonzero(view == each) for each in np.unique(view)]
    for there in views:
        alike = [each for each in views if len(each) == len(there)]
        place = next(i for i, each in enumerate(alike) if each[0] == there[0])
        order[there] = alike[(place + 1) % len(alike)]
    return order

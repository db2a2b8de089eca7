"""LLaVA-NeXT and models like it: the whole picture small, then its pieces put together, cut to shape, rows ended."""

from __future__ import annotations

import inspect
import math
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .coordinates import NoGeometryError
from .grids import Floats, fit_axis, grid_boxes, line_means
from .layouts import Layout, Places, tile_axes

__all__ = ["anyres"]


def anyres(places: Places) -> Layout:
    """The model's own `pack_image_features` puts places in the picture together instead of features.

    Raises:
        NoGeometryError: says what does not fit.
    """
    tiles = places.shown.units[0].squeeze(0).nanmean(-4)
    pack = next(
        (part.pack_image_features for part in places.model.modules() if _packs(part)),
        None,
    )
    if pack is None or tiles.dim() != 4:
        raise NoGeometryError("the model does not say how it puts the pieces of a picture together")
    side = _cells(places.model)
    base = tiles[0]
    x, y = tile_axes(base)
    pixels = base.shape[0] / side
    first = grid_boxes(x.scaled(pixels), y.scaled(pixels), side, side)
    if len(tiles) == 1:
        packed = _packed(pack, torch.zeros(1, side * side, 3), places)
        kept = packed[:, 2].numpy() == 0
        if len(packed) != places.slots or int(kept.sum()) != len(first):
            raise NoGeometryError(f"{len(packed)} features for {places.slots} image tokens")
        return Layout(kept, first, np.zeros(len(first), dtype=np.int64))
    features = torch.stack([_features(tile, side) for tile in tiles])
    packed = _packed(pack, features, places)
    if len(packed) != places.slots:
        raise NoGeometryError(f"{len(packed)} features for {places.slots} image tokens")
    second, kept = _stitched(packed[side * side :])
    view = np.repeat([0, 1], [len(first), len(second)])
    whole = np.ones(len(first), dtype=bool)
    return Layout(np.concatenate([whole, kept]), np.concatenate([first, second]), view)


def _packs(part: Any) -> bool:
    """Whether a module has the function itself, and does not hand it on to its base model."""
    return hasattr(part, "pack_image_features") and not hasattr(getattr(part, "model", None), "pack_image_features")


def _cells(model: Any) -> int:
    vision = model.config.vision_config
    cells = int(vision.image_size) // int(vision.patch_size)
    return int(cells * Fraction(str(getattr(model.config, "downsample_rate", None) or 1)))


def _features(tile: Tensor, side: int) -> Tensor:
    """`[cells, 3]`: x, y of the centre of each cell of a piece (NaN at a border), and 0 for "no end of a row"."""
    pixels = tile.shape[0] // side
    cells = tile[: pixels * side, : pixels * side].reshape(side, pixels, side, pixels, 2)
    centres = cells.mean(dim=(1, 3)).flatten(0, 1)
    return torch.cat([centres, torch.zeros(len(centres), 1)], dim=1)


def _packed(pack: Any, features: Tensor, places: Places) -> Tensor:
    given = {
        "image_newline": torch.tensor([math.nan, math.nan, 1.0]),
        "vision_feature_select_strategy": getattr(places.model.config, "vision_feature_select_strategy", None),
        "vision_aspect_ratio": getattr(places.model.config, "vision_aspect_ratio", None),
    }
    taken = inspect.signature(pack).parameters
    packed = pack(
        [features], places.inputs["image_sizes"], **{k: v for k, v in given.items() if k in taken and v is not None}
    )
    packed = packed[0] if isinstance(packed, tuple) else packed
    packed = packed[0] if isinstance(packed, list) else packed
    return torch.as_tensor(packed)


def _stitched(packed: Tensor) -> tuple[Floats, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Boxes of the pieces put together, and which of the features are no ends of rows."""
    kept = packed[:, 2].numpy() != 1
    ends = np.flatnonzero(~kept)
    columns = int(ends[0]) if len(ends) else 0
    if not columns or len(kept) % (columns + 1) or not (ends % (columns + 1) == columns).all():
        raise NoGeometryError("the rows of the pieces put together are not of one length")
    rows = len(kept) // (columns + 1)
    centres = packed.double().numpy()[kept, :2].reshape(rows, columns, 2)
    known = np.isfinite(centres).all(-1)
    if not known.any():
        raise NoGeometryError("no whole cell of a piece lies in the picture")
    x, y = fit_axis(line_means(centres[..., 0], 0)), fit_axis(line_means(centres[..., 1], 1))
    return grid_boxes(x, y, rows, columns), kept

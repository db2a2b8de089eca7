"""Arrow list columns as numpy arrays, one array a row, without a Python object for each number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lens_results.errors import RecordFormatError


@dataclass(frozen=True)
class Ragged:
    """Per-layer arrays of many samples end to end.

    Array i has `layers[i]` rows of `width[i]` numbers, or is one-dimensional where `width[i]` is -1, and starts at
    `values[start[i]]`; it is missing where `valid[i]` is false.
    """

    values: npt.NDArray[Any]
    start: npt.NDArray[np.int64]
    layers: npt.NDArray[np.int64]
    width: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]

    def row(self, i: int) -> npt.NDArray[Any] | None:
        """Array i, [layers] or [layers, width]; None where it is missing."""
        if not self.valid[i]:
            return None
        layers, width = int(self.layers[i]), int(self.width[i])
        cut = self.values[self.start[i] : self.start[i] + layers * abs(width)]
        return cut if width < 0 else cut.reshape(layers, width)


def ragged(column: pa.ListArray) -> Ragged:
    """A `list<number>` or `list<list<number>>` column. Raises `RecordFormatError` when a row is not rectangular."""
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    layers = _lengths(column)
    flat = column.flatten()
    width = np.full(len(column), -1, dtype=np.int64)
    if pa.types.is_list(flat.type):
        inner = _lengths(flat)
        width = _widths(layers, inner)
        flat = flat.flatten()
    values = flat.to_numpy(zero_copy_only=False)
    return Ragged(values, _starts(layers * abs(width)), layers, width, valid)


def ragged_flat(values: pa.ListArray, width: pa.Array) -> Ragged:
    """A `list<number>` column of arrays flattened row by row, with their widths (null: one-dimensional)."""
    sizes = _lengths(values)
    widths = pc.fill_null(width, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    layers = sizes // np.maximum(abs(widths), 1)
    if (layers * abs(widths) != sizes).any():
        raise RecordFormatError("controls: found values that do not fill rows of their width; the file is damaged.")
    flat = values.flatten().to_numpy(zero_copy_only=False)
    return Ragged(flat, _starts(sizes), layers, widths, np.ones(len(values), dtype=bool))


def joined(arrays: Sequence[npt.NDArray[Any] | None], type_: pa.ListType) -> pa.ListArray:
    """The column that `ragged` reads, of one array a row: [layers], or [layers, width] for lists of lists."""
    present = [array for array in arrays if array is not None]
    flat = np.concatenate([array.reshape(-1) for array in present]) if present else np.empty(0)
    if pa.types.is_list(type_.value_type):
        values = pa.array(flat, type=type_.value_type.value_type)
        widths = np.repeat([array.shape[1] for array in present], [len(array) for array in present])
        values = pa.ListArray.from_arrays(pa.array(_ends(widths), pa.int32()), values)
    else:
        values = pa.array(flat, type=type_.value_type)
    # a row is missing where its start is
    ends = _ends([0 if array is None else len(array) for array in arrays])
    missing = np.array([array is None for array in arrays] + [False])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32(), mask=missing), values)


def _ends(sizes: npt.ArrayLike) -> npt.NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)


def _lengths(column: pa.ListArray) -> npt.NDArray[np.int64]:
    lengths: npt.NDArray[np.int64] = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return lengths.astype(np.int64)


def _starts(sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.cumsum(sizes) - sizes


def _widths(layers: npt.NDArray[np.int64], inner: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    width = np.zeros(len(layers), dtype=np.int64)
    filled = layers > 0
    width[filled] = inner[_starts(layers)[filled]]
    if not np.array_equal(np.repeat(width, layers), inner):
        raise RecordFormatError("Found a [layers, width] array with rows of different width; the file is damaged.")
    return width

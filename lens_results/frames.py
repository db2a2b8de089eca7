"""Columns of records as data frames and dense arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lens_results.errors import RecordFormatError
from lens_results.ragged import Ragged, ragged, ragged_flat
from lens_results.record import ARRAY_MAPS, LAYER_QUANTITIES, WIDE_QUANTITIES, SampleRecord
from lens_results.schema import SCHEMA

MAPS = {
    "label_free": "label_free",
    "gold_based": "gold_based",
    "scores": "score",
    "control_source": "control_source",
}
"""Map column of numbers -> prefix of its columns in the samples frame."""
TEXT_MAPS = ("fingerprint", "control_status", "control_reason", "probe_status")
"""Map columns of text; the prefix is the name."""
_NOT_SAMPLE = {*LAYER_QUANTITIES, *WIDE_QUANTITIES, "topk_tokens", "token_texts", *ARRAY_MAPS, *MAPS, *TEXT_MAPS}
SAMPLE_FIELDS = tuple(name for name in SCHEMA.names if name not in _NOT_SAMPLE)

FloatGrid = npt.NDArray[np.float64]


def single(table: pa.Table, name: str) -> pa.Array:
    """A column as one array."""
    column = table[name].combine_chunks()
    return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)


def samples_frame(table: pa.Table) -> pd.DataFrame:
    """One row a sample: the plain fields, then one column an entry of each map, e.g. `label_free.commit_depth`."""
    columns: dict[str, Any] = {}
    for name in SAMPLE_FIELDS:
        columns[name] = _series(table[name], SCHEMA.field(name))
    for name, prefix in MAPS.items():
        columns.update((f"{prefix}.{key}", values) for key, values in map_columns(single(table, name)).items())
    for name in TEXT_MAPS:
        columns.update((f"{name}.{key}", values) for key, values in _text_map_columns(table[name]).items())
    return pd.DataFrame(columns)


def topk_frame(record: SampleRecord, layer_index: Sequence[int]) -> pd.DataFrame:
    """The classic logit-lens table of a record: `layer, place` (1: most likely), `token_id, token, logprob` (nats).

    No rows when the record has no top-k. `layer_index` is the run's, for a record without its own.
    """
    names = ["layer", "place", "token_id", "token", "logprob"]
    if record.topk_ids is None:
        return pd.DataFrame(columns=names)
    layers, k = record.topk_ids.shape
    columns: tuple[Any, ...] = (
        np.repeat(record.layer_index or tuple(layer_index), k),
        np.tile(np.arange(1, k + 1), layers),
        record.topk_ids.ravel(),
        [token for row in record.topk_tokens for token in row] if record.topk_tokens else None,
        record.topk_logprobs.ravel() if record.topk_logprobs is not None else np.nan,
    )
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def map_columns(column: pa.MapArray) -> dict[str, FloatGrid]:
    """A map column as name -> [n], NaN where the name is absent or its value null, in order of appearance."""
    offsets = np.asarray(column.offsets)
    inside = slice(int(offsets[0]), int(offsets[-1]))
    keys = column.keys[inside].dictionary_encode()
    values = np.asarray(column.items[inside].to_numpy(zero_copy_only=False), dtype=np.float64)
    parent = np.repeat(np.arange(len(column)), np.diff(offsets))
    codes = keys.indices.to_numpy(zero_copy_only=False)
    found = {}
    for code, name in enumerate(keys.dictionary.to_pylist()):
        dense = np.full(len(column), np.nan)
        dense[parent[codes == code]] = values[codes == code]
        found[name] = dense
    return found


def _text_map_columns(column: pa.ChunkedArray) -> dict[str, pd.Series]:
    """A map column of text as name -> one value a row, None where the name is absent, in order of appearance."""
    rows = [dict(row) for row in column.to_pylist()]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names}


def grid(arrays: Ragged, parent: npt.NDArray[np.int64], places: Sequence[Any], shape: tuple[int, int]) -> FloatGrid:
    """Scatter ragged arrays into [samples, layers] or [samples, layers, width], NaN where there is nothing.

    `parent[i]` is the sample of array i; `places[s]` lists the layer positions of sample s; `shape` is (samples,
    layers). Raises `RecordFormatError` when an array lists more layers than its sample has positions.
    """
    if (full := _full(arrays, parent, places, shape)) is not None:
        return full
    sizes = arrays.layers * abs(arrays.width)
    item = np.repeat(np.arange(len(sizes)), sizes)
    within = np.arange(len(item)) - np.repeat(arrays.start, sizes)
    step = abs(arrays.width)[item]
    layer = _positions(arrays.layers, parent, places)[np.repeat(_starts(arrays.layers), sizes) + within // step]
    flat = bool((arrays.width < 0).all()) if len(sizes) else True
    if flat:
        out = np.full(shape, np.nan)
        out[parent[item], layer] = arrays.values
        return out
    out = np.full((*shape, int(arrays.width.max())), np.nan)
    out[parent[item], layer, within % step] = arrays.values
    return out


def _full(
    arrays: Ragged, parent: npt.NDArray[np.int64], places: Sequence[Any], shape: tuple[int, int]
) -> FloatGrid | None:
    """The same where every sample has every layer, and all of one width: the numbers stand there in order."""
    samples, layers = shape
    if len(arrays.layers) != samples or not len(arrays.values):
        return None
    same = (arrays.layers == layers).all() and (arrays.width == arrays.width[0]).all()
    if not same or not np.array_equal(parent, np.arange(samples)):
        return None
    if any(not np.array_equal(each, np.arange(layers)) for each in {id(each): each for each in places}.values()):
        return None
    width = int(arrays.width[0])
    return arrays.values.astype(np.float64).reshape(shape if width < 0 else (*shape, width))


def named_arrays(column: pa.ListArray, name: str, quantity: str) -> tuple[Ragged, npt.NDArray[np.int64]]:
    """The arrays of one quantity of one control or probe, and the sample each belongs to."""
    items = column.flatten()
    parent = np.repeat(np.arange(len(column)), np.asarray(pc.list_value_length(column)))
    chosen = pc.and_(
        pc.equal(pc.struct_field(items, "name"), name), pc.equal(pc.struct_field(items, "quantity"), quantity)
    )
    kept = items.filter(chosen)
    arrays = ragged_flat(pc.struct_field(kept, "values"), pc.struct_field(kept, "width"))
    return arrays, parent[np.asarray(chosen, dtype=bool)]


def names_in(column: pa.ListArray) -> dict[str, tuple[str, ...]]:
    """Control or probe -> its quantities in any sample, in order of appearance."""
    items = column.flatten()
    pairs = pa.table({name: pc.struct_field(items, name) for name in ("name", "quantity")})
    found: dict[str, list[str]] = {}
    for pair in pairs.group_by(["name", "quantity"], use_threads=False).aggregate([]).to_pylist():
        found.setdefault(pair["name"], []).append(pair["quantity"])
    return {name: tuple(quantities) for name, quantities in found.items()}


def column_arrays(column: pa.ListArray) -> tuple[Ragged, npt.NDArray[np.int64]]:
    """The arrays of a per-layer column, and the sample each belongs to."""
    return ragged(column), np.arange(len(column))


def _positions(
    layers: npt.NDArray[np.int64], parent: npt.NDArray[np.int64], places: Sequence[Any]
) -> npt.NDArray[np.int64]:
    """Positions of all layers of all arrays, end to end."""
    found = [np.zeros(0, dtype=np.int64)]
    for count, sample in zip(layers, parent, strict=True):
        if count > len(places[sample]):
            raise RecordFormatError(
                f"Found a sample with {count} layers, expected {len(places[sample])} as in its layer_index or the "
                "run's lens.layer_index; the file's description does not fit its rows."
            )
        found.append(places[sample][:count])
    return np.concatenate(found)


def _starts(sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.cumsum(sizes) - sizes


def _series(column: pa.ChunkedArray, field: pa.Field) -> Any:
    if pa.types.is_list(field.type):
        return pd.Series([_tuple(value) for value in column.to_pylist()], dtype=object)
    if field.nullable and pa.types.is_boolean(field.type):
        return column.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    if field.nullable and pa.types.is_integer(field.type):
        return column.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)
    return column.to_pandas()


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value

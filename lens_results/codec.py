"""Between `SampleRecord` and the rows of an Arrow table."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lens_results.ragged import joined, ragged, ragged_flat
from lens_results.record import ARRAY_MAPS, LAYER_QUANTITIES, WIDE_QUANTITIES, SampleRecord
from lens_results.schema import SCHEMA

_MAPS = (
    "fingerprint", "control_source", "control_status", "control_reason", "probe_status", "token_texts", "label_free",
    "gold_based", "scores",
)  # fmt: skip
_ARRAYS = (*LAYER_QUANTITIES, *WIDE_QUANTITIES)
_CELLS = operator.attrgetter(*SCHEMA.names)
_PLAIN = tuple(name for name in SCHEMA.names if name not in (*_ARRAYS, *ARRAY_MAPS))


def to_table(records: Iterable[SampleRecord]) -> pa.Table:
    """The records as an Arrow table with the columns of `SCHEMA`."""
    cells = [_CELLS(record) for record in records]
    by_column: Iterable[Sequence[Any]] = zip(*cells, strict=True) if cells else [()] * len(SCHEMA)
    columns = [_column(values, field) for values, field in zip(by_column, SCHEMA, strict=True)]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def from_table(table: pa.Table) -> Iterator[SampleRecord]:
    """The rows of a table with the columns of `SCHEMA`, in their order."""
    for batch in table.to_batches(max_chunksize=256):
        plain = batch.select(list(_PLAIN)).to_pylist()
        arrays = {name: ragged(batch.column(name)) for name in _ARRAYS}
        named = zip(*(_named_arrays(batch.column(name)) for name in ARRAY_MAPS), strict=True)
        for i, (row, maps) in enumerate(zip(plain, named, strict=True)):
            for name in _MAPS:
                row[name] = dict(row[name])
            row.update((name, column.row(i)) for name, column in arrays.items())
            yield SampleRecord(**row, **dict(zip(ARRAY_MAPS, maps, strict=True)))


def _column(values: Sequence[Any], field: pa.Field) -> pa.Array:
    if field.name in _ARRAYS:
        return joined(values, field.type)
    if field.name in _MAPS:
        values = [list(value.items()) for value in values]
    elif field.name in ARRAY_MAPS:
        values = [list(_named_rows(value)) for value in values]
    return pa.array(values, type=field.type)


def _named_rows(named: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One row a (control or probe, quantity); an array of two axes is flattened row by row."""
    for name, arrays in named.items():
        for quantity, value in arrays.items():
            width = value.shape[1] if value.ndim == 2 else None
            yield {"name": name, "quantity": quantity, "width": width, "values": value.reshape(-1)}


def _named_arrays(column: pa.ListArray) -> Iterator[dict[str, dict[str, Any]]]:
    """For each sample its controls or probes: name -> quantity -> array; none in files without the column."""
    items = column.flatten()
    names, quantities = (pc.struct_field(items, name).to_pylist() for name in ("name", "quantity"))
    arrays = ragged_flat(pc.struct_field(items, "values"), pc.struct_field(items, "width"))
    at = 0
    for count in np.asarray(pc.fill_null(pc.list_value_length(column), 0)):
        found: dict[str, dict[str, Any]] = {}
        for i in range(at, at + int(count)):
            found.setdefault(names[i], {})[quantities[i]] = arrays.row(i)
        at += int(count)
        yield found

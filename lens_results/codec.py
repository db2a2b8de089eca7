"""Between `SampleRecord` and the rows of an Arrow table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lens_results.record import LAYER_QUANTITIES, WIDE_QUANTITIES, SampleRecord
from lens_results.schema import SCHEMA

_MAPS = ("control_source", "label_free", "gold_based", "scores")
_WIDE = frozenset(WIDE_QUANTITIES)
_ARRAYS = frozenset((*LAYER_QUANTITIES, *WIDE_QUANTITIES))


def to_table(records: Iterable[SampleRecord]) -> pa.Table:
    """The records as an Arrow table with the columns of `SCHEMA`."""
    rows = list(records)
    columns = [pa.array([_cell(row, f.name) for row in rows], type=f.type) for f in SCHEMA]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def from_table(table: pa.Table) -> Iterator[SampleRecord]:
    """The rows of a table with the columns of `SCHEMA`, in their order."""
    for batch in table.to_batches(max_chunksize=256):
        yield from (_record(row) for row in batch.to_pylist())


def _cell(record: SampleRecord, name: str) -> Any:
    value = getattr(record, name)
    if name in _MAPS:
        return list(value.items())
    if name in _WIDE and value is not None:
        return list(value)
    if name == "controls":
        return list(_control_rows(value))
    return value


def _control_rows(controls: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One row a (control, quantity); a [layers, width] array is flattened row by row. An empty control keeps a row."""
    for name, arrays in controls.items():
        if not arrays:
            yield {"name": name, "quantity": "", "width": None, "values": []}
        for quantity, value in arrays.items():
            width = value.shape[1] if value.ndim == 2 else None
            yield {"name": name, "quantity": quantity, "width": width, "values": value.reshape(-1)}


def _record(row: dict[str, Any]) -> SampleRecord:
    for name in _MAPS:
        row[name] = dict(row[name])
    for name in _ARRAYS:
        if row[name] is not None:
            row[name] = np.asarray(row[name], dtype=np.float64 if name.startswith("rank") else None)
    controls: dict[str, dict[str, Any]] = {}
    for item in row["controls"]:
        arrays = controls.setdefault(item["name"], {})
        values = np.asarray(item["values"], dtype=np.float32)
        if item["quantity"]:
            arrays[item["quantity"]] = values if item["width"] is None else values.reshape(-1, item["width"])
    row["controls"] = controls
    return SampleRecord(**row)

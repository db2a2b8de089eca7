"""Rows spread over several files: which ones count, in which order, and only the columns that are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lens_results.schema import KEY_FIELDS, SCHEMA
from lens_results.storage import read_metadata, unreadable


@dataclass(frozen=True)
class Rows:
    """An ordered choice of rows: row i is row `row[i]` of the file `files[file[i]]`."""

    files: tuple[Path, ...]
    file: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, chosen: Any) -> Rows:
        """The rows at `chosen`, a slice or an index array."""
        return Rows(self.files, self.file[chosen], self.row[chosen])


def read(path: Path, columns: Sequence[str]) -> pa.Table:
    """The named columns of one record file in the types of `SCHEMA`; a column the file lacks is empty.

    Raises `RecordFormatError` when the file is damaged, foreign or too new.
    """
    read_metadata(path)
    try:
        with pq.ParquetFile(path) as file:
            present = [name for name in columns if name in file.schema_arrow.names]
            table = file.read(columns=present)
    except (pa.ArrowException, OSError) as err:
        raise unreadable(path, err) from err
    arrays = [table[name] if name in present else _absent(name, len(table)) for name in columns]
    return pa.Table.from_arrays(arrays, schema=pa.schema([SCHEMA.field(name) for name in columns]))


def sorted_rows(files: Sequence[Path]) -> Rows:
    """The rows of `files` sorted by key; of several with one key the one in the last file, and there the last."""
    tables = [read(path, KEY_FIELDS) for path in files]
    sizes = [len(table) for table in tables]
    file = np.repeat(np.arange(len(files)), sizes)
    row = np.concatenate([np.arange(size) for size in sizes]) if sizes else np.zeros(0, np.int64)
    if not len(row):
        return Rows(tuple(files), file.astype(np.int64), row)
    keys = pa.concat_tables(tables).append_column("order", pa.array(np.arange(len(row))))
    by_key = [(name, "ascending") for name in (*KEY_FIELDS, "order")]
    keys = keys.take(pc.sort_indices(keys, sort_keys=by_key)).combine_chunks()
    last = np.ones(len(row), dtype=bool)
    same = np.ones(len(row) - 1, dtype=bool)
    for name in KEY_FIELDS:
        column = keys[name]
        same &= pc.equal(column.slice(1), column.slice(0, len(row) - 1)).to_numpy()
    last[:-1] = ~same
    order = keys["order"].to_numpy()[last]
    return Rows(tuple(files), file[order], row[order])


def pick(rows: Rows, columns: Sequence[str]) -> pa.Table:
    """The named columns of the chosen rows, in their order."""
    schema = pa.schema([SCHEMA.field(name) for name in columns])
    used, tables, starts, start = np.unique(rows.file), [], {}, 0
    for number in used:
        tables.append(read(rows.files[number], columns))
        starts[int(number)] = start
        start += len(tables[-1])
    if not tables:
        return schema.empty_table()
    table = pa.concat_tables(tables)
    wanted = np.array([starts[int(number)] for number in rows.file]) + rows.row
    if len(wanted) == len(table) and np.array_equal(wanted, np.arange(len(wanted))):
        return table
    return table.take(pa.array(wanted))


def _absent(name: str, size: int) -> pa.Array:
    """A column of nulls, or of empty lists where the field is never null."""
    field = SCHEMA.field(name)
    if field.nullable:
        return pa.nulls(size, field.type)
    return pa.array([[]] * size, type=field.type)

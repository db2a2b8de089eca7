"""Rows spread over several files: which ones count, in which order, and only the columns that are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lens_results.errors import NotARecordFileError
from lens_results.run_info import RunInfo
from lens_results.schema import KEY_FIELDS, SCHEMA, check_version
from lens_results.storage import unreadable


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


def read(path: Path, columns: Sequence[str], rows: npt.NDArray[np.int64] | None = None) -> pa.Table:
    """The named columns of one record file in the types of `SCHEMA`; a column the file lacks is empty.

    With `rows` those rows in that order, and only the row groups they are in are read.
    Raises `RecordFormatError` when the file is damaged, of another kind or too new.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            found = file.schema_arrow  # built at each access
            check_version(found.metadata, path)
            present = [name for name in columns if name in found.names]
            table = file.read(columns=present) if rows is None else _read_rows(file, present, rows)
    except (pa.ArrowException, OSError) as err:
        raise unreadable(path, err) from err
    arrays = [_typed(table[name], name, path) if name in present else _absent(name, len(table)) for name in columns]
    return pa.Table.from_arrays(arrays, schema=pa.schema([SCHEMA.field(name) for name in columns]))


def _typed(column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray:
    """A column in the type of `SCHEMA`; a process with another release may have written it in a similar one."""
    wanted = SCHEMA.field(name).type
    if column.type == wanted:
        return column
    try:
        return column.cast(wanted)
    except (pa.ArrowException, TypeError) as err:
        raise NotARecordFileError(
            f"{path}: found the column {name!r} with values of {column.type}, expected {wanted}. Processes of one run "
            "must use one release of mm-logit-lens."
        ) from err


def _read_rows(file: pq.ParquetFile, columns: Sequence[str], rows: npt.NDArray[np.int64]) -> pa.Table:
    sizes = np.array([file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)])
    group = np.searchsorted(np.cumsum(sizes), rows, side="right")
    wanted = np.unique(group)
    table = file.read_row_groups(wanted.tolist(), columns=columns)
    skipped = np.cumsum(np.where(np.isin(np.arange(len(sizes)), wanted), 0, sizes))
    place = rows - skipped[group]
    return table if np.array_equal(place, np.arange(len(table))) else table.take(pa.array(place))


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
    tables = [pa.schema([SCHEMA.field(name) for name in columns]).empty_table()]
    place = np.zeros(len(rows), dtype=np.int64)
    start = 0
    for number in np.unique(rows.file):
        chosen = np.flatnonzero(rows.file == number)
        tables.append(read(rows.files[number], columns, rows.row[chosen]))
        place[chosen] = np.arange(start, start + len(chosen))
        start += len(chosen)
    table = pa.concat_tables(tables)
    return table if np.array_equal(place, np.arange(len(place))) else table.take(pa.array(place))


def with_identity_of(rows: Rows, info: RunInfo) -> RunInfo:
    """`info` with the worst identity deviation and argmax agreement of the rows; unchanged when none was checked."""
    table = pick(rows, ["identity_deviation", "identity_argmax"])
    deviations = table["identity_deviation"].drop_null().to_numpy()
    agreed = table["identity_argmax"].drop_null().to_pylist()
    if not len(deviations) and not agreed:
        return info
    found = replace(
        info.identity,
        run_deviation=float(deviations.max()) if len(deviations) else None,
        run_argmax=all(agreed) if agreed else None,
        n_checked=max(len(deviations), len(agreed)),
    )
    return replace(info, identity=found)


def _absent(name: str, size: int) -> pa.Array:
    """A column of nulls, or of empty lists where the field is never null."""
    field = SCHEMA.field(name)
    if field.nullable:
        return pa.nulls(size, field.type)
    return pa.array([[]] * size, type=field.type)

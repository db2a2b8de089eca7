"""One finished file a task out of the parts of all processes of a run."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lens_results.errors import InvalidRecordError
from lens_results.record import Key
from lens_results.run_info import RunInfo
from lens_results.schema import KEY_FIELDS, META_TASK, SCHEMA
from lens_results.sources import Rows, pick, sorted_rows, with_identity_of
from lens_results.storage import (
    Part,
    file_metadata,
    finished_files,
    list_parts,
    live_parts,
    merged_numbers,
    merged_path,
    parts_folder,
    read_metadata,
    run_of,
    write_tables,
)

Scores = Mapping[Key, Mapping[str, float | None]]

_CHUNK = 16_384  # rows in memory at a time; keeps a merge of any length flat

log = logging.getLogger(__name__)


def merge(
    directory: str | Path, run_id: str, scores: Scores | None = None, run_info: RunInfo | None = None
) -> dict[str, Path]:
    """Collect the parts of all ranks into `<directory>/lens_<task>_<run_id>.parquet` and delete them.

    Of several rows with one key the last written stays; rows are sorted by key. `scores` (key -> metric -> value) is
    joined; a value that is not finite becomes null. `run_info` replaces the description written with the parts;
    its identity figures of the run are computed from the rows of each file. Call it in one process, when all ranks
    have closed their writers. A later call adds later parts or scores to the finished files.

    Returns task -> file for every task of the run. Raises `RecordWriteError`, and then no record is lost.
    """
    if run_info is not None and run_info.run_id != run_id:
        raise InvalidRecordError(f"run_info: found run {run_info.run_id!r}, expected {run_id!r} as in run_id.")
    folder = parts_folder(Path(directory), run_id)
    tasks = _tasks(Path(directory), run_id, list_parts(folder))
    merged = {}
    for task, parts in sorted(tasks.items()):
        merged[task] = _merge_task(Path(directory), run_id, task, parts, scores, run_info)
        for part in parts:
            with contextlib.suppress(OSError):  # a part that stays is known to be merged and is ignored
                part.path.unlink()
    _report_unknown(scores, merged)
    _remove_folder(folder)
    _remove_unfinished(Path(directory), f".lens_*_{run_id}.parquet.*.tmp")
    return merged


def _tasks(directory: Path, run_id: str, parts: Sequence[Part]) -> dict[str, list[Part]]:
    """True task name -> its parts, also for tasks that are only in finished files."""
    tasks: dict[str, list[Part]] = {}
    for path in finished_files(directory, run_id):
        tasks[read_metadata(path)[META_TASK].decode()] = []
    for part in parts:
        tasks.setdefault(read_metadata(part.path)[META_TASK].decode(), []).append(part)
    return tasks


def _merge_task(
    directory: Path, run_id: str, task: str, parts: list[Part], scores: Scores | None, run_info: RunInfo | None
) -> Path:
    path = merged_path(directory, run_id, task)
    live = live_parts(directory, run_id, parts)
    if not live and scores is None and run_info is None:
        return path
    finished = [path] if path.exists() else []
    rows = sorted_rows([*finished, *(part.path for part in live)])
    info = with_identity_of(rows, run_info or run_of(live[-1].path if live else path))
    numbers = merged_numbers(path)
    for part in parts:
        numbers[part.rank] = max(part.number, numbers.get(part.rank, 0))
    metadata = file_metadata(info, task, merged={str(rank): number for rank, number in sorted(numbers.items())})
    write_tables(path, _scored(rows, scores or {}), metadata)
    return path


def _scored(rows: Rows, scores: Scores) -> Iterator[pa.Table]:
    """The rows in chunks, with the scores joined."""
    for start in range(0, len(rows), _CHUNK):
        table = pick(rows[start : start + _CHUNK], SCHEMA.names)
        yield _join(table, scores) if scores else table


def _join(table: pa.Table, scores: Scores) -> pa.Table:
    keys = zip(*(table[name].to_pylist() for name in KEY_FIELDS), strict=True)
    cells = [
        list((dict(old) | {name: _finite(value) for name, value in scores.get(key, {}).items()}).items())
        for key, old in zip(keys, table["scores"].to_pylist(), strict=True)
    ]
    column = table.schema.get_field_index("scores")
    field = SCHEMA.field("scores")
    return table.set_column(column, field, pa.array(cells, type=field.type))


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _report_unknown(scores: Scores | None, merged: Mapping[str, Path]) -> None:
    unknown = {key[0] for key in scores or {}} - merged.keys()
    if unknown:
        log.warning("Scores of tasks without a record were not stored: %s.", ", ".join(sorted(unknown)))


def _remove_folder(folder: Path) -> None:
    """Remove a merged run's parts folder with what a killed writer left half-written in it."""
    _remove_unfinished(folder, ".*.tmp")
    with contextlib.suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()


def _remove_unfinished(folder: Path, pattern: str) -> None:
    for leftover in folder.glob(pattern):
        with contextlib.suppress(OSError):
            leftover.unlink()

"""One finished file a task out of the parts of all processes of a run."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lens_results.errors import InvalidRecordError, NewerFormatError, NotARecordFileError, TruncatedRecordError
from lens_results.record import Key
from lens_results.run_info import PARTS_LEFT_ASIDE, RunInfo
from lens_results.schema import KEY_FIELDS, META_TASK, SCHEMA
from lens_results.sources import Rows, pick, read, sorted_rows, with_identity_of
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
Refused = Callable[[str, Exception], object]
"""(what could not be merged, why)"""
UNREADABLE = ".unreadable"
_UNREADABLE = (TruncatedRecordError, NotARecordFileError, NewerFormatError)

_CHUNK = 16_384  # rows in memory at a time; keeps a merge of any length flat

log = logging.getLogger(__name__)


def merge(
    directory: str | Path,
    run_id: str,
    scores: Scores | None = None,
    run_info: RunInfo | None = None,
    *,
    refused: Refused | None = None,
) -> dict[str, Path]:
    """Collect the parts of all ranks into `<directory>/lens_<task>_<run_id>.parquet` and delete them.

    Of several rows with one key the last written stays; rows are sorted by key. `scores` (key -> metric -> value) is
    joined; a value that is not finite becomes null. `run_info` replaces the description written with the parts;
    its identity figures of the run are computed from the rows of each file. Call it in one process, when all ranks
    have closed their writers. A later call adds later parts or scores to the finished files.

    A part that is damaged or of another format is left out and kept as `<part>.unreadable`, and the rest is merged.
    With `refused` a task that cannot be merged keeps its parts and the others go on; it is called for both. Without it
    a part left out is logged and the first task that fails raises.

    Returns task -> file for every task of the run. Raises `RecordWriteError`, and then no record is lost.
    """
    if run_info is not None and run_info.run_id != run_id:
        raise InvalidRecordError(f"run_info: found run {run_info.run_id!r}, expected {run_id!r} as in run_id.")
    folder = parts_folder(Path(directory), run_id)
    report: Refused = refused or (lambda what, error: log.warning("%s: %s", what, error))
    merged = {}
    for task, parts in sorted(_tasks(Path(directory), run_id, list_parts(folder), report).items()):
        try:
            path = _merge_task(Path(directory), run_id, task, parts, scores, run_info, report)
        except Exception as error:  # out of memory, a disk that is full, a fault of the Parquet library
            if refused is None:
                raise
            refused(f"task {task}", error)
            continue
        if path is not None:
            merged[task] = path
        for part in parts:
            with contextlib.suppress(OSError):  # a part that stays is known to be merged and is ignored
                part.path.unlink()
    _warn_of_unknown(scores, merged)
    _remove_folder(folder)
    _remove_unfinished(Path(directory), f".lens_*_{run_id}.parquet.*.tmp")
    return merged


def _tasks(directory: Path, run_id: str, parts: Sequence[Part], report: Refused) -> dict[str, list[Part]]:
    """True task name -> its parts, also for tasks that are only in finished files."""
    tasks: dict[str, list[Part]] = {}
    for path in finished_files(directory, run_id):
        tasks[read_metadata(path)[META_TASK].decode()] = []
    for part in parts:
        try:
            task = read_metadata(part.path)[META_TASK].decode()
        except _UNREADABLE as error:
            _leave_out(part, error, report)
        else:
            tasks.setdefault(task, []).append(part)
    return tasks


def _merge_task(
    directory: Path,
    run_id: str,
    task: str,
    parts: list[Part],
    scores: Scores | None,
    run_info: RunInfo | None,
    report: Refused,
) -> Path | None:
    """The finished file of a task; None where no part of it could be read."""
    path = merged_path(directory, run_id, task)
    live = live_parts(directory, run_id, parts)
    if not live and scores is None and run_info is None:
        return path
    try:
        return _write_merged(path, task, parts, live, scores, run_info)
    except _UNREADABLE:
        readable = [part for part in live if _is_readable(part, report)]
        if len(readable) == len(live):
            raise
    kept = [part for part in parts if part not in live or part in readable]
    return _write_merged(path, task, kept, readable, scores, run_info) if readable or path.exists() else None


def _write_merged(
    path: Path, task: str, parts: list[Part], live: list[Part], scores: Scores | None, run_info: RunInfo | None
) -> Path:
    finished = [path] if path.exists() else []
    rows = sorted_rows([*finished, *(part.path for part in live)])
    info = with_identity_of(rows, run_info or run_of(live[-1].path if live else path))
    left_out = len(list(parts_folder(path.parent, info.run_id).glob(f"*{UNREADABLE}")))
    info = replace(info, extra={**info.extra, PARTS_LEFT_ASIDE: left_out}) if left_out else info
    numbers = merged_numbers(path)
    for part in parts:
        numbers[part.rank] = max(part.number, numbers.get(part.rank, 0))
    metadata = file_metadata(info, task, merged={str(rank): number for rank, number in sorted(numbers.items())})
    write_tables(path, _scored(rows, scores or {}), metadata)
    return path


def _is_readable(part: Part, report: Refused) -> bool:
    """Whether all columns of a part can be read; one that cannot is left out."""
    try:
        run_of(part.path)
        read(part.path, SCHEMA.names)
    except _UNREADABLE as error:
        _leave_out(part, error, report)
        return False
    return True


def _leave_out(part: Part, error: Exception, report: Refused) -> None:
    """Take a part that cannot be read out of the way of the others; raises what it was when it cannot be renamed."""
    renamed = part.path.with_name(part.path.name + UNREADABLE)
    try:
        part.path.rename(renamed)
    except OSError:
        raise error from None
    report(f"the part {renamed.name}, which was left out and kept", error)


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


def _warn_of_unknown(scores: Scores | None, merged: Mapping[str, Path]) -> None:
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

"""Put record files on disk whole or not at all, and find them again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from lens_results.errors import (
    LensResultsError,
    MissingRecordError,
    NotARecordFileError,
    RecordFormatError,
    RecordWriteError,
    TruncatedRecordError,
)
from lens_results.run_info import RunInfo
from lens_results.schema import (
    META_FORMAT,
    META_MERGED,
    META_RUN,
    META_TASK,
    SCHEMA,
    VERSION,
    check_version,
    leaf_paths,
)

PARTS_FOLDER = ".lens_parts"
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_PART = re.compile(r"(?P<task>.+)\.rank(?P<rank>\d+)\.(?P<number>\d{6,})\.\w+")
_ROW_GROUP = 4096


def safe_name(task: str) -> str:
    """`task` as a part of a file name: itself where it is plain, else cleaned and with a digest of the true name."""
    if _SAFE.fullmatch(task):
        return task
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "-", task).strip("-")[:80] or "task"
    return f"{cleaned}-{hashlib.sha256(task.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, order=True)
class Part:
    """A part file; parts order by age: number first, then rank."""

    number: int
    rank: int
    path: Path
    task: str
    """The safe form of the task's name."""


def parts_folder(directory: Path, run_id: str) -> Path:
    """Where the parts of a run lie until they are merged."""
    return directory / PARTS_FOLDER / run_id


def part_path(directory: Path, run_id: str, task: str, rank: int, number: int, ending: str = "parquet") -> Path:
    """Path of a part file."""
    return parts_folder(directory, run_id) / f"{safe_name(task)}.rank{rank}.{number:06d}.{ending}"


def merged_path(directory: Path, run_id: str, task: str) -> Path:
    """Path of the finished record file of a task."""
    return directory / f"lens_{safe_name(task)}_{run_id}.parquet"


def list_parts(folder: Path, ending: str = "parquet") -> list[Part]:
    """The whole part files in a run's parts folder, oldest first; unfinished temporary files are no parts."""
    found = ((path, _PART.fullmatch(path.name)) for path in folder.glob(f"*.{ending}"))
    return sorted(Part(int(match["number"]), int(match["rank"]), path, match["task"]) for path, match in found if match)


def finished_files(directory: Path, run_id: str) -> list[Path]:
    """The finished files of a run in `directory`."""
    found = sorted(directory.glob(f"lens_*_{run_id}.parquet"))
    return [path for path in found if run_of(path).run_id == run_id]


def run_of(path: Path) -> RunInfo:
    """The run description in a record file."""
    return RunInfo.from_json(read_metadata(path)[META_RUN].decode())


def merged_numbers(path: Path) -> dict[int, int]:
    """For each rank the number of its last part that a finished file holds; empty when there is no such file."""
    if not path.exists():
        return {}
    raw = read_metadata(path).get(META_MERGED, b"{}")
    return {int(rank): int(number) for rank, number in json.loads(raw).items()}


def live_parts(directory: Path, run_id: str, parts: Sequence[Part]) -> list[Part]:
    """The parts that the finished files do not hold yet."""
    finished = {part.task: directory / f"lens_{part.task}_{run_id}.parquet" for part in parts}
    numbers = {task: merged_numbers(path) for task, path in finished.items()}
    return [part for part in parts if part.number > numbers[part.task].get(part.rank, 0)]


def read_metadata(path: Path) -> dict[bytes, bytes]:
    """The metadata of a record file. Raises `RecordFormatError` when it is damaged, of another kind or too new."""
    try:
        metadata: dict[bytes, bytes] = dict(pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError) as err:
        raise unreadable(path, err) from err
    check_version(metadata, path)
    return metadata


def unreadable(path: Path, err: Exception) -> LensResultsError:
    """The error for a file that could not be read as Parquet: gone, locked, of another kind or cut short."""
    if not path.exists():
        return MissingRecordError(f"{path}: found nothing there any more; a run was just merged. Load it again.")
    if isinstance(err, PermissionError) or path.is_dir():
        return RecordFormatError(f"{path}: cannot be opened ({err}), expected a readable file.")
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
    if head not in (b"", b"PAR1"):
        return NotARecordFileError(
            f"{path}: found {size} bytes that are no Parquet, expected a lens record file. "
            "Give the file or folder that a lens run wrote (lens_<task>_<run>.parquet)."
        )
    return TruncatedRecordError(
        f"{path}: found {size} bytes that are not a whole Parquet file ({str(err).strip()}). It was cut short or "
        "damaged. Copy it again from where it was made, or remove it to read the rest of the run."
    )


def file_metadata(info: RunInfo, task: str, **more: Any) -> dict[bytes, bytes]:
    """The metadata of a record file: format version, run description, true task name and what `more` adds."""
    metadata = {
        META_FORMAT: VERSION.encode(),
        META_RUN: replace(info, format_version=VERSION).to_json().encode(),
        META_TASK: task.encode(),
    }
    return metadata | {f"mmlens.{name}".encode(): json.dumps(value).encode() for name, value in more.items()}


def write_tables(path: Path, tables: Iterable[pa.Table], metadata: dict[bytes, bytes]) -> None:
    """Write `tables` as one Parquet file that appears under `path` complete or not at all.

    Raises `RecordWriteError` naming the folder; a file that was at `path` before is then untouched.
    """
    schema = SCHEMA.with_metadata(metadata)
    try:
        with replacing(path) as file, _parquet(file, schema) as writer:
            for table in tables:
                writer.write_table(table.replace_schema_metadata(metadata), row_group_size=_ROW_GROUP)
    except OSError as err:
        raise refused(path.parent, err) from err


def refused(folder: Path, err: OSError) -> RecordWriteError:
    """The error for a folder that records cannot be written into."""
    if isinstance(err, FileExistsError | NotADirectoryError):
        why, remedy = "found a file where a folder is needed", "Move the file away"
    else:
        why, remedy = err.strerror or str(err), "Free space there or make it writable"
    return RecordWriteError(
        f"Cannot write lens records into {folder}: {why}. What was written before is intact. "
        f"{remedy}, or choose another folder with lens_dir."
    )


def check_writable(folder: Path) -> None:
    """Make a folder and prove that files can be made in it. Raises `RecordWriteError`."""
    probe = folder / f".lens_writable.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"lens")
        probe.unlink()
    except OSError as err:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
        raise refused(folder, err) from err


def _parquet(file: IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        use_dictionary=leaf_paths("other"),
        use_byte_stream_split=leaf_paths("float"),
        write_page_checksum=True,
        write_statistics=[name for name in schema.names if not pa.types.is_nested(schema.field(name).type)],
    )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of `path` once it is safely on disk."""
    _make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    """A run that was just merged may take the common folder of all parts away while ours is made in it."""
    for attempts_left in reversed(range(10)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:
            if not attempts_left:
                raise
        else:
            return


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; not every system can open a folder, and none needs it for atomicity."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

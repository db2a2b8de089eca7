"""Find the record files of runs in folders, finished or left by a run that was killed."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lens_results.errors import MissingRecordError
from lens_results.storage import PARTS_FOLDER, list_parts, live_parts, parts_folder, run_of

STORE_MARK = ".lens_store"


@dataclass(frozen=True)
class RunFiles:
    """The files of one run: finished ones, then the parts they do not hold yet, oldest first."""

    run_id: str
    finished: tuple[Path, ...]
    parts: tuple[Path, ...]


@dataclass(frozen=True)
class UnmergedRun:
    """Parts that a killed run, or one that is still going, has in `directory`. `load(folder)` reads them."""

    run_id: str
    directory: Path
    folder: Path
    parts: tuple[Path, ...]


def find_unmerged(directory: str | Path) -> list[UnmergedRun]:
    """The runs with parts in `directory` (not below it) that no finished file holds, oldest first."""
    base = Path(directory)
    found = []
    for folder in sorted((base / PARTS_FOLDER).glob("*/")):
        live = live_parts(base, folder.name, list_parts(folder))
        if live:
            found.append(UnmergedRun(folder.name, base, folder, tuple(part.path for part in live)))
    return found


def discard_parts(directory: str | Path, run_id: str) -> None:
    """Delete the parts of a run, for instance when their records were taken over by another run."""
    folder = parts_folder(Path(directory), run_id)
    shutil.rmtree(folder, ignore_errors=True)


def find_runs(paths: str | Path | Iterable[str | Path]) -> list[RunFiles]:
    """The runs in files and folders (searched with what is below them, except stores), ordered by run id.

    Raises `MissingRecordError` when a path does not exist or holds no records, `RecordFormatError` for a bad file.
    """
    wanted = [paths] if isinstance(paths, (str, Path)) else list(paths)
    finished: dict[str, dict[Path, None]] = {}
    parts: dict[str, dict[Path, None]] = {}
    for path in map(Path, wanted):
        for file in _files(path):
            run_id = run_of(file).run_id
            (parts if _is_part(file) else finished).setdefault(run_id, {})[file] = None
    return [
        RunFiles(run_id, tuple(finished.get(run_id, ())), tuple(parts.get(run_id, ())))
        for run_id in sorted(finished.keys() | parts.keys())
    ]


def make_store(directory: str | Path) -> None:
    """Make a folder a store: what lies in it serves later runs and is no run of its own when folders are searched."""
    folder = Path(directory)
    with contextlib.suppress(OSError):  # whoever writes records there says what is wrong with it
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STORE_MARK).touch()


def store_files(directory: str | Path) -> list[Path]:
    """The record files in a store: finished ones, then the parts they do not hold yet."""
    return _below(Path(directory))


def _files(path: Path) -> Sequence[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise MissingRecordError(f"{path}: found nothing there, expected a lens record file or a folder with some.")
    path = path.resolve()
    stores = {mark.parent for mark in path.rglob(STORE_MARK)}
    found = [file for file in _below(path) if not stores.intersection(file.parents)]
    if not found:
        raise MissingRecordError(
            f"{path}: found no lens_*.parquet there or below. Records are written when a run has --output_path or "
            "lens_dir; give that folder."
        )
    return found


def _below(path: Path) -> list[Path]:
    found = sorted(file for file in path.rglob("lens_*.parquet") if not _is_part(file))
    for folder in sorted({file.parent for file in path.rglob("*.parquet") if _is_part(file)}):
        live = live_parts(folder.parent.parent, folder.name, list_parts(folder))
        found.extend(part.path for part in live)
    return found


def _is_part(file: Path) -> bool:
    return file.resolve().parent.parent.name == PARTS_FOLDER

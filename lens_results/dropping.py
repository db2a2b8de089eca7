"""Take records out of files that are there to stay."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from lens_results.record import Key
from lens_results.schema import KEY_FIELDS, SCHEMA
from lens_results.sources import read
from lens_results.storage import read_metadata, write_tables


def drop_records(files: Iterable[Path], keys: Collection[Key]) -> None:
    """Rewrite files without the records of these keys; one with no other records is deleted, one that is gone is
    passed over.

    Raises `RecordWriteError` when the disk refuses, and then the file is as it was.
    """
    for path in files:
        if not path.exists():
            continue
        table = read(path, SCHEMA.names)
        rows = zip(*(table[name].to_pylist() for name in KEY_FIELDS), strict=True)
        kept = [place for place, key in enumerate(rows) if key not in keys]
        if not kept:
            path.unlink(missing_ok=True)
        elif len(kept) < len(table):
            metadata = {name: value for name, value in read_metadata(path).items() if name.startswith(b"mmlens.")}
            write_tables(path, [table.take(kept)], metadata)

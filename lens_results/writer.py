"""Records to disk as a run goes: small whole files at short intervals, safe against a kill at any moment."""

from __future__ import annotations

from pathlib import Path

from lens_results.codec import to_table
from lens_results.errors import InvalidRecordError
from lens_results.part_writer import PartWriter
from lens_results.record import SampleRecord
from lens_results.run_info import RunInfo
from lens_results.storage import (
    file_metadata,
    finished_files,
    list_parts,
    merged_numbers,
    part_path,
    parts_folder,
    refused,
    write_tables,
)


class RecordWriter(PartWriter):
    """Appends the records of one process of a run to part files in `<directory>/.lens_parts/<run_id>/`.

    A part is written when `part_rows` records wait, or with the first `append` at least `part_seconds` after the last
    write, with all that it was given; `flush()` writes at once. Every part that was written is readable whatever
    happens to the process.
    All processes of a run share `run_info.run_id` and differ in `rank`. A second writer with the same run and rank,
    after a restart, continues the numbering. Not thread-safe.

    Raises `RecordWriteError` when the disk refuses; waiting records are kept and go out with the next flush. After a
    refusal `append` tries again at the earliest `part_seconds` later, so that a full disk does not slow a run down.
    """

    def __init__(
        self,
        directory: str | Path,
        run_info: RunInfo,
        rank: int = 0,
        part_rows: int = 512,
        part_seconds: float = 20.0,
    ) -> None:
        super().__init__(directory, rank, part_seconds)
        self.run_info, self.part_rows = run_info, part_rows
        self._waiting: dict[str, list[SampleRecord]] = {}
        try:
            self._next_number = self._first_number()
        except OSError as err:
            raise refused(self.directory, err) from err

    @property
    def waiting(self) -> int:
        """Number of records not yet on disk."""
        return sum(len(records) for records in self._waiting.values())

    def append(self, *records: SampleRecord) -> None:
        """Take records that became known together, which go to disk together.

        Raises `InvalidRecordError`, and takes none, when the layers of one are not those of the run.
        """
        self._check_open("append")
        for record in records:
            check_layers(record, self.run_info)
        for record in records:
            self._waiting.setdefault(record.task, []).append(record)
        self._flush_when_due(self.part_rows)

    def _write_waiting(self) -> None:
        for task in list(self._waiting):
            path = part_path(self.directory, self.run_info.run_id, task, self.rank, self._next_number)
            metadata = file_metadata(self.run_info, task, part={"rank": self.rank, "number": self._next_number})
            write_tables(path, [to_table(self._waiting[task])], metadata)
            del self._waiting[task]
            self._next_number += 1

    def _first_number(self) -> int:
        parts = list_parts(parts_folder(self.directory, self.run_info.run_id))
        used = [part.number for part in parts if part.rank == self.rank]
        for path in finished_files(self.directory, self.run_info.run_id):
            used.append(merged_numbers(path).get(self.rank, 0))
        return max(used, default=0) + 1


def check_layers(record: SampleRecord, run_info: RunInfo) -> None:
    """Raise `InvalidRecordError` when a record's layers are not those of the run and it does not list its own."""
    expected = len(run_info.lens.layer_index)
    if record.layer_index is None and record.n_layers not in (None, expected):
        raise InvalidRecordError(
            f"{record.key}: found {record.n_layers} layers, expected {expected} as in the run's "
            "lens.layer_index. Give the record its own layer_index."
        )

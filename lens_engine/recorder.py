"""Keep the records of a run: on disk as it goes, and by document for the harness's table."""

from __future__ import annotations

import functools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

from lens_results import (
    InvalidRecordError,
    LensResultsError,
    RecordWriter,
    RunInfo,
    SampleRecord,
    ThumbnailWriter,
    check_layers,
    check_writable,
    merge,
    merge_thumbnails,
)
from lens_results.record import Key

from .failures import NoReadout, failure
from .media import Media
from .records import bare_record, sample_fields, unread_record
from .table import harness_metrics

__all__ = ["PART_SECONDS", "LensRecorder"]

log = logging.getLogger(__name__)

PART_SECONDS = 4.0
"""What a kill can cost of the records that are made: the answers of so many seconds of work."""


class Mirror(Protocol):
    """A second place for new records; its methods raise `RecordWriteError` when the disk refuses."""

    def append(self, *records: SampleRecord) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


_CONTRADICTED = NoReadout(
    "no_answer", "the task's metric counts this answer as right, so it took another answer than the one that was read"
)


class LensRecorder:
    """The records of one process of a run.

    Args:
        run_info: description of the run, the same in every process.
        directory: folder of the record files; None keeps nothing but the values for the table.
        rank: number of this process.
        thumbnails: keep small pictures of the images too.
        warn: is called with a disk that refuses, once for each reason.

    A folder that cannot be written into is refused at the start, before the model is asked anything. A disk that
    refuses later (full, gone) costs no answer: the run goes on, what waits is kept in memory and tried again every few
    seconds, and `refusal` says what is wrong until a write succeeds.

    `metrics` may be called from several threads; everything else from one.

    Raises:
        RecordWriteError: records cannot be written into `directory`.
    """

    def __init__(
        self,
        run_info: RunInfo,
        directory: Path | None,
        rank: int = 0,
        *,
        thumbnails: bool = True,
        warn: Callable[[str], object] = log.error,
    ) -> None:
        if directory is not None:
            check_writable(directory)
        self.run_info = run_info
        self.directory = directory
        self.rank = rank
        self._writer = (
            RecordWriter(directory, run_info, rank=rank, part_seconds=PART_SECONDS) if directory is not None else None
        )
        self._mirror: Mirror | None = None
        self._thumbnails = (
            ThumbnailWriter(directory, run_info.run_id, rank) if directory is not None and thumbnails else None
        )
        self._metrics: dict[Key, dict[str, float]] = {}
        self._scores: dict[Key, dict[str, float]] = {}
        self._non_finite: Counter[str] = Counter()
        self._wrong_as_read: dict[Key, dict[str, Any]] = {}  # what is left of them if the task counts them as right
        self._contradicted: set[Key] = set()
        self._lock = threading.Lock()
        self._warn = warn
        self._warned: set[str] = set()
        self._refusals: dict[str, str] = {}

    def __len__(self) -> int:
        """Number of documents with a record."""
        return len(self._metrics)

    @property
    def refusal(self) -> str | None:
        """Why something is not on disk that should be, or None."""
        return next(iter(self._refusals.values()), None)

    def mirror(self, mirror: Mirror) -> None:
        """Hand new records on to a second place."""
        self._mirror = mirror

    def add(self, records: Iterable[SampleRecord]) -> None:
        """Take the new records of a batch; a later one replaces an earlier one of the same key."""
        fitting = [self._fitting(record) for record in records]
        self.restore(*fitting)
        if self._mirror is not None and fitting:
            self._attempt(self._mirror, functools.partial(self._mirror.append, *fitting))

    def restore(self, *records: SampleRecord) -> None:
        """Take records that an earlier run made; they are in the mirror already."""
        for record in records:
            self._metrics[record.key] = harness_metrics(record)
            self._wrong_as_read.pop(record.key, None)
            if record.correct is False and record.kind != "loglikelihood":
                self._wrong_as_read[record.key] = sample_fields(record)
        if self._writer is not None and records:
            self._attempt(self._writer, functools.partial(self._writer.append, *records))

    def _fitting(self, record: SampleRecord) -> SampleRecord:
        """The record, or one that says why it is none of this run's."""
        try:
            check_layers(record, self.run_info)
        except InvalidRecordError as error:
            return bare_record(record.key, record.kind, record.response, failure(error))
        return record

    def add_read(self, samples: Sequence[tuple[Key, str, str]], read: Callable[[], Iterable[SampleRecord]]) -> None:
        """Take the records that `read` makes; what it raises becomes the record of each sample, never the run's end.

        Args:
            samples: key, kind and response of each sample that the records are of.
            read: makes their records.
        """
        try:
            records = list(read())
        except Exception as error:  # whatever it is: the answers are known, and a fault of the lens ends no run
            why = failure(error)
            self._say(f"{len(samples)} samples could not be read: {why.reason}")
            records = [bare_record(key, kind, response, why) for key, kind, response in samples]
        self.add(records)

    def add_pictures(self, media: Media) -> None:
        """Keep a small picture of each image and of each video under its digest."""
        if self._thumbnails is not None:
            for digest, image in zip(media.image_sha256, media.pictures, strict=True):
                self._attempt(self._thumbnails, functools.partial(self._thumbnails.add, digest, image))
            for video in media.videos:
                add = functools.partial(self._thumbnails.add_frames, video.sha256, video.frames)
                self._attempt(self._thumbnails, add)

    def metrics(self, task: str, doc_id: int) -> dict[str, float]:
        """Values of a document for the harness's table; of its first request where it has several."""
        return self._metrics.get((task, doc_id, 0, 0)) or harness_metrics(None)

    def add_scores(self, task: str, doc_id: int, scores: Mapping[str, float]) -> None:
        """The harness's own scores of a document; they join its records at the end, NaN and infinity as missing.

        Where the task's first metric counts an answer as right that was read as a wrong candidate, the metric took
        another answer than the one that was read: the readout is dropped, and the record says why.
        """
        key: Key = (task, doc_id, 0, 0)
        with self._lock:
            if key in self._wrong_as_read and self._counts_as_right(task, scores):
                self._contradicted.add(key)
                self._metrics[key] = harness_metrics(unread_record(self._wrong_as_read[key], _CONTRADICTED))
            self._non_finite.update(f"{name} of {task}" for name, value in scores.items() if not isfinite(value))
            self._scores.setdefault(key, {}).update(scores)

    def _counts_as_right(self, task: str, scores: Mapping[str, float]) -> bool:
        first = next(iter(self.run_info.metrics.get(task, {})), None)
        return any(value == 1.0 for name, value in scores.items() if name.partition(",")[0] == first)

    def flush(self) -> None:
        """Write what waits."""
        for writer in self._all_writers():
            self._attempt(writer, writer.flush)

    def close(self) -> dict[Key, dict[str, float]]:
        """Write what waits and hand over the scores of this process, for `finish` of the first one."""
        self.add(unread_record(self._wrong_as_read.pop(key), _CONTRADICTED) for key in sorted(self._contradicted))
        if self._contradicted:
            self._warn(
                f"{len(self._contradicted)} answers count as right by their task and were read as another "
                "candidate; their readouts are dropped (status no_answer)"
            )
        self._contradicted.clear()
        for writer in self._all_writers():
            self._attempt(writer, writer.close)
        lost = 0 if self._writer is None else self._writer.waiting
        if lost:
            self._warn(f"Lens records of {lost} samples could not be written and are lost; their answers are not")
        for name, count in self._non_finite.items():
            self._warn(
                f"The harness's score {name} is NaN or infinite in {count} documents; it is missing in their records"
            )
        known = self._metrics.keys()
        return {key: scores for key, scores in self._scores.items() if key in known}

    def finish(
        self, scores: Mapping[Key, Mapping[str, float | None]], run_info: RunInfo | None = None
    ) -> dict[str, Path]:
        """Merge the parts of all processes into one file a task; call it in one process, after all have closed.

        A task that cannot be merged, whatever the reason, keeps its parts, which are readable, and has no file; the
        others have theirs. `refusal` says what happened.
        """
        if self.directory is None:
            return {}
        directory, run_id = self.directory, self.run_info.run_id
        files: dict[str, Path] = {}

        def refused(what: str, error: Exception) -> None:
            self._refused(
                what, f"Lens records of {what} are not in one file: {_said(error)} {_where_parts(directory, run_id)}"
            )

        def merged() -> None:
            files.update(merge(directory, run_id, scores, run_info, refused=refused))

        def collected() -> None:
            merge_thumbnails(directory, run_id)

        for what, work in (("this run", merged), ("the images", collected)):
            try:
                work()
            except Exception as error:  # a run is never lost to what comes after its last answer
                refused(what, error)
        return files

    def _attempt(self, writer: object, write: Callable[[], object]) -> None:
        """Write; what is refused waits in memory, and the run goes on."""
        try:
            write()
        except Exception as error:
            self._refused(
                str(id(writer)), f"{_said(error)} The run goes on; records wait in memory and are tried again."
            )
        else:
            if not getattr(writer, "waiting", 0):
                self._refusals.pop(str(id(writer)), None)

    def _refused(self, what: str, message: str) -> None:
        self._refusals[what] = message
        self._say(message)

    def _say(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self._warn(message)

    def _all_writers(self) -> Iterator[RecordWriter | ThumbnailWriter | Mirror]:
        for writer in (self._writer, self._mirror, self._thumbnails):
            if writer is not None:
                yield writer


def _said(error: Exception) -> str:
    """What an error says as a sentence, with its kind where it is none of ours."""
    if isinstance(error, LensResultsError):
        return str(error)
    return f"{type(error).__name__}: {str(error).strip() or 'no more was said'}."


def _where_parts(directory: Path, run_id: str) -> str:
    return f"What was written is kept in {directory}, in parts under .lens_parts/{run_id}, and is read from there."

"""Records beside a harness's answer cache: an answer comes back with its record, or both are computed again.

The fingerprint alone decides (docs/fingerprint.md). A harness's own keys lack most of what makes an answer, so its
cache is not asked for answers that the lens reads.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lens_results import (
    LensResultsError,
    RecordWriter,
    Run,
    SampleRecord,
    drop_records,
    load_all,
    make_store,
    merge,
    store_files,
)
from lens_results.fingerprint import ANSWER_PARTS, differing_parts
from lens_results.record import Key

from .controls import BORROWED, ImageControls
from .engine import Generation
from .recorder import PART_SECONDS, LensRecorder
from .sample import Request, Sample

__all__ = ["RecordCache"]

log = logging.getLogger(__name__)

_PASSING = ("capture_failed", "not_run")  # a rerun may do better


class RecordCache:
    """A folder of records of earlier runs, and those of this run that a later one may take.

    Records that were taken are not written again; one that replaces a stored record of the same answer (other gold
    labels, another version of the task) has that one dropped when the run ends.

    Args:
        directory: the folder.
        recorder: the run; it hands its new records on to this store.
        report: is called with one line: what was taken and why the rest is computed.
        controls: of the run; they know the images that a document borrows.
    """

    def __init__(
        self,
        directory: Path,
        recorder: LensRecorder,
        report: Callable[[str], object] = log.info,
        controls: ImageControls | None = None,
    ) -> None:
        self._directory = directory
        self._controls = controls
        self._recorder = recorder
        self._report_line = report
        self._reported: set[str] = set()
        self._runs: dict[Key, list[Run]] = defaultdict(list)
        self._differing: dict[str, tuple[str, ...]] = {}
        make_store(directory)
        for run in _readable_runs(directory):
            self._differing[run.info.run_id] = differing_parts(run.info.fingerprint, recorder.run_info.fingerprint)
            for key in run.fingerprints:
                self._runs[key].append(run)
        # every process merges its own records, so none has to wait for another
        self._info = replace(recorder.run_info, run_id=f"{recorder.run_info.run_id}-rank{recorder.rank}")
        self._writer = RecordWriter(directory, self._info, part_seconds=PART_SECONDS)
        self._awaited: set[Key] = set()
        self._superseded: dict[Key, list[Run]] = defaultdict(list)
        self._dropped: dict[tuple[Path, ...], set[Key]] = defaultdict(set)
        recorder.mirror(self)

    def answers(
        self, requests: Sequence[Request], ask: Callable[[list[int]], Sequence[Generation]]
    ) -> list[Generation]:
        """One answer a request, in order: that of an earlier run, or what `ask` gives.

        Args:
            requests: what is asked.
            ask: puts the requests at these places to the model and records them.
        """
        found: dict[int, Generation] = {}
        reasons: Counter[tuple[str, ...]] = Counter()
        for place, request in enumerate(requests):
            record, why = self._take(request) if request.repeatable else (None, ("sampled",))
            if record is not None:
                found[place] = Generation(record.response)
            elif not request.padding:
                reasons[why] += 1
        self._report(len(requests), len(found), reasons)
        left = [place for place in range(len(requests)) if place not in found]
        if left:
            found.update(zip(left, ask(left), strict=True))
        return [found[place] for place in range(len(requests))]

    def append(self, *records: SampleRecord) -> None:
        """Keep the new records that a later run may take."""
        awaited = [record for record in records if record.key in self._awaited]
        if awaited:
            self._writer.append(*awaited)
        for record in awaited:
            for run in self._superseded.get(record.key, ()):
                self._dropped[run.files].add(record.key)

    @property
    def waiting(self) -> int:
        """Number of records not yet on disk."""
        return self._writer.waiting

    def flush(self) -> None:
        """Write what waits. Raises `RecordWriteError`."""
        self._writer.flush()

    def close(self) -> None:
        """Write what waits, join this process's parts and drop what was replaced. Raises `RecordWriteError`."""
        self._writer.close()
        merge(self._directory, self._info.run_id)
        for files, keys in self._dropped.items():
            drop_records(files, keys)

    def _take(self, request: Request) -> tuple[SampleRecord | None, tuple[str, ...]]:
        """The stored record of a request, handed to the recorder; or None and where the nearest differs."""
        runs = self._runs.get(request.key, [])
        differing = [self._differing[run.info.run_id] for run in runs]
        why = min(differing, key=len, default=("new",))
        same = [run for run, parts in zip(runs, differing, strict=True) if not parts]
        if same:
            record, why = self._take_from(same[::-1], request)
            if record is not None:
                return record, ()
        if not request.padding:
            self._awaited.add(request.key)
        return None, why

    def _take_from(self, runs: Sequence[Run], request: Request) -> tuple[SampleRecord | None, tuple[str, ...]]:
        sample = request.sample()
        reasons = []
        for run in runs:
            parts = self._differing_sample(run.fingerprints[request.key].sample, sample)
            record = None if parts else _record(run, request.key)
            if record is not None:
                if not request.padding:
                    self._recorder.restore(record)
                    self._recorder.add_pictures(sample.media)
                return record, ()
            reasons.append(parts or ("not read",))
            if not set(parts) & {*ANSWER_PARTS, "no fingerprint"}:
                self._superseded[request.key].append(run)
        return None, min(reasons, key=len)

    def _differing_sample(self, stored: Mapping[str, str], sample: Sample) -> tuple[str, ...]:
        now = sample.fingerprint
        if BORROWED in stored and self._controls is not None:
            now[BORROWED] = str(self._controls.borrowed(sample))
        return differing_parts(stored, now)

    def _report(self, asked: int, found: int, reasons: Counter[tuple[str, ...]]) -> None:
        if not self._runs:
            return
        line = f"Lens: {found} of {asked} answers are those of earlier runs, with their records"
        if reasons:
            named = [f"{count} {_because(why)}" for why, count in reasons.most_common()]
            line += f"; {sum(reasons.values())} are computed: {', '.join(named)}"
        if line not in self._reported:
            self._reported.add(line)
            self._report_line(line)


def _because(why: tuple[str, ...]) -> str:
    if why in (("new",), ("sampled",), ("not read",)):
        return {"new": "new", "sampled": "sampled", "not read": "not read before"}[why[0]]
    shown = ", ".join(why[:4]) + (f" and {len(why) - 4} more" if len(why) > 4 else "")
    return f"with another fingerprint ({shown})"


def _record(run: Run, key: Key) -> SampleRecord | None:
    """A stored record; None where it cannot be read, or where a rerun may read what was not read."""
    try:
        record = run.record(key)
    except LensResultsError as error:
        log.debug("a stored record cannot be read: %s", error)
        return None
    # what a server did not give is no reason to pay for its answer again
    failed = (record.status in _PASSING and run.info.has_layers) or "failed" in record.control_status.values()
    return None if failed else record


def _readable_runs(directory: Path) -> list[Run]:
    """The runs in the store, oldest first; files that cannot be read are left out with a warning."""
    try:
        files = store_files(directory)
        return load_all(files) if files else []
    except LensResultsError as error:
        log.warning("some records beside the cache cannot be read and are made anew: %s", error)
    runs = []
    for file in sorted(directory.rglob("*.parquet")):
        try:
            runs += load_all(file)
        except LensResultsError:
            continue
    return runs

"""Records kept beside a harness's answer cache, so that a cached answer brings its record back."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from lens_results import LensResultsError, RecordWriter, Run, RunInfo, load_all
from lens_results.record import Key

from .recorder import LensRecorder

__all__ = ["RecordStore"]

log = logging.getLogger(__name__)


class RecordStore:
    """A folder of records of earlier runs.

    A record is restored only when it was read with the same lens from the same model in the same dtype, and its
    response is the cached answer to the letter. New records of the current run are added to the folder as they come.
    """

    def __init__(self, directory: Path, recorder: LensRecorder) -> None:
        self._recorder = recorder
        self._runs = _matching_runs(directory, recorder.run_info)
        recorder.mirror(RecordWriter(directory, recorder.run_info, rank=recorder.rank))

    def restore(self, key: Key, response: object) -> bool:
        """Hand the stored record of this key to the recorder; False when there is none that fits."""
        for run in reversed(self._runs):
            try:
                record = run.record(key)
            except LensResultsError:
                continue
            if record.response == response:
                self._recorder.add([record])
                return True
        return False


def _matching_runs(directory: Path, info: RunInfo) -> list[Run]:
    if not directory.is_dir():
        return []
    try:
        runs = load_all(directory)
    except LensResultsError as error:
        log.warning("records beside the cache cannot be read and are made anew: %s", error)
        return []
    return [run for run in runs if _definition(run.info) == _definition(info)]


def _definition(info: RunInfo) -> tuple[object, ...]:
    """What makes readouts of two runs the same quantity."""
    return (replace(info.model, device=None), info.lens, info.versions.get("mm-logit-lens"))

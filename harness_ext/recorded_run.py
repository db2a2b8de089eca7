"""One evaluation with a lens: its records from the first batch to the merged files, in every process of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from harness_ext.processes import first_process, gather
from harness_ext.recording import LensRecorder
from lens_results import RunInfo

__all__ = ["RecordedRun"]


class _Log(Protocol):
    def info(self, message: str, /) -> object: ...

    def warning(self, message: str, /) -> object: ...


class RecordedRun:
    """Keeps the records of one evaluation.

    Args:
        info: description of the run, the same in every process.
        directory: folder of the record files, or None when the user named none.
        rank: number of this process.
        log: where the harness's users look.
        thumbnails: keep small pictures of the images too.
        advice: what the user can do when no folder is known.
    """

    def __init__(
        self,
        info: RunInfo,
        directory: Path | None,
        rank: int,
        log: _Log,
        *,
        thumbnails: bool = True,
        advice: str = "give --output_path, or lens_dir=FOLDER in --model_args",
    ) -> None:
        self.recorder = LensRecorder(info, directory, rank=rank, thumbnails=thumbnails)
        self._log = log
        if directory is None and first_process():
            log.warning(f"Lens records are not kept: {advice}")

    def finish(self) -> dict[str, Path]:
        """Merge the records of all processes; every process calls it, the first one gets the files."""
        scores = gather(self.recorder.close())
        if not first_process():
            return {}
        joined = {key: values for each in scores for key, values in each.items()}
        files = self.recorder.finish(joined)
        for task, path in files.items():
            self._log.info(f"Lens records of {task}: {path}")
        return files

    def abandon(self) -> None:
        """The evaluation failed: what was read stays on disk and is readable."""
        self.recorder.flush()
        if self.recorder.directory is not None and len(self.recorder):
            self._log.warning(f"Lens records of {len(self.recorder)} samples so far are in {self.recorder.directory}")

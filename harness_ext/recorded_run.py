"""One evaluation with a lens: its records from the first batch to the merged files, in every process of the run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from harness_ext.controls import ImageControls, joined_costs
from harness_ext.processes import first_process, gather, share
from harness_ext.recording import LensRecorder
from harness_ext.run_description import ReadModel, RunSettings, describe_run
from lens_results import new_run_id

__all__ = ["ADVICE", "ReadModel", "RecordedRun", "evaluate_recorded"]

ADVICE = "give --output_path, or lens_dir=FOLDER in --model_args"


class _Log(Protocol):
    def info(self, message: str, /) -> object: ...

    def warning(self, message: str, /) -> object: ...

    def error(self, message: str, /) -> object: ...


class RecordedRun:
    """Keeps the records of one evaluation.

    Args:
        model: the model that answers.
        harness: distribution name of the harness.
        settings: what the harness tells of its own settings.
        directory: folder of the record files, or None when the user named none.
        log: where the harness's users look.
        advice: what the user can do when no folder is known.
    """

    def __init__(
        self,
        model: ReadModel,
        harness: str,
        settings: RunSettings,
        directory: Path | None,
        log: _Log,
        *,
        advice: str = ADVICE,
    ) -> None:
        options = model.options
        info = describe_run(share(new_run_id()), model, harness=harness, settings=settings)
        self.recorder = LensRecorder(info, directory, rank=model.rank, thumbnails=options.thumbnails, tell=log.error)
        self.controls = ImageControls(options.controls) if options.controls else None
        self._log = log
        if directory is None and first_process():
            log.warning(f"Lens records are not kept: {advice}")

    def finish(self) -> dict[str, Path]:
        """Merge the records of all processes; every process calls it, the first one gets the files."""
        costs = gather(self._control_costs())
        scores = gather(self.recorder.close())
        if not first_process():
            return {}
        joined = {key: values for each in scores for key, values in each.items()}
        total = joined_costs(costs)
        for name, cost in total.items():
            self._log.info(
                f"Lens control {name}: {cost['samples']} samples read again in {cost['forward_passes']} forward passes "
                f"and {cost['seconds']:.1f} s"
            )
        info = replace(self.recorder.run_info, control_cost=total) if total else None
        files = self.recorder.finish(joined, info)
        for task, path in files.items():
            self._log.info(f"Lens records of {task}: {path}")
        return files

    def abandon(self) -> None:
        """The evaluation failed: what was read stays on disk and is readable."""
        self.recorder.flush()
        if self.recorder.directory is not None and len(self.recorder):
            self._log.warning(f"Lens records of {len(self.recorder)} samples so far are in {self.recorder.directory}")

    def _control_costs(self) -> dict[str, dict[str, Any]]:
        if self.controls is None:
            return {}
        for (name, reason), count in self.controls.failures.items():
            self._log.warning(f"Lens control {name} failed for {count} samples: {reason}")
        return self.controls.costs


def evaluate_recorded(
    run: RecordedRun, holder: Any, scoring: AbstractContextManager[None], evaluate: Callable[[], Any]
) -> Any:
    """What a harness's `evaluate` returns, with the files of the run's records in it.

    Args:
        run: the run.
        holder: what the model's request functions look at; it has the run in `run` while this lasts.
        scoring: lets the harness's scoring know the lens metrics.
        evaluate: the harness's function, with its arguments.
    """
    holder.run = run
    try:
        with scoring:
            results = evaluate()
    except BaseException:
        run.abandon()
        raise
    finally:
        holder.run = None
    files = run.finish()
    if results is not None:
        results["lens"] = {"run_id": run.recorder.run_info.run_id, "records": {t: str(f) for t, f in files.items()}}
        if run.recorder.refusal:
            results["lens"]["error"] = run.recorder.refusal
    return results

"""The records of one evaluation, from the first batch to the merged files, in every process of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from lens_models.continuations import ScoredContinuation
from lens_models.work import Work
from lens_results import RunInfo, SampleRecord, new_run_id

from .controls import joined_costs
from .description import ModelOfRun, RunSettings
from .engine import Engine
from .failures import NoReadout
from .placement import leave_group_at_exit
from .reading import Reader
from .record_cache import RecordCache
from .recorder import LensRecorder
from .rereading import Rereading
from .sample import Choices, Sample
from .waiting import WaitingAnswers

__all__ = ["ADVICE", "Answered", "DescribedModel", "Log", "Reads", "Recording", "lens_recording"]

_PEAK = "peak_bytes"
ADVICE = "give --output_path, or lens_dir=FOLDER in --model_args"


class Log(Protocol):
    """Where the harness's users look."""

    def info(self, message: str, /) -> object:
        """What is good to know."""

    def warning(self, message: str, /) -> object:
        """What the user may want to change."""

    def error(self, message: str, /) -> object:
        """What went wrong."""


class Answered(Protocol):
    """The answer to one sample; what else is known of it is between an engine and its reader."""

    @property
    def text(self) -> str:
        """The answer as the harness takes it."""


class Reads(Protocol):
    """Makes records of answered samples; what fails in it costs a sample its readout and nothing else."""

    def held(self, samples: Sequence[Sample], answers: Sequence[Any], /) -> int | None:
        """Bytes that a batch holds while it waits to be read with others; None where nothing is gained by that."""

    def read(self, samples: Sequence[Sample], answers: Sequence[Any], /) -> list[SampleRecord]:
        """One record a sample of one or several batches, in order."""

    def read_choices(
        self, choices: Choices, scored: Sequence[ScoredContinuation], problem: NoReadout | None = None, /
    ) -> SampleRecord:
        """The record of a multiple-choice document."""


class DescribedModel(Protocol):
    """What a run needs to know of the model that answers."""

    @property
    def rank(self) -> int:
        """Number of this process."""

    @property
    def thumbnails(self) -> bool:
        """Whether small pictures of the images are kept."""

    def describe(self, run_id: str, *, harness: str, settings: RunSettings) -> RunInfo:
        """What defines the numbers of a run, see `lens_engine.description`."""


class Recording:
    """Keeps the records of one evaluation.

    Args:
        model: the model that answers.
        reader: makes the records of its answers.
        harness: distribution name of the harness.
        settings: the settings of the harness.
        directory: folder of the record files, or None when the user named none.
        log: where the harness's users look.
        again: what reads answers again beside the reader, for what it costs.
        advice: what the user can do when no folder is known; None says nothing of it.
        kept: whether this process keeps what it reads; of those that hold one model together, which read the same,
            the first one does.
    """

    def __init__(
        self,
        model: DescribedModel,
        reader: Reads,
        harness: str,
        settings: RunSettings,
        directory: Path | None,
        log: Log,
        *,
        again: Rereading | None = None,
        advice: str | None = ADVICE,
        kept: bool = True,
    ) -> None:
        directory = directory if kept else None
        self._kept = kept
        self._processes = PartialState()
        if self._processes.num_processes > 1:
            leave_group_at_exit()
        run_id = broadcast_object_list([new_run_id()])[0]
        info = model.describe(run_id, harness=harness, settings=settings)
        self.recorder = LensRecorder(info, directory, rank=model.rank, thumbnails=model.thumbnails, warn=log.error)
        self.again = again or Rereading()
        self.cache: RecordCache | None = None
        self._spent: dict[str, Any] = {}
        self._costs: dict[str, dict[str, Any]] = {}
        self._reader: Reads | None = reader
        self._waiting: WaitingAnswers[Answered] = WaitingAnswers()
        self.log = log
        if directory is None and advice is not None and kept and self._processes.is_main_process:
            log.warning(f"Lens records are not kept: {advice}")

    def keep_cache(self, folder: Path) -> None:
        """Take answers of earlier runs from a folder of records, and keep those of this run there."""
        self.cache = RecordCache(folder, self.recorder, self.log.info, self.again.controls)

    def spent(self, work: Work | None, answers: int) -> None:
        """Take in what a batch of answers, or a scored document, cost; None where that is not counted."""
        if work is not None:
            self._spent = joined_work([self._spent, {"answers": answers, **asdict(work)}])

    def add(self, samples: Sequence[Sample], answers: Sequence[Answered]) -> None:
        """Record a batch of answered samples, at the latest when `flush` is called."""
        try:
            held = self._open().held(samples, answers)
        except Exception:  # a fault of the lens never ends a run; reading tells what it is
            held = None
        if self._waiting.add(samples, answers, held):
            self._read(*self._waiting.take())

    def release(self) -> None:
        """Let go of the model: read what waits, and keep only what the readers of answers took."""
        if self._reader is None:
            return
        self.flush()
        self._costs = self._control_costs()
        self._reader, self.again = None, Rereading()

    def flush(self) -> None:
        """Read and write what waits."""
        self._read(*self._waiting.take())
        self.recorder.flush()

    def _read(self, samples: Sequence[Sample], answers: Sequence[Answered]) -> None:
        if not samples:
            return

        def read() -> list[SampleRecord]:
            for sample in samples:
                self.recorder.add_pictures(sample.media)
            found = self._open().read(samples, answers)
            return [record for sample, record in zip(samples, found, strict=True) if not sample.padding]

        answered = zip(samples, answers, strict=True)
        kept = [(sample.key, sample.kind, each.text) for sample, each in answered if not sample.padding]
        self.recorder.add_read(kept, read)

    def add_choices(self, choices: Choices, scored: Sequence[ScoredContinuation], problem: NoReadout | None) -> None:
        """Record a multiple-choice document; `problem` is why it could not be read."""
        sample = choices.samples[0]
        if sample.padding:
            return

        def read() -> list[SampleRecord]:
            self.recorder.add_pictures(sample.media)
            return [self._open().read_choices(choices, scored, problem)]

        self.recorder.add_read([(sample.key, sample.kind, "")], read)

    def finish(self) -> dict[str, Path]:
        """Merge the records of all processes; every process calls it, the first one gets the files."""
        self.release()
        costs, spent = gather_object([self._costs]), gather_object([self._spent])
        scores = gather_object([self.recorder.close()])
        if not (self._kept and self._processes.is_main_process):
            return {}
        joined = {key: values for each in scores for key, values in each.items()}
        total = joined_costs(costs)
        for name, cost in total.items():
            self.log.info(
                f"Lens control {name}: {cost['samples']} samples read again in {cost['forward_passes']} forward passes "
                f"and {cost['seconds']:.1f} s"
            )
        work = joined_work(spent)
        if "reused" in work:
            whole = work["reused"] + work["positions"]
            self.log.info(
                f"Lens: {work['reused']} of {whole} positions ({work['reused'] / max(1, whole):.0%}) had the keys and "
                "values of the prompt before and were not computed"
            )
        pictures = work.get("pictures", 0)
        spared = pictures - work.get("pictures_encoded", 0)
        if spared > 0:
            self.log.info(
                f"Lens: {spared} of {pictures} runs of the vision encoder ({spared / pictures:.0%}) were spared: it "
                "had encoded the same picture before"
            )
        info = replace(self.recorder.run_info, control_cost=total, answer_cost=work)
        files = self.recorder.finish(joined, info)
        for task, path in files.items():
            self.log.info(f"Lens records of {task}: {path}")
        return files

    def abandon(self) -> None:
        """The evaluation failed: what was answered is read, stays on disk and is readable."""
        self.flush()
        if self.recorder.directory is not None and len(self.recorder):
            self.log.warning(f"Lens records of {len(self.recorder)} samples so far are in {self.recorder.directory}")

    def _open(self) -> Reads:
        if self._reader is None:
            raise RuntimeError("the recording has let go of its model")
        return self._reader

    def _control_costs(self) -> dict[str, dict[str, Any]]:
        if not self._kept:
            return {}
        for (name, reason), count in self.again.failures.items():
            self.log.warning(f"Lens control {name} failed for {count} samples: {reason}")
        return self.again.costs


def joined_work(costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Costs of answers together: sums, and of what a GPU had taken the most; what one of them does not know is left."""
    total: dict[str, Any] = {}
    for each in costs:
        for name, value in each.items():
            if value is not None:
                total[name] = max(total.get(name, 0), value) if name == _PEAK else total.get(name, 0) + value
    return total


def lens_recording(
    engine: Engine,
    model: ModelOfRun,
    tokenizer: Any,
    harness: str,
    settings: RunSettings,
    directory: Path | None,
    log: Log,
    *,
    advice: str | None = ADVICE,
    kept: bool = True,
) -> Recording:
    """The recording of an engine's answers with the layers of its model.

    Args:
        engine: what answers; it has a lens.
        model: what the description says of its model.
        tokenizer: of its model.
        harness, settings, directory, log, advice, kept: as of `Recording`.
    """
    options = model.options
    again = Rereading.of(engine, model)
    reader = Reader(engine, model.lens, tokenizer, options.thresholds, again, whole_maps=options.whole_maps)
    return Recording(model, reader, harness, settings, directory, log, again=again, advice=advice, kept=kept)

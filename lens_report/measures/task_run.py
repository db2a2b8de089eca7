"""One task of one run: the rows, axes and columns that every part of a report reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.measures.columns import numbers
from lens_report.measures.groups import Groups, groups
from lens_report.measures.main_score import VERDICT, MainScore, main_score, values_of
from lens_report.stats import Clusters
from lens_results import MissingRecordError, Run

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
CONFIDENCES = ("label_free.final_margin", "label_free.vocab_final_prob")
SERVED_CONFIDENCES = ("label_free.final_prob", "label_free.vocab_final_prob")
"""The same where a server lists a few tokens: it leaves the margin open wherever the model is sure of its answer."""
OUTPUT = "output"
"""Probe under which a record keeps what a server gave of the output's distribution."""


@dataclass(frozen=True, eq=False)
class TaskRun:
    """One task of one run.

    Attributes:
        run: Where the samples come from; frames and arrays are read on demand.
        task: The harness's name of the task.
        label: Short name of the run for legends and tables.
    """

    run: Run
    task: str
    label: str
    _stacks: dict[tuple[str, str | None], Floats] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """int [n], this task's rows in the run's frames."""
        return np.flatnonzero((self.run.keys["task"] == self.task).to_numpy())

    @cached_property
    def recorded(self) -> pd.DataFrame:
        """One row a sample of the task as recorded, with a fresh index."""
        return self.run.samples.take(self.rows).reset_index(drop=True)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """`recorded` with these columns added.

        `group`: what was sampled independently (the record's cluster, else its images, else the sample itself);
        `verdict`: 1 right, 0 wrong, NaN unknown; `final_entropy` in nats; `null.answer_length` in characters. The
        scalars are as recorded, under the names that they have now.
        """
        frame = self.recorded.assign(**self._renamed())
        added: dict[str, Any] = {
            "group": self.groups.labels,
            "verdict": self._verdict(),
            "final_entropy": self.at_output("entropy"),
            "null.answer_length": frame["response"].str.len().astype(np.float64),
        }
        return frame.assign(**added)

    @cached_property
    def groups(self) -> Groups:
        """What was sampled independently, and why it is not the records' clusters where it is not."""
        return groups(self.recorded["cluster"], self.recorded["image_sha256"])

    def _renamed(self) -> dict[str, Any]:
        """Scalars of records before format 1.2, which kept two quantities under one name on open tasks.

        Probabilities over the vocabulary get their own names there, and 0 for lost and corrected becomes missing.
        """
        old = tuple(map(int, self.run.info.format_version.split(".")[:2])) < (1, 2)
        open_rows = ~self.closed_rows
        if not old or not open_rows.any():
            return {}
        found: dict[str, Any] = {}
        for name in ("commit_depth", "flips", "auc_pred", "final_prob"):
            if f"label_free.{name}" in self.recorded:
                values = numbers(self.recorded[f"label_free.{name}"])
                found[f"label_free.vocab_{name}"] = np.where(open_rows, values, np.nan)
                found[f"label_free.{name}"] = np.where(open_rows, np.nan, values)
        for column in ("gold_based.correct_then_lost", "gold_based.wrong_then_corrected"):
            if column in self.recorded:
                found[column] = np.where(open_rows, np.nan, numbers(self.recorded[column]))
        return found

    def _verdict(self) -> Floats:
        """1 right, 0 wrong, NaN unknown: the record's verdict, and the main score where that can only say "right".

        On open tasks the record calls an answer right when it is the gold text and knows nothing of the others; in a
        task without any verdict it knows nothing at all. A main score of 0 or 1 takes its place there.
        """
        verdict, score = values_of(self.recorded, VERDICT), main_score(self.recorded, self.listed).judged
        told = np.isin(score, (0.0, 1.0))
        open_or_unjudged = ~self.closed_rows if np.isfinite(verdict).any() else np.ones(verdict.size, dtype=bool)
        return np.where(told & open_or_unjudged, score, verdict)

    @property
    def interventions(self) -> Sequence[Sequence[Any]]:
        """Name, strength and, where there are any, settings of what was changed in the run."""
        return changes_of(self.run)

    @property
    def changes(self) -> str:
        """The same in words, as `lens_intervene` has them; empty for a plain run."""
        return changes_in_words(self.run)

    @cached_property
    def clusters(self) -> Clusters:
        """Clusters of all rows."""
        return Clusters.of(self.frame["group"])

    @cached_property
    def score(self) -> MainScore:
        """The task's main score."""
        found = main_score(self.frame, self.listed)
        by_verdict = found.column == VERDICT
        return replace(found, values=self.answered_right, judged=self.answered_right) if by_verdict else found

    @cached_property
    def answered_right(self) -> Floats:
        """float [n], the record's verdict where it is a score: NaN for open answers, which it only ever calls right."""
        return np.where(self.closed_rows, values_of(self.recorded, VERDICT), np.nan)

    @property
    def listed(self) -> Mapping[str, bool | None]:
        """The metrics of the task's table in the task's order, and whether higher is better; empty when unknown."""
        return self.run.info.metrics.get(self.task, {})

    @property
    def has_layers(self) -> bool:
        """Whether layers were read; where not, the axis of `stack` is empty, and `at_output` says what is known."""
        return self.run.info.has_layers

    @cached_property
    def layers(self) -> NDArray[np.int64]:
        """int [L], the layers read out, rising."""
        return np.asarray(self.run.layer_index, dtype=np.int64)

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks of the model; of a run with layers."""
        known = self.run.info.model.n_layers
        assert known is not None, f"run {self.run.info.run_id} has no layers"
        return known

    @cached_property
    def depth(self) -> Floats:
        """float [L], layer / number of decoder blocks."""
        return np.asarray(self.layers / self.n_layers, dtype=np.float64)

    @cached_property
    def closed_rows(self) -> Bools:
        """bool [n], samples whose candidates were known beforehand: only there is a margin or a format error."""
        if not self.has_layers:
            return self.recorded["candidates"].map(bool).to_numpy(dtype=bool)
        outside = self.recorded["candidates"].map(bool) & self.recorded["pred_candidate"].isna()
        margin = self.column("label_free.final_margin") | self.column("label_free.max_alt")
        return margin | outside.to_numpy(dtype=bool)

    @cached_property
    def sequence_rows(self) -> Bools:
        """bool [n], samples whose candidates were scored as whole token sequences, not by logits of first tokens."""
        return (self.recorded["candidate_method"] == "teacher_forced").to_numpy(dtype=bool)

    @property
    def closed(self) -> bool:
        """Whether the task has candidates known beforehand in any sample."""
        return bool(self.closed_rows.any())

    @cached_property
    def compared(self) -> Bools:
        """bool [n], samples whose gold answer is compared in one way: of the two kinds of samples the larger one.

        With candidates known beforehand gold leads these; without, it is compared with the answer given or the whole
        vocabulary. One curve cannot be about both.
        """
        closed, read = self.closed_rows, self.read_out
        return closed if 2 * (closed & read).sum() >= read.sum() else ~closed

    @property
    def among_candidates(self) -> bool:
        """Whether the compared samples are those with candidates known beforehand."""
        return bool((self.compared & self.closed_rows).any())

    def column(self, name: str) -> Bools:
        """bool [n], where a column of numbers has a value; all False when there is no such column."""
        samples = self.run.samples
        if name not in samples:
            return np.zeros(self.rows.size, dtype=bool)
        return np.isfinite(numbers(samples[name]))[self.rows]

    @cached_property
    def confidence(self) -> str | None:
        """Column of the final confidence, the baseline: the margin, on open tasks the probability; None without.

        Where a task has both kinds of samples, that of the larger one: the two are not the same quantity.
        """
        names = CONFIDENCES if self.has_layers else SERVED_CONFIDENCES
        counts = {name: int(self.frame[name].notna().sum()) for name in names if name in self.frame}
        return max((name for name, count in counts.items() if count), key=lambda name: counts[name], default=None)

    @cached_property
    def read_out(self) -> Bools:
        """bool [n], samples whose readout is at the answer."""
        return (self.frame["status"] == "ok").to_numpy(dtype=bool)

    @cached_property
    def format_error(self) -> Bools:
        """bool [n], answers outside the candidates, and none at all where the task has candidates."""
        outside = self.closed_rows & self.frame["pred_candidate"].isna().to_numpy(dtype=bool)
        silent = (self.frame["status"] == "no_answer").to_numpy(dtype=bool)
        return outside | (silent & self.closed)

    def stack(self, quantity: str, control: str | None = None) -> Floats:
        """A per-layer quantity of the task's samples, float [n, L] or [n, L, width]; all NaN [n, L] where unknown.

        Read once; the array is not to be written to.
        """
        key = (quantity, control)
        if key not in self._stacks:
            try:
                values = self.run.stack(quantity, control)
                values = values if self.rows.size == len(values) else values[self.rows]
            except MissingRecordError:
                values = np.full((self.rows.size, len(self.run.layer_index)), np.nan)
            values.setflags(write=False)
            self._stacks[key] = values
        return self._stacks[key]

    def at_output(self, quantity: str) -> Floats:
        """A per-layer quantity at the model's own output, float [n]: the last layer read, or what a server gave."""
        if self.has_layers:
            return self.stack(quantity)[:, -1]
        found = self.probe(OUTPUT, quantity)
        return np.array([np.nan if own is None else own[0] for own in found], dtype=np.float64)

    def wide(self, quantity: str, control: str | None = None) -> Floats | None:
        """A quantity with a row a layer, float [n, L, width]; None where no sample of the task has it."""
        values = self.stack(quantity, control)
        return values if values.ndim == 3 and np.isfinite(values).any() else None

    def probe(self, name: str, quantity: str) -> list[NDArray[np.float32] | None]:
        """An array of a probe for each sample of the task, None where it has none (`Run.probe`)."""
        if quantity not in self.run.probes.get(name, ()):
            return [None] * self.rows.size
        found = self.run.probe(name, quantity)
        return [found[row] for row in self.rows]

    def threshold(self, name: str, default: float) -> float:
        """A threshold of the run's scalars (theta, m, delta, tau)."""
        return float(self.run.info.lens.thresholds.get(name, default))


def task_runs(run: Run, label: str | None = None) -> list[TaskRun]:
    """One `TaskRun` for each task of a run."""
    return [TaskRun(run, task, label or model_label(run)) for task in run.tasks]


def changes_of(run: Run) -> Sequence[Sequence[Any]]:
    """Name, strength and, where there are any, settings of each intervention of a run."""
    found: Sequence[Sequence[Any]] = run.info.fingerprint.get("interventions") or ()
    return found


def changes_in_words(run: Run) -> str:
    """`dola:1:layers_of=low:cut=0.1+steer:2`; empty for a plain run."""
    return "+".join(
        ":".join([str(name), f"{strength:g}", *(f"{key}={value}" for each in more for key, value in each.items())])
        for name, strength, *more in changes_of(run)
    )


def learnt_lens_of(run: Run) -> Mapping[str, Any]:
    """What the records say of the lens that layers were read with, by name; empty of the logit lens."""
    found = run.info.lens.extra.get("lens")
    return {"name": found} if isinstance(found, str) else found or {}


def _lens_in_words(run: Run) -> str:
    """`lens_kind=tuned`, and that it is refused; empty of the logit lens."""
    lens = learnt_lens_of(run)
    refused = " lens_allow_worse=True" if lens.get("refused_claims") else ""
    return f"lens_kind={lens['name']}{refused}" if lens else ""


def model_label(run: Run) -> str:
    """The model's name without the folders it lies in (an organisation on the hub stays), what was changed in it, and
    with which lens it was read; of a run that its user named, that name."""
    if run.name is not None:
        return run.name
    name = run.info.model.name_or_path
    parts = PurePath(name).parts
    short = name if len(parts) == 2 and not name.startswith((".", "/", "~")) else (parts[-1] if parts else name)
    return " + ".join(each for each in (short, changes_in_words(run), _lens_in_words(run)) if each)


def labels_of(runs: Sequence[Run]) -> list[str]:
    """A short name of each run, unique among them: the model's, with the run's id where models repeat."""
    names = [model_label(run) for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({run.info.run_id})" for name, run in zip(names, runs, strict=True)
    ]

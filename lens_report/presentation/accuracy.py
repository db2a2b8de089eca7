"""`predict_accuracy`: the accuracy of runs without labels, as a table with what each number rests on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from lens_report.measures.accuracy import (
    DEFAULT_METHODS,
    Frames,
    Order,
    Predicted,
    PredictedAccuracies,
    predict_accuracies,
)
from lens_report.measures.runs import Paths
from lens_report.presentation.document.blocks import Block, Document, Section, Sentence, Table, bullets, say
from lens_report.presentation.document.shown import MISSING, Shown, decimal, interval, listed, percent, words
from lens_report.presentation.leaderboard.forms import Board, csv
from lens_report.stats.label_free import METHODS, AccuracyPrediction
from lens_report.stats.label_free.intervals import EXCHANGEABLE, N_DRAWS

TITLE = "Accuracy without labels"
COLUMNS = (
    "task", "model", "answers", "method", "predicted accuracy", "error on labelled sets", "labelled sets", "note",
)  # fmt: skip
TRUTH = "by its labels"


@dataclass(frozen=True)
class AccuracyTable(Board):
    """Predicted accuracies as text.

    Attributes:
        found: The predictions themselves.
        language: Of the written forms.
    """

    file_name: ClassVar[str] = "predicted"
    found: PredictedAccuracies
    language: str = "en"

    def to_csv(self) -> str:
        """One row a set and method, with plain numbers."""
        return csv(_plain(one, each) for one in self.found.sets for each in one.predictions)

    def to_frame(self) -> pd.DataFrame:
        """One row a set and method, with plain numbers: value, low, high, half_width, level, distance, limit, ..."""
        return pd.DataFrame([_plain(one, each) for one in self.found.sets for each in one.predictions])

    def document(self) -> Document:
        """Table, what each method assumes, orders of models, what was left out."""
        compared = any(one.of.truth is not None for one in self.found.sets)
        columns = (*COLUMNS, TRUTH) if compared else COLUMNS
        rows = [_row(one, each, compared) for one in self.found.sets for each in one.predictions]
        blocks: tuple[Block, ...] = (Table("predicted_accuracy", columns, tuple(rows), _notes()),)
        used = dict.fromkeys(each.method for one in self.found.sets for each in one.predictions)
        assumed = bullets([_assumes(name) for name in used])
        orders = bullets([_order(one) for one in self.found.orders])
        problems = bullets([say("{message}.", message=words(one.message)) for one in self.found.problems])
        more = (("What each method assumes", assumed), ("Order of the models", orders), ("Left out", problems))
        return Document(TITLE, (Section("Predictions", blocks), *(Section(*part) for part in more if part[1])))


def predict_accuracy(
    unlabelled: Paths | Frames,
    labelled: Paths | Frames,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    tasks: Iterable[str] | None = None,
    force: bool = False,
    compare: bool = False,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> AccuracyTable:
    """Predict the accuracy of runs without labels from labelled runs.

    What is predicted is the share of right ones among the answers that were read and name a candidate, see
    docs/predict.md. Labels of the unlabelled runs, if they have any, are not looked at.

    Args:
        unlabelled: Record files or folders, or name -> frame of `lens_report.unlabelled`.
        labelled: The same, with labels (frames of `lens_report.labelled`). Those of the same task are used, where
            there are any; else those of the same model; else none, or all if forced. Of frames all are used.
        methods: Names of `lens_report.stats.label_free.METHODS`.
        tasks: Of the unlabelled runs; all when None.
        force: Give numbers although scores are distributed otherwise than in any labelled set, or nothing is related.
        compare: Set the accuracy by the unlabelled runs' own labels beside the predictions, once these are made.
        n_draws: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        ReportError: Nothing can be read, nothing is labelled, or a method is unknown.
    """
    return AccuracyTable(
        predict_accuracies(
            unlabelled, labelled, methods=methods, tasks=tasks, force=force, compare=compare, n_draws=n_draws, seed=seed
        )
    )


def _row(one: Predicted, found: AccuracyPrediction, compared: bool) -> tuple[Shown, ...]:
    of, errors = one.of, found.errors
    read = words(f"{len(of.answers)} of {of.n_samples}")
    width = words(MISSING)
    if errors is not None and found.estimate.value is not None:
        text = f"± {percent(errors.half_width).text} in {100 * errors.level:.0f} %"
        width = Shown([errors.half_width, errors.level], text)
    note = found.estimate.note
    if found.forced:
        note = "; ".join(part for part in (f"forced: {found.outside.reason}", note) if part)
    cells = (
        words(of.task), words(of.model), read, words(found.method), interval(found.estimate, share=True), width,
        words(f"{len(one.sources)}, {one.related}" if one.related else str(len(one.sources))), words(note),
    )  # fmt: skip
    return (*cells, interval(of.truth, share=True)) if compared else cells


def _notes() -> tuple[Sentence, ...]:
    return (
        say(
            "Predicted is the share of right ones among the answers that were read and name a candidate. Intervals are "
            "{level} intervals for other samples of the same sets, if what the method assumes is true. The error on "
            "labelled sets is what predicting each of them from the others keeps to in so many of them; as a bound for "
            "the unlabelled set it {exchangeable}. A shift that changes which answers are right and not their scores "
            "is seen by neither.",
            level=words("95 %"), exchangeable=words(EXCHANGEABLE),
        ),
    )  # fmt: skip


def _assumes(name: str) -> Sentence:
    method = METHODS[name]
    return say(
        "{name}: {about}; {assumes}.", name=words(name), about=words(method.about), assumes=words(method.assumes)
    )


def _order(one: Order) -> Sentence:
    against = "" if one.tau is None else f"; Kendall's tau with the order by the labels {decimal(one.tau, 2).text}"
    return say(
        "{task}, {method}: {models}{against}.",
        task=words(one.task), method=words(one.method), models=listed(list(one.models)),
        against=Shown(one.tau, against),
    )  # fmt: skip


def _plain(one: Predicted, found: AccuracyPrediction) -> dict[str, object]:
    estimate, errors = found.estimate, found.errors
    truth = one.of.truth
    return {
        "task": one.of.task, "model": one.of.model, "answers": len(one.of.answers), "method": found.method,
        "value": estimate.value, "low": estimate.low, "high": estimate.high,
        "half_width": errors.half_width if errors else None, "level": errors.level if errors else None,
        "distance": found.outside.distance, "limit": found.outside.limit, "refused": found.outside.refused,
        "forced": found.forced, "note": estimate.note, "truth": truth.value if truth else None,
    }  # fmt: skip

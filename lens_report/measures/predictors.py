"""Which metrics may be ranked as predictors of error, and the whole protocol of docs/statistics.md for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_report.measures.columns import numbers, strata_labels
from lens_report.stats.association import Association, associate
from lens_report.stats.clusters import Clusters
from lens_report.stats.gain import ConfidenceFit, Gain, usable_rows
from lens_report.stats.increment import Increment, logistic_increment
from lens_report.stats.permutation import N_PERMUTATIONS, NullTest, holm, max_t
from lens_report.stats.power import Power, design_effect, power

Floats = NDArray[np.float64]


LABEL_FREE = "label_free."
GOLD_BASED = "gold_based."
NULL = "null."
"""Prefix of columns made for comparison only, such as the length of the answer."""

HIGHER_MEANS_ERROR = {
    "commit_depth": True,
    "settle_depth": True,
    "flips": True,
    "overthinking": True,
    "auc_pred": False,
    "peak_layer": True,
    "late_drop": True,
    "max_alt": True,
    "dola_layer": True,
    "dola_jsd": True,
    "visual_gain": False,
    "image_confidence": False,
    "svar": False,
    "image_mass": False,
    "attention_entropy": True,
    "attention_sinks": True,
    "sinkless_svar": False,
    "sinkless_attention_entropy": True,
    "relative_attention_entropy": True,
    "attention_drop": False,
    "attention_drop_random": False,
    "word_drop": False,
    "word_drop_random": False,
    "final_prob": False,
    "final_margin": False,
    "vocab_commit_depth": True,
    "vocab_flips": True,
    "vocab_auc_pred": False,
    "vocab_final_prob": False,
}
"""Direction of each label-free metric, fixed before any data are seen: whether high values should go with errors."""

PICTURE = (
    "image_confidence", "svar", "image_mass", "attention_entropy", "attention_sinks", "sinkless_svar",
    "sinkless_attention_entropy", "relative_attention_entropy", "attention_drop", "attention_drop_random", "word_drop",
    "word_drop_random",
)  # fmt: skip
"""Those of them that a probe of the picture or a mask gives: listed only for runs with one."""

_OF_SINKS = ("attention_sinks", "sinkless_svar", "sinkless_attention_entropy")

STRATA = ("answered", "question_type")
"""Answer given and question type: permutations stay within them, regressions adjust for them."""


def repeated_without_sinks(frame: pd.DataFrame) -> tuple[str, ...]:
    """The columns that repeat others where no image token of any sample is an attention sink; none otherwise."""
    columns = tuple(LABEL_FREE + name for name in _OF_SINKS)
    return () if columns[0] in frame and (numbers(frame[columns[0]]) > 0).any() else columns


class NotAPredictorError(ValueError):
    """A column was to be ranked as a predictor of error that may not be."""


def require_predictors(columns: Iterable[str]) -> None:
    """Refuse columns that may not be ranked as predictors of error.

    Raises:
        NotAPredictorError: A column is neither ``label_free.*`` nor ``null.*``.
    """
    for column in columns:
        if column.startswith(GOLD_BASED):
            raise NotAPredictorError(
                f"{column} looks at the gold answer, so ranking it as a predictor of error is circular; "
                f"use a {LABEL_FREE}* metric, or describe {column} with the emergence curves and shares"
            )
        if not column.startswith((LABEL_FREE, NULL)):
            raise NotAPredictorError(
                f"{column} is no predictor of error: expected a column {LABEL_FREE}* (or {NULL}* for a comparison)"
            )


def sign(column: str) -> int:
    """1 when high values of the column should go with errors, -1 when low ones should; 1 for unknown columns."""
    name = column.removeprefix(LABEL_FREE)
    return 1 if HIGHER_MEANS_ERROR.get(name, True) else -1


@dataclass(frozen=True)
class Predictor:
    """Everything that is said about one metric as a predictor of error.

    Attributes:
        column: The metric's column.
        sign: 1 when high values were expected to go with errors, -1 when low ones were (the score was turned round).
        association: AUROC, AUPRC, Spearman and point-biserial correlation with error.
        gain: AUROC over final confidence. None for the confidence itself.
        increment: Logistic regression on top of final confidence. None for the confidence itself.
        null: Permutation of errors within strata.
        p_increment_holm: ``increment.p_wald`` corrected over all metrics of the call.
        p_null_holm: ``null.p_value`` corrected over all metrics of the call.
    """

    column: str
    sign: int
    association: Association
    gain: Gain | None
    increment: Increment | None
    null: NullTest
    p_increment_holm: float | None = None
    p_null_holm: float | None = None


@dataclass(frozen=True)
class Ranking:
    """The metrics, best AUROC first (those without one last), and what the set can show.

    Attributes:
        predictors: One entry a metric, the confidence among them.
        power: From the counts and the design effect of the confidence's AUROC.
        n_unlabelled: Rows without a cluster, each counted as its own.
    """

    predictors: tuple[Predictor, ...]
    power: Power
    n_unlabelled: int


def rank_predictors(
    frame: pd.DataFrame,
    metrics: Sequence[str],
    *,
    confidence: str = "label_free.final_margin",
    entropy: str | None = None,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
) -> Ranking:
    """Rank label-free metrics as predictors of error.

    Args:
        frame: One row a sample: `lens_report.measures.error_rows.ErrorRows.frame`.
        metrics: Columns ``label_free.*`` (or ``null.*`` such as the length of the answer), listed before looking.
        confidence: Column of the final confidence, the baseline to beat.
        entropy: Column of the final entropy; None when the frame has none.
        n_permutations: Permutations, shared by all metrics with the same rows.
        seed: Of everything random.

    Returns:
        The ranking; whatever could not be computed says why.

    Raises:
        NotAPredictorError: A metric looks at the gold answer.
        KeyError: A column is not in the frame.
    """
    data = _Data.of(frame, metrics, confidence, entropy)
    associations = {column: associate(score, data.error, data.clusters) for column, score in data.scores.items()}
    gains = _gains(data, seed)
    nulls = _permuted(data, n_permutations, seed)
    found = [
        Predictor(
            column,
            sign(column),
            associations[column],
            gains.get(column),
            data.increment(column) if column != confidence else None,
            nulls[column],
        )
        for column in data.scores
    ]
    effect = design_effect(associations[confidence].auroc) or 1.0
    sizes = power(int(np.nansum(data.error)), int(np.nansum(1 - data.error)), design_effect=effect)
    return Ranking(_sorted(_corrected(found)), sizes, data.clusters.n_unlabelled)


@dataclass(frozen=True, eq=False)
class _Data:
    """The columns of a frame as arrays; scores are turned so that high values are meant to go with errors."""

    scores: dict[str, Floats]
    confidence: str
    error: Floats
    clusters: Clusters
    strata: NDArray[np.int64]
    entropy: Floats | None
    categories: list[NDArray[Any]]

    @classmethod
    def of(cls, frame: pd.DataFrame, metrics: Sequence[str], confidence: str, entropy: str | None) -> _Data:
        listed = list(dict.fromkeys([*metrics, confidence]))
        require_predictors(listed)
        needed = [*listed, "right", "group", *STRATA, *filter(None, [entropy])]
        absent = [column for column in needed if column not in frame.columns]
        if absent:
            raise KeyError(f"no column {', '.join(absent)}; found {', '.join(map(str, frame.columns))}")
        return cls(
            {column: sign(column) * numbers(frame[column]) for column in listed},
            confidence,
            1.0 - numbers(frame["right"]),
            Clusters.of(frame["group"]),
            strata_labels(frame, STRATA),
            None if entropy is None else numbers(frame[entropy]),
            [frame[column].to_numpy(dtype=object) for column in STRATA],
        )

    def increment(self, column: str) -> Increment:
        margin = self.scores[self.confidence]
        return logistic_increment(
            self.scores[column],
            self.error,
            self.clusters,
            margin=margin,
            entropy=self.entropy,
            categories=self.categories,
        )


def _gains(data: _Data, seed: int) -> dict[str, Gain]:
    """Gains of all metrics but the baseline; those with the same rows share its fit."""
    confidence = data.scores[data.confidence][:, None]
    fits: dict[bytes, ConfidenceFit] = {}
    found = {}
    for column, score in data.scores.items():
        if column == data.confidence:
            continue
        used = usable_rows(score, confidence, data.error)
        key = used.tobytes()
        if key not in fits:
            fits[key] = ConfidenceFit.of(confidence, used, data.error, data.clusters, seed=seed)
        found[column] = fits[key].gain(score)
    return found


def _permuted(data: _Data, n_permutations: int, seed: int) -> dict[str, NullTest]:
    """Permutation tests of all scores; those with the same rows share the permutations."""
    alike: dict[bytes, list[str]] = {}
    for column, score in data.scores.items():
        alike.setdefault(np.isfinite(score).tobytes(), []).append(column)
    found: dict[str, NullTest] = {}
    for columns in alike.values():
        together = np.stack([data.scores[column] for column in columns], axis=1)
        tests = max_t(together, data.error, data.clusters, strata=data.strata, n_permutations=n_permutations, seed=seed)
        # The family of max-T would depend on what is missing where, so the scalars are corrected by Holm instead.
        found |= {column: replace(test, p_adjusted=None) for column, test in zip(columns, tests, strict=True)}
    return found


def _corrected(found: list[Predictor]) -> list[Predictor]:
    increments = holm({one.column: one.increment.p_wald for one in found if one.increment is not None})
    nulls = holm({one.column: one.null.p_value for one in found})
    return [replace(one, p_increment_holm=increments.get(one.column), p_null_holm=nulls[one.column]) for one in found]


def _sorted(found: list[Predictor]) -> tuple[Predictor, ...]:
    def key(one: Predictor) -> float:
        value = one.association.auroc.value
        return float("inf") if value is None else -value

    return tuple(sorted(found, key=key))

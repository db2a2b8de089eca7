"""Which columns may be ranked as predictors of error, and in which direction they are expected to point."""

from __future__ import annotations

from collections.abc import Iterable

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
    "final_prob": False,
    "final_margin": False,
    "vocab_commit_depth": True,
    "vocab_flips": True,
    "vocab_auc_pred": False,
    "vocab_final_prob": False,
}
"""Direction of each label-free metric, fixed before any data are seen: whether high values should go with errors."""


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
                f"use a {LABEL_FREE}* metric, or describe {column} with the survival curves and shares"
            )
        if not column.startswith((LABEL_FREE, NULL)):
            raise NotAPredictorError(
                f"{column} is no predictor of error: expected a column {LABEL_FREE}* (or {NULL}* for a comparison)"
            )


def sign(column: str) -> int:
    """1 when high values of the column should go with errors, -1 when low ones should; 1 for unknown columns."""
    name = column.removeprefix(LABEL_FREE)
    return 1 if HIGHER_MEANS_ERROR.get(name, True) else -1

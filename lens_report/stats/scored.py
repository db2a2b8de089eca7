"""A score beside the errors that it is meant to rank, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lens_report.stats.clusters import Clusters
from lens_report.stats.results import Sizes

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scored:
    """A score, errors and clusters of the rows that have all of them; the clusters keep their codes.

    Attributes:
        score: float [n].
        error: bool [n].
        clusters: of these n rows.
        note: How many rows were left out for want of a score; empty when none.
    """

    score: Floats
    error: Bools
    clusters: Clusters
    note: str = ""

    @classmethod
    def of(cls, score: ArrayLike, error: ArrayLike, clusters: Clusters | ArrayLike) -> Scored:
        """Rows where score [n] is finite and error [n] (1 or True for a wrong answer) is known.

        Raises:
            ValueError: The lengths differ.
        """
        values, wrong = np.asarray(score, dtype=np.float64), np.asarray(error, dtype=np.float64)
        groups = Clusters.of(clusters)
        if not values.shape == wrong.shape == groups.codes.shape:
            raise ValueError(
                f"score, error and clusters have one entry a row, found {values.shape}, {wrong.shape}, "
                f"{groups.codes.shape}"
            )
        known = np.isfinite(values) & np.isfinite(wrong)
        left_out = int((~known).sum())
        note = f"{left_out} of {known.size} rows have no value" if left_out else ""
        return cls(values[known], wrong[known] > 0, groups.at(known), note)

    @property
    def sizes(self) -> Sizes:
        """Rows, clusters and errors."""
        return Sizes(self.error.size, self.clusters.n_present(), int(self.error.sum()))

    @property
    def why_none(self) -> str:
        """Why no association can be given at all; empty when one can."""
        if not self.error.size:
            return "no rows with a value and a verdict"
        if self.error.all() or not self.error.any():
            return "all answers are wrong" if self.error.all() else "no answer is wrong"
        return "the value is the same in all rows" if np.ptp(self.score) == 0 else ""

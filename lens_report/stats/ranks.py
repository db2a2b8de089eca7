"""How well a score ranks errors above right answers, by all measures, for many weightings of the clusters, exactly.

Like `lens_report.stats.ranked_pairs`, which holds what AUROC alone needs, with a row for every distinct score of an
error: average precision differs from one to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_report.stats.clusters import Clusters, Weights
from lens_report.stats.ranked_pairs import ErrorLevels, Floats, Ints, PairSums, by_row, counts, ratio, running_sums


@dataclass(frozen=True, eq=False)
class RankTable:
    """Where the errors of one score stand among the right answers, by cluster.

    Attributes:
        errors: sparse [K, clusters], number of errors at each distinct score of an error, highest score first; see
            `lens_report.stats.ranked_pairs.by_row`.
        rights: sparse [K, clusters], right answers at that score and between it and the one before.
        n_levels: Rows of both that are in use.
        levels_tied: int [S], which of the K scores right answers have as well.
        rights_tied: sparse [S, clusters], these right answers.
        n_error: float [clusters], errors.
        n_right: float [clusters], right answers.
        singles: float [clusters], rows whose score occurs once.
        tied: sparse [T, clusters], rows of each score that occurs more than once.
    """

    errors: Any
    rights: Any
    n_levels: int
    levels_tied: Ints
    rights_tied: Any
    n_error: Floats
    n_right: Floats
    singles: Floats
    tied: Any

    @classmethod
    def build(cls, score: Floats, error: NDArray[np.bool_], clusters: Clusters) -> RankTable:
        """Sort the rows: score float [n] without NaN, error bool [n], clusters of the same n rows."""
        order = ErrorLevels.of(score, error)
        wrong, right = clusters.codes[error], clusters.codes[~error]
        inside = order.above < order.count
        levels_tied, tied_level = np.unique(order.above[order.tied], return_inverse=True)
        _, value_of, repeats = np.unique(score, return_inverse=True, return_counts=True)
        many = repeats[value_of] > 1
        level_of = np.cumsum(repeats > 1) - 1
        return cls(
            errors=by_row(order.level, wrong, clusters, order.count),
            rights=by_row(order.above[inside], right[inside], clusters, order.count),
            n_levels=order.count,
            levels_tied=levels_tied,
            rights_tied=by_row(tied_level, right[order.tied], clusters, levels_tied.size),
            n_error=counts(wrong, clusters),
            n_right=counts(right, clusters),
            singles=counts(clusters.codes[~many], clusters),
            tied=by_row(level_of[value_of[many]], clusters.codes[many], clusters, int((repeats > 1).sum())),
        )

    def evaluate(self, weights: Weights) -> RankSums:
        """The sums that all measures need, for weights float [clusters, draws]."""
        n_error, n_right = self.n_error @ weights, self.n_right @ weights
        errors, passed = self.errors @ weights, running_sums(self.rights @ weights)
        # Sums of fractions go over the levels in use: empty rows would change how numpy groups what it adds up.
        used = slice(self.n_levels)
        rights_tied = (self.rights_tied @ weights)[: self.levels_tied.size]
        ties = np.einsum("kd,kd->d", errors[self.levels_tied], rights_tied)
        losses = np.einsum("kd,kd->d", errors, passed) - 0.5 * ties
        found = running_sums(errors)
        # Where nothing is retrieved nothing is found either, and the precision is 0 / 1.
        retrieved = np.maximum(np.add(found, passed, out=passed), 1.0, out=passed)
        precision = np.divide(found, retrieved, out=found)
        together = self.tied @ weights
        cubes = self.singles @ (weights * weights * weights) + (together * together * together).sum(axis=0)
        pairs = PairSums(n_error * n_right - losses, n_error, n_right)
        return RankSums(pairs, np.einsum("kd,kd->d", errors[used], precision[used]), cubes)


@dataclass(frozen=True, eq=False)
class RankSums:
    """What a weighting leaves of a `RankTable`.

    Attributes:
        pairs: The pairs won.
        precision_sum: Sum over the errors of the precision at their score, float [draws].
        cubes: Sum over the distinct scores of their weight to the third power, float [draws].
    """

    pairs: PairSums
    precision_sum: Floats
    cubes: Floats

    @property
    def auprc(self) -> Floats:
        """Average precision for errors, as scikit-learn defines it; NaN without errors or without right answers."""
        return ratio(self.precision_sum, np.where(self.pairs.n_right > 0, self.pairs.n_error, 0.0))

    @property
    def spearman(self) -> Floats:
        """Spearman correlation of score and error (1 wrong, 0 right), mid-ranks for ties; NaN when one is constant.

        With a binary variable it is (AUROC - 1/2) n sqrt(p (1 - p)) / sd(ranks), where n sd^2 = (n^3 - sum t^3) / 12.
        """
        pairs = self.pairs
        n = pairs.n_error + pairs.n_right
        variance = np.divide(n**3 - self.cubes, 12.0 * n, out=np.zeros_like(n), where=n > 0)
        spread = np.sqrt(pairs.n_error * pairs.n_right)
        return ratio((pairs.auroc - 0.5) * spread, np.sqrt(np.maximum(variance, 0.0)))

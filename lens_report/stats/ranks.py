"""How well a score ranks errors above right answers, for many weightings of the clusters at once, exactly.

The rows are sorted once. What a weighting needs is then a sum of cluster weights for every distinct score of an error
and every gap between two of them: a sparse matrix (as many entries as rows) times the weights. All sums are whole
numbers in double precision, so ties are counted exactly and a weighted value equals that of the resampled rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lens_report.stats.clusters import Clusters, Weights

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RankTable:
    """Where the errors of one score stand among the right answers, by cluster.

    Attributes:
        errors: sparse [K, clusters], number of errors at each distinct score of an error, highest score first.
        rights: sparse [2 K + 1, clusters], number of right answers above the highest of those scores, at it, between it
            and the next, and so on.
        singles: float [clusters], rows whose score occurs once.
        tied: sparse [T, clusters], rows of each score that occurs more than once.
    """

    errors: Any
    rights: Any
    singles: Floats
    tied: Any

    @classmethod
    def build(cls, score: Floats, error: NDArray[np.bool_], clusters: Clusters) -> RankTable:
        """Sort the rows: score float [n] without NaN, error bool [n], clusters of the same n rows."""
        levels = np.unique(score[error])
        right = ~error
        above = levels.size - np.searchsorted(levels, score[right], side="right")
        at_level = np.searchsorted(levels, score[right], side="left") < levels.size - above
        error_bin = levels.size - 1 - np.searchsorted(levels, score[error])
        _, value_of, repeats = np.unique(score, return_inverse=True, return_counts=True)
        many = repeats[value_of] > 1
        level_of = np.cumsum(repeats > 1) - 1
        return cls(
            errors=_counts(error_bin, clusters.codes[error], levels.size, clusters.count),
            rights=_counts(2 * above + at_level, clusters.codes[right], 2 * levels.size + 1, clusters.count),
            singles=np.bincount(clusters.codes[~many], minlength=clusters.count).astype(np.float64),
            tied=_counts(level_of[value_of[many]], clusters.codes[many], int((repeats > 1).sum()), clusters.count),
        )

    def pairs(self, weights: Weights) -> PairSums:
        """The sums that AUROC needs, for weights float [clusters, draws]."""
        return self._pairs(weights)[0]

    def evaluate(self, weights: Weights) -> RankSums:
        """The sums that all measures need, for weights float [clusters, draws]."""
        pairs, errors, found, passed = self._pairs(weights)
        retrieved = found + passed[1::2]
        precision = np.divide(found, retrieved, out=np.zeros_like(found), where=retrieved > 0)
        cubes = self.singles @ (weights * weights * weights) + ((self.tied @ weights) ** 3).sum(axis=0)
        return RankSums(pairs, np.einsum("kd,kd->d", errors, precision), cubes)

    def _pairs(self, weights: Weights) -> tuple[PairSums, Floats, Floats, Floats]:
        errors = self.errors @ weights
        passed = np.cumsum(self.rights @ weights, axis=0)
        found = np.cumsum(errors, axis=0)
        n_right = passed[-1]
        # Right answers above a score are counted in full, those at it by half: the mean of the two running sums.
        losses = 0.5 * np.einsum("kd,kd->d", errors, passed[0:-1:2] + passed[1::2])
        n_error = found[-1] if len(found) else np.zeros(weights.shape[1])
        return PairSums(n_error * n_right - losses, n_error, n_right), errors, found, passed


@dataclass(frozen=True, eq=False)
class PairSums:
    """Pairs of an error and a right answer under a weighting; all float [draws].

    Attributes:
        wins: Pairs in which the error has the higher score, ties counted half.
        n_error: Weight of the errors.
        n_right: Weight of the right answers.
    """

    wins: Floats
    n_error: Floats
    n_right: Floats

    @property
    def auroc(self) -> Floats:
        """Area under the ROC curve for errors; NaN for one class only."""
        return ratio(self.wins, self.n_error * self.n_right)


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


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient of two arrays of one shape, NaN where the denominator is not positive."""
    out = np.full_like(numerator, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def _counts(row: NDArray[np.int64], column: NDArray[np.int64], n_rows: int, n_columns: int) -> Any:
    return csr_array((np.ones(row.size), (row, column)), shape=(n_rows, n_columns))

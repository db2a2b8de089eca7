"""What a set of answers looks like as a whole: sorted confidences and readouts, for a regression of accuracy on them.

After the confidence profiles of Fu et al. 2023 (arXiv:2305.14802), who regress the accuracy of labelled sets on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import LeaveOneGroupOut

from lens_report.stats.clusters import cluster_weights
from lens_report.stats.label_free.answer_set import CONFIDENCE, AnswerSet, NotPredictedError, common_scores
from lens_report.stats.scored import Floats

LEVELS = np.arange(0.05, 1.0, 0.1)
"""Levels of the quantiles of the confidence profile: ten, as the middles of tenths."""
N_SUBSETS = 40
"""Subsets drawn from each labelled set."""
MIN_SETS = 4
"""Fewest labelled sets for a regression over sets: fewer leave nothing to choose the penalty by."""
PENALTIES = tuple(10.0**power for power in range(-1, 5))


def profile(values: Floats, weights: Floats, levels: Floats = LEVELS) -> Floats:
    """Weighted quantiles of a score: float [n], float [n, k] (how often each answer counts) -> float [k, levels].

    The smallest value up to which a share of at least the level lies.
    """
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order], axis=0)
    reached = below[:, :, None] >= levels * below[-1][:, None]
    return np.asarray(values[order][reached.argmax(axis=0)], dtype=np.float64)


def features(answers: AnswerSet, weights: Floats, readouts: Sequence[str]) -> Floats:
    """Columns of subsets of a set: float [n, k] -> float [k, columns].

    The profile of the confidence, its mean, and the mean of each readout named.
    """
    names = (CONFIDENCE, *readouts)
    means = [weights.T @ answers.scores[name] / weights.sum(axis=0) for name in names]
    return np.column_stack([profile(answers.confidence, weights), *means])


@dataclass(frozen=True, eq=False)
class Regression:
    """Ridge regression of the accuracy of subsets on their columns.

    Attributes:
        readouts: Beside the confidence.
        centre: float [columns], mean over the subsets.
        scale: float [columns], standard deviation, 1 where there is none.
        model: Fitted on the scaled columns.
        penalty: Of the ridge.
    """

    readouts: tuple[str, ...]
    centre: Floats
    scale: Floats
    model: Ridge
    penalty: float

    def accuracy(self, answers: AnswerSet) -> float:
        """Predicted accuracy of a set, within 0 and 1."""
        missing = [name for name in self.readouts if name not in answers.complete]
        if missing:
            raise NotPredictedError(f"{answers.name} lacks {', '.join(missing)}, which the labelled sets have")
        columns = features(answers, np.ones((len(answers), 1)), self.readouts)
        value = self.model.predict((columns - self.centre) / self.scale)[0]
        return float(np.clip(value, 0.0, 1.0))


def regression(
    sets: Sequence[AnswerSet],
    among: Sequence[str] = (),
    *,
    seed: int = 0,
    penalty: float | None = None,
    n_subsets: int = N_SUBSETS,
) -> Regression:
    """Fit on subsets of labelled sets, whole clusters drawn with replacement, as many as the set has.

    Args:
        sets: Labelled, at least `MIN_SETS`.
        among: Readouts that may be used; those that some answer of some set lacks are not.
        seed: Of the subsets.
        penalty: Of the ridge; None chooses among `PENALTIES` by leaving out one set at a time.
        n_subsets: Of each set.

    Raises:
        NotPredictedError: There are fewer sets.
    """
    if len(sets) < MIN_SETS:
        raise NotPredictedError(f"a regression over labelled sets needs at least {MIN_SETS} of them, found {len(sets)}")
    readouts = common_scores(list(sets), among=tuple(among))
    columns, accuracies = [], []
    for place, each in enumerate(sets):
        drawn = cluster_weights(each.clusters.count, n_subsets, np.random.default_rng([seed, place]))
        weights = drawn[each.clusters.codes]
        weights = weights[:, weights.sum(axis=0) > 0]
        columns.append(features(each, weights, readouts))
        accuracies.append(weights.T @ each.verdicts / weights.sum(axis=0))
    x, y = np.concatenate(columns), np.concatenate(accuracies)
    of_set = np.repeat(np.arange(len(sets)), [part.shape[0] for part in columns])
    centre, spread = x.mean(axis=0), x.std(axis=0)
    scale = np.where(spread > 1e-12, spread, 1.0)
    scaled = (x - centre) / scale
    if penalty is None:
        folds = list(LeaveOneGroupOut().split(scaled, y, of_set))
        penalty = float(RidgeCV(PENALTIES, cv=folds, scoring="neg_mean_absolute_error").fit(scaled, y).alpha_)
    return Regression(readouts, centre, scale, Ridge(penalty).fit(scaled, y), penalty)

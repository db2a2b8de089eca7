"""Whether an unlabelled set lies beyond what labelled sets can speak about: a test on the distributions of scores.

It sees scores alone. A shift that changes what is right and leaves the scores as they are cannot be seen by any test
without labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lens_report.stats.label_free.answer_set import AnswerSet

MIN_SETS = 5
"""Fewest labelled sets whose distances from each other are a yardstick."""
FEW_SETS_LIMIT = 0.15
"""Distance beyond chance that is let pass where there are fewer: a convention, nothing is known to derive it from."""
_CHANCE = 1.358
"""95 % point of the Kolmogorov-Smirnov statistic of two large samples, in units of sqrt(1 / n + 1 / m)."""


@dataclass(frozen=True)
class Outside:
    """How far an unlabelled set lies from the labelled ones.

    Attributes:
        distance: Kolmogorov-Smirnov distance to the nearest labelled set, the largest over the scores; None where no
            score is looked at.
        limit: Largest distance that is let pass.
        score: The score in which it is largest.
        nearest: Name of that labelled set.
        yardstick: How the limit was made.
    """

    distance: float | None = None
    limit: float | None = None
    score: str = ""
    nearest: str = ""
    yardstick: str = ""

    @property
    def refused(self) -> bool:
        """Whether the set lies outside."""
        return self.distance is not None and self.limit is not None and self.distance > self.limit

    @property
    def reason(self) -> str:
        """What was found."""
        if self.distance is None:
            return "no score is looked at, so no shift can be seen"
        place = "beyond" if self.refused else "within"
        return (
            f"the distribution of {self.score} differs from that of the nearest labelled set, {self.nearest}, by "
            f"{self.distance:.2f} (Kolmogorov-Smirnov), {place} the limit of {self.limit:.2f}: {self.yardstick}"
        )


def outside(sources: Sequence[AnswerSet], target: AnswerSet, scores: Sequence[str]) -> Outside:
    """Compare the distributions of the scores with those of the labelled sets.

    The distance of two sets is the largest Kolmogorov-Smirnov statistic over the scores. The limit is the largest
    distance of any labelled set from its nearest other one: if the unlabelled set is drawn as the labelled ones were,
    it lies beyond it with probability 1 / (sets + 1) at most. With fewer than `MIN_SETS` sets it is `FEW_SETS_LIMIT`
    plus the 95 % point of the statistic under no shift, every cluster counting as one observation.
    """
    if not scores:
        return Outside()
    found = [_distance(source, target, scores) for source in sources]
    place = int(np.argmin([distance for distance, _ in found]))
    distance, score = found[place]
    if len(sources) < MIN_SETS:
        counts = [each.clusters.n_present() for each in (sources[place], target)]
        limit = FEW_SETS_LIMIT + _CHANCE * float(np.sqrt(sum(1 / count for count in counts)))
        why = f"{FEW_SETS_LIMIT} beyond chance, a convention for fewer than {MIN_SETS} labelled sets"
        return Outside(distance, limit, score, sources[place].name, why)
    table = np.full((len(sources), len(sources)), np.inf)
    for one in range(len(sources)):
        for other in range(one):
            table[one, other] = table[other, one] = _distance(sources[one], sources[other], scores)[0]
    why = "the largest distance of a labelled set from its nearest other one"
    return Outside(distance, float(table.min(axis=1).max()), score, sources[place].name, why)


def _distance(one: AnswerSet, other: AnswerSet, scores: Sequence[str]) -> tuple[float, str]:
    return max((_statistic(one.scores[name], other.scores[name]), name) for name in scores)


def _statistic(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference of two empirical distribution functions."""
    at = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(values), at, side="right") / values.size for values in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())

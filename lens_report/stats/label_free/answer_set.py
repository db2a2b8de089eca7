"""A set of answers: scores of each answer, and whether it is right where that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lens_report.stats.clusters import Clusters
from lens_report.stats.scored import Floats

Ints = NDArray[np.int64]
CONFIDENCE, ENTROPY = "confidence", "entropy"
"""The two scores of the last layer; all others are readouts of the layers or of the picture."""


class NotPredictedError(ValueError):
    """A method is not defined on the sets that it was given. The message says what is missing."""


@dataclass(frozen=True, eq=False)
class AnswerSet:
    """Answers of one model to one set of questions.

    Attributes:
        name: Of the set, for messages.
        scores: Name -> float [n]; `CONFIDENCE` (share of the answer given at the last layer) and `ENTROPY` (nats) are
            finite, readouts may be NaN.
        clusters: Of the n answers.
        right: float [n], 1 or 0; None without labels.
        shares: float [n, C], of each candidate at the last layer, 0 for one that an answer has not; None without
            candidates.
        candidates: Labels of the C candidates.
        gold: int [n], the right candidate, -1 where it is none of them; None without labels.
    """

    name: str
    scores: Mapping[str, Floats]
    clusters: Clusters
    right: Floats | None = None
    shares: Floats | None = None
    candidates: tuple[str, ...] = ()
    gold: Ints | None = field(default=None)

    def __post_init__(self) -> None:
        lengths = {name: values.shape for name, values in self.scores.items()}
        if set(lengths.values()) != {self.clusters.codes.shape}:
            raise ValueError(f"{self.name}: one score an answer, found {lengths}, {self.clusters.codes.size} clusters")
        for name in (CONFIDENCE, ENTROPY):
            if name not in self.scores or not np.isfinite(self.scores[name]).all():
                raise ValueError(f"{self.name}: expected a finite {name!r} of every answer")

    def __len__(self) -> int:
        return int(self.clusters.codes.size)

    @property
    def confidence(self) -> Floats:
        """float [n], the share of the answer given."""
        return self.scores[CONFIDENCE]

    @property
    def verdicts(self) -> Floats:
        """float [n], 1 right, 0 wrong. Raises `NotPredictedError` without labels."""
        if self.right is None:
            raise NotPredictedError(f"{self.name} has no labels; expected a labelled set")
        return self.right

    @property
    def accuracy(self) -> float:
        """Share of right answers. Raises `NotPredictedError` without labels."""
        return float(self.verdicts.mean())

    @cached_property
    def complete(self) -> tuple[str, ...]:
        """Names of the scores that every answer has."""
        return tuple(name for name, values in self.scores.items() if np.isfinite(values).all())

    def without_labels(self) -> AnswerSet:
        """The same answers, nobody knowing which are right."""
        return replace(self, right=None, gold=None)

    def with_scores(self, names: Sequence[str]) -> AnswerSet:
        """The same answers with these scores alone."""
        return replace(self, scores={name: self.scores[name] for name in names})

    def at(self, rows: Ints, clusters: Clusters) -> AnswerSet:
        """Some of the answers, in any order, with the clusters given."""
        return AnswerSet(
            self.name,
            {name: values[rows] for name, values in self.scores.items()},
            clusters,
            None if self.right is None else self.right[rows],
            None if self.shares is None else self.shares[rows],
            self.candidates,
            None if self.gold is None else self.gold[rows],
        )

    def resampled(self, rng: np.random.Generator) -> AnswerSet:
        """As many clusters drawn with replacement; a cluster that is drawn twice counts as two."""
        order, starts, sizes = self._by_cluster
        drawn = rng.integers(0, sizes.size, sizes.size)
        lengths = sizes[drawn]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows = order[np.repeat(starts[drawn], lengths) + within]
        return self.at(rows, Clusters(np.repeat(np.arange(drawn.size), lengths), drawn.size))

    @cached_property
    def _by_cluster(self) -> tuple[Ints, Ints, Ints]:
        """Rows in the order of their clusters, where each cluster begins among them, and its size."""
        codes = np.unique(self.clusters.codes, return_inverse=True)[1]
        sizes = np.bincount(codes)
        return np.argsort(codes, kind="stable"), np.cumsum(sizes) - sizes, sizes


def common_scores(sets: list[AnswerSet], *, among: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Names of the scores that every answer of every set has, in the order of the first set."""
    shared = set.intersection(*(set(each.complete) for each in sets))
    return tuple(name for name in sets[0].scores if name in shared and (among is None or name in among))

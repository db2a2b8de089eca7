"""The four thresholds of the scalar metrics, with the reasons for their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

__all__ = ["Thresholds"]


@dataclass(frozen=True)
class Thresholds:
    """Cut-offs of the scalar metrics; stored with every run, since the metrics mean nothing without them.

    Attributes:
        theta: Candidate mass above which a layer is read as being about the candidates at all, in [0, 1).
            Default 0.1: a readout that is spread evenly over a vocabulary puts less than 0.001 on a handful of
            candidate tokens, so a tenth of the probability is far from chance, and still well below the mass of
            layers that have settled on answering (close to 1).
        m: Number of recorded layers in a row for which a lead must last, at least 1. Default 2: one layer alone is
            what noise produces; more than two would hide short episodes in models of 10 to 30 layers.
        delta: Lead in nats over the next candidate that counts as clear, at least 0. Default 1.0: odds of e to 1,
            a probability of .73 between two candidates.
        tau: Jensen-Shannon divergence in nats below which a layer counts as equal to the last one, in [0, ln 2].
            Default 0.1: the divergence between a coin at .5 and a coin at .9.

    Raises:
        ValueError: A threshold lies outside its range.
    """

    theta: float = 0.1
    m: int = 2
    delta: float = 1.0
    tau: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 <= self.theta < 1.0:
            raise ValueError(f"theta is a candidate mass in [0, 1), found {self.theta}")
        if self.m < 1 or self.m != int(self.m):
            raise ValueError(f"m is a number of layers, 1 or more, found {self.m}")
        if not self.delta >= 0.0:
            raise ValueError(f"delta is a margin in nats, 0 or more, found {self.delta}")
        if not 0.0 <= self.tau <= log(2.0):
            raise ValueError(f"tau is a divergence in nats between 0 and ln 2 = 0.693, found {self.tau}")

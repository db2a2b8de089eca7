"""Hypotheses with their tests: what holds in the main run after correction, and what holds again in the seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from lens_report.stats import Estimate, holm

LEVEL = 0.05
Tested = tuple[Estimate, float | None]
"""An estimate and its two-sided p-value, None where it could not be tested."""


@dataclass(frozen=True)
class Claim:
    """One hypothesis.

    Attributes:
        topic: What it belongs to, a key of `hypotheses.TOPICS`.
        task: Task of the main run.
        what: In words: what is compared.
        unit: Of the estimate: layers, nats, share, or AUROC.
        estimate: In the main run.
        p: Two-sided, of the main run; None where it could not be tested.
        control: Which control or null stands behind it.
        seeds: Seed -> estimate and p there; empty where no seed has the task or the field.
        p_holm: Corrected for all claims.
    """

    topic: str
    task: str
    what: str
    unit: str
    estimate: Estimate
    p: float | None
    control: str
    seeds: dict[str, Tested] = field(default_factory=dict)
    p_holm: float | None = None

    @property
    def holds(self) -> bool:
        """Significant in the main run after correction."""
        return self.p_holm is not None and self.p_holm < LEVEL

    @property
    def repeats(self) -> bool:
        """Holds, and every seed that can be asked agrees in sign with a p below the level of its own."""
        value = self.estimate.value
        return self.holds and bool(self.seeds) and all(
            one.value is not None and p is not None and p < LEVEL and value is not None and one.value * value > 0
            for one, p in self.seeds.values()
        )  # fmt: skip


def corrected(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """Every claim with its p-value corrected for all of them; those that could not be tested stay in the list."""
    found = tuple(claims)
    p_values = holm({str(place): one.p for place, one in enumerate(found)})
    return tuple(replace(one, p_holm=p_values[str(place)]) for place, one in enumerate(found))

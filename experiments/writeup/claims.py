"""The hypotheses that were listed beforehand, tested in the main run and again in the seeds, Holm over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from experiments.writeup.concepts import depth_by_concept
from experiments.writeup.material import DRAWS, MAIN, SEEDS, Material
from lens_report import Analysis
from lens_report.analysis.candidates import answer_log_odds, cand_scores, indices
from lens_report.decoders import decoders
from lens_report.stats import Estimate, holm
from lens_report.stats.above_chance import depth_difference
from lens_report.stats.pairs import paired

PAIRS = (("existence", "colour"), ("existence", "count"), ("colour", "count"), ("shape", "count"), ("size", "count"))
"""Which of two concepts becomes readable first (second minus first, in layers)."""
LEVEL = 0.05


@dataclass(frozen=True)
class Claim:
    """One hypothesis.

    Attributes:
        kind: order, image or decoder.
        task: Task of the main run.
        what: In words: what is compared.
        unit: Of the estimate.
        estimate: In the main run.
        p: Two-sided, of the main run; None where it could not be tested.
        p_holm: Corrected for all claims.
        seeds: Seed -> estimate and p there; empty where no seed has the task or the field.
        control: Which control or test stands behind it.
    """

    kind: str
    task: str
    what: str
    unit: str
    estimate: Estimate
    p: float | None
    control: str
    seeds: dict[str, tuple[Estimate, float | None]]
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


def all_claims(material: Material) -> tuple[Claim, ...]:
    """Every claim with its corrected p-value; those that could not be tested stay in the list."""
    found = [*_orders(material), *_images(material), *_decoders(material)]
    corrected = holm({str(place): one.p for place, one in enumerate(found)})
    return tuple(replace(one, p_holm=corrected[str(place)]) for place, one in enumerate(found))


def _orders(material: Material) -> Iterator[Claim]:
    seeds = {
        name: depth_by_concept(one.subject, n_draws=DRAWS.bootstrap)
        for name, one in material.everywhere("clevr_mini", SEEDS)
    }
    for task in ("clevr_mini", "ruclevr_mini"):
        kinds = depth_by_concept(material.analyses[MAIN, task].subject, n_draws=DRAWS.bootstrap)
        for first, second in PAIRS:
            if first not in kinds or second not in kinds:
                continue
            estimate, p = depth_difference(kinds[first], kinds[second])
            again = {
                name: depth_difference(of[first], of[second])
                for name, of in seeds.items()
                if task == "clevr_mini" and first in of and second in of
            }
            what = f"{second} minus {first}: depth at which half of the final accuracy above chance is reached"
            yield Claim("order", task, what, "layers", estimate, p, "gold answers shuffled within the concept", again)


def _images(material: Material) -> Iterator[Claim]:
    for task, analysis in material.of(MAIN).items():
        for control in ("blank", "shuffled"):
            found = _gain(analysis, control)
            if found is None:
                continue
            again = {
                name: result
                for name, one in material.everywhere(task, SEEDS)
                if (result := _gain(one, control)) is not None
            }
            what = f"own minus {control} image: log-odds of the answer given at the last layer"
            yield Claim("image", task, what, "nats", *found, f"the {control} image itself", again)


def _gain(analysis: Analysis, control: str) -> tuple[Estimate, float | None] | None:
    """Mean visual gain at the last layer and its cluster-robust p; None where the control was not read."""
    subject = analysis.subject
    if control not in subject.run.controls:
        return None
    own, other = cand_scores(subject), cand_scores(subject, control)
    if own is None or other is None:
        return None
    answer = indices(subject, "pred_candidate")
    first, second = (answer_log_odds(scores, answer)[:, -1] for scores in (other, own))
    result = paired(first, second, subject.clusters)
    return (result.difference, result.p_value) if np.isfinite(first - second).any() else None


def _decoders(material: Material) -> Iterator[Claim]:
    for task, analysis in material.of(MAIN).items():
        found = {one.name: one for one in decoders(analysis.subject).outcomes}
        again = {name: decoders(one.subject) for name, one in material.everywhere(task, SEEDS)}
        for name, one in found.items():
            if one.result is None:
                continue
            seeds = {
                seed: (other.result.difference, other.result.p_value)
                for seed, all_of in again.items()
                for other in all_of.outcomes
                if other.name == name and other.result is not None
            }
            what = f"{name} minus final layer: accuracy"
            control = "settings chosen on other samples; paired test"
            yield Claim("decoder", task, what, "share", one.result.difference, one.result.p_value, control, seeds)

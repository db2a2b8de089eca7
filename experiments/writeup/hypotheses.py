"""What is asked of the reference runs, topic by topic: the main run first, then every seed that has the field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from experiments.writeup import measures
from experiments.writeup.claims import Claim, Tested, corrected
from experiments.writeup.concepts import DIRECT, RELATED, THROUGH, depth_by_concept
from experiments.writeup.material import DRAWS, MAIN, SEEDS, Material
from lens_report import Analysis
from lens_report.stats import AboveChance, depth_difference

PAIRS = (("existence", "colour"), ("existence", "count"), ("colour", "count"), ("shape", "count"), ("size", "count"))
"""Which of two concepts becomes readable first (second minus first, in layers)."""
BEYOND = ("commit_depth", "auc_pred")
"""Readouts of the layers that are asked whether they add to final confidence."""
HALFWAY = "depth at which half of the final accuracy above chance is reached"
SCENES = ("clevr_mini", "ruclevr_mini")
Ask = Callable[[str], Tested | None]
"""Name of an experiment -> estimate and p there, None where it cannot be asked."""


@dataclass(frozen=True)
class Topic:
    """A group of hypotheses.

    Attributes:
        title: In words.
        before: Whether it was listed before the first of the runs was read.
        above: What an estimate above zero says.
        below: What an estimate below zero says.
    """

    title: str
    before: bool
    above: str
    below: str


TOPICS = {
    "order": Topic(
        "Which of two concepts becomes readable at a smaller depth",
        True,
        "The second concept becomes readable deeper",
        "The first concept becomes readable deeper",
    ),
    "image": Topic(
        "What the image does to the log-odds of the answer given",
        True,
        "The answer depends on the image",
        "The picture speaks against the answer",
    ),
    "decoder": Topic(
        "Other decoders than the final layer",
        True,
        "The decoder answers better than the final layer",
        "The decoder answers worse than the final layer",
    ),
    "confidence": Topic(
        "Errors ranked by final confidence",
        False,
        "Unsure answers are wrong more often",
        "Confident answers are wrong more often",
    ),
    "beyond": Topic(
        "Readouts of the layers on top of final confidence",
        False,
        "The layers add to final confidence",
        "The layers take away from final confidence",
    ),
    "movement": Topic(
        "Right answers lost against wrong ones corrected",
        False,
        "Losing a right answer is more frequent than correcting a wrong one",
        "Correcting a wrong answer is more frequent than losing a right one",
    ),
    "early": Topic(
        "Existence against the middle of the network",
        False,
        "Existence becomes readable in the second half of the network",
        "Existence becomes readable in the first half of the network",
    ),
    "relation": Topic(
        "Questions through a spatial relation against direct ones",
        False,
        "Questions through a relation become readable deeper",
        "Questions through a relation become readable earlier",
    ),
}


def all_claims(material: Material, depths: Depths) -> tuple[Claim, ...]:
    """Every hypothesis with its corrected p-value."""
    return corrected(
        [
            *_orders(depths),
            *_images(material),
            *_decoders(material),
            *_errors(material),
            *_movement(material),
            *_early(depths),
            *_relations(depths),
        ]
    )


class Depths:
    """Depths by concept of each run, computed once."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self._found: dict[tuple[str, str], dict[str, AboveChance]] = {}

    def of(self, name: str, task: str) -> dict[str, AboveChance]:
        """Concept -> depth in a task of an experiment; empty where it does not have the task."""
        key = (name, task)
        if key not in self.material.analyses:
            return {}
        if key not in self._found:
            self._found[key] = depth_by_concept(self.material.analyses[key].task_run, n_draws=DRAWS.bootstrap)
        return self._found[key]

    def difference(self, name: str, *, task: str, first: str, second: str) -> Tested | None:
        """Half-way depth of the second concept minus that of the first; None where one of them is missing."""
        kinds = self.of(name, task)
        return depth_difference(kinds[first], kinds[second]) if first in kinds and second in kinds else None


def _claims(topic: str, task: str, what: str, unit: str, control: str, ask: Ask) -> Iterator[Claim]:
    """The claim, with the seeds that can be asked; nothing where the main run cannot."""
    found = ask(MAIN)
    if found is not None:
        seeds = {name: again for name in SEEDS if (again := ask(name)) is not None}
        yield Claim(topic, task, what, unit, *found, control, seeds)


def _in(material: Material, task: str, measure: Callable[[Analysis], Tested | None]) -> Ask:
    """A measure of one task as a question to any experiment."""

    def ask(name: str) -> Tested | None:
        one = material.analyses.get((name, task))
        return None if one is None else measure(one)

    return ask


def _orders(depths: Depths) -> Iterator[Claim]:
    for task in SCENES:
        for first, second in PAIRS:
            ask = partial(depths.difference, task=task, first=first, second=second)
            what = f"{HALFWAY}, {second} minus {first}"
            yield from _claims("order", task, what, "layers", "gold answers shuffled within the concept", ask)


def _relations(depths: Depths) -> Iterator[Claim]:
    for task in SCENES:
        for concept in RELATED:
            ask = partial(depths.difference, task=task, first=f"{concept} {DIRECT}", second=f"{concept} {THROUGH}")
            what = f"{HALFWAY}, {concept} {THROUGH} minus {concept} {DIRECT}"
            yield from _claims("relation", task, what, "layers", "gold answers shuffled within each kind", ask)


def _early(depths: Depths) -> Iterator[Claim]:
    task, concept = "pope_mini", "existence"

    def ask(name: str) -> Tested | None:
        one = depths.of(name, task).get(concept)
        return (
            None
            if one is None
            else measures.from_the_middle(one, depths.material.analyses[name, task].task_run.n_layers)
        )

    what = f"{HALFWAY}, existence minus the middle of the network"
    yield from _claims("early", task, what, "layers", "gold answers shuffled", ask)


def _images(material: Material) -> Iterator[Claim]:
    for task in material.of(MAIN):
        for control in ("blank", "shuffled"):
            ask = _in(material, task, partial(measures.visual_gain, control=control))
            what = f"log-odds of the answer given at the last layer, own image minus {control} image"
            yield from _claims("image", task, what, "nats", f"the {control} image itself", ask)


def _decoders(material: Material) -> Iterator[Claim]:
    for task, analysis in material.of(MAIN).items():
        for one in analysis.decoders.outcomes:
            ask = _in(material, task, partial(measures.decoder_gain, decoder=one.name))
            what = f"accuracy, {one.name} minus final layer"
            yield from _claims("decoder", task, what, "share", "settings chosen on other samples; paired test", ask)


def _errors(material: Material) -> Iterator[Claim]:
    for task in material.of(MAIN):
        what = "AUROC of final confidence for errors, minus one half"
        control = "errors permuted among samples with the same answer and question type"
        ask = _in(material, task, measures.confidence_auroc)
        yield from _claims("confidence", task, what, "AUROC", control, ask)
        for metric in BEYOND:
            what = f"AUROC for errors, final confidence with {metric} minus final confidence alone"
            control = "cross-fitted over images; p of the regression coefficient"
            ask = _in(material, task, partial(measures.gain_over_confidence, metric=metric))
            yield from _claims("beyond", task, what, "AUROC", control, ask)


def _movement(material: Material) -> Iterator[Claim]:
    for task in material.of(MAIN):
        what = "share of wrong answers whose right one was lost, minus share of right answers that were corrected"
        ask = _in(material, task, measures.lost_minus_corrected)
        yield from _claims("movement", task, what, "share", "the right answers", ask)

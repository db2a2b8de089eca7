"""pope_mini: POPE's yes/no questions about objects that are there or not.

An object kind is a colour and a shape. As in POPE, every picture gets three kinds that are there and three that
are not, one of each per category:

* random: any absent kind;
* popular: absent, and among the eight kinds found in most pictures of the set;
* adversarial: absent, but its colour and its shape are both in the picture, on different solids; of those the
  kind that stands most often together with the kinds of this picture in the other pictures of the set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import product
from typing import Any, Final

import numpy as np

from lens_tasks.scenes.boxes import boxes_cell, referents
from lens_tasks.scenes.english import question_text
from lens_tasks.scenes.pictures import Row, image_cell, scenes_of
from lens_tasks.scenes.questions import Noun, Phrase, Question
from lens_tasks.scenes.world import COLOURS, SHAPES, Scene

Kind = tuple[str, str]

CATEGORIES: Final = ("random", "popular", "adversarial")
KINDS: Final[tuple[Kind, ...]] = tuple(product(COLOURS, SHAPES))
POPULAR: Final = 8
"""How many of the most frequent kinds count as popular: a third of all."""

IMAGES: Final = 100
_SEED: Final = 2311


def kinds_of(scene: Scene) -> set[Kind]:
    """The kinds that are in a picture."""
    return {solid.kind for solid in scene.solids}


def _mixed(scene: Scene) -> list[Kind]:
    """Absent kinds whose colour and shape are both in the picture."""
    present = kinds_of(scene)
    colours, shapes = {color for color, _ in present}, {shape for _, shape in present}
    return [k for k in KINDS if k not in present and k[0] in colours and k[1] in shapes]


def suitable(scene: Scene) -> bool:
    """Whether three kinds can be asked for and an adversarial one exists."""
    return len(kinds_of(scene)) >= 3 and bool(_mixed(scene))


class _Statistics:
    """How often kinds occur, alone and together, over the pictures of the set."""

    def __init__(self, scenes: list[Scene]) -> None:
        self.pictures = Counter(kind for scene in scenes for kind in kinds_of(scene))
        self.together = Counter((a, b) for scene in scenes for a in kinds_of(scene) for b in kinds_of(scene) if a != b)

    def popular(self) -> list[Kind]:
        return sorted(KINDS, key=lambda kind: (-self.pictures[kind], kind))[:POPULAR]

    def company(self, kind: Kind, scene: Scene) -> int:
        return sum(self.together[(kind, other)] for other in kinds_of(scene))


def _one(rng: np.random.Generator, kinds: list[Kind]) -> Kind:
    return kinds[int(rng.integers(len(kinds)))]


def _negatives(rng: np.random.Generator, scene: Scene, statistics: _Statistics) -> dict[str, Kind]:
    """Three different absent kinds, by category."""
    present = kinds_of(scene)
    adversarial = min(_mixed(scene), key=lambda kind: (-statistics.company(kind, scene), kind))
    taken = present | {adversarial}
    popular = _one(rng, [k for k in statistics.popular() if k not in taken] or [k for k in KINDS if k not in taken])
    taken = taken | {popular}
    return {
        "random": _one(rng, [k for k in KINDS if k not in taken]),
        "popular": popular,
        "adversarial": adversarial,
    }


def pope_rows(images: int = IMAGES) -> list[Row]:
    """Six questions about each picture."""
    numbered = list(scenes_of("pope_mini", images, suitable))
    statistics = _Statistics([scene for _, scene in numbered])
    rows: list[Row] = []
    for number, scene in numbered:
        rng = np.random.default_rng((_SEED, number))
        name = f"scene_{number:06d}"
        image = image_cell(scene, f"{name}.png")
        kinds = sorted(kinds_of(scene))
        positives = [kinds[i] for i in rng.permutation(len(kinds))[:3]]
        negatives = _negatives(rng, scene, statistics)
        for category, positive in zip(CATEGORIES, positives, strict=True):
            for kind, answer in ((positive, "yes"), (negatives[category], "no")):
                rows.append(question_row(len(rows), scene, kind, answer, name, image, category))
    return rows


def question_row(
    number: int, scene: Scene, kind: Kind, answer: str, name: str, image: Mapping[str, Any], category: str
) -> Row:
    """Whether a kind of object is in a picture, which has a name."""
    question = Question("exist", (Phrase(Noun(color=kind[0], shape=kind[1])),))
    return {
        "id": str(number),
        "question_id": str(number + 1),
        "question": question_text(question),
        "answer": answer,
        "image_source": name,
        "image": image,
        "category": category,
        "lens_boxes": boxes_cell(scene, *referents(question, scene)),
    }

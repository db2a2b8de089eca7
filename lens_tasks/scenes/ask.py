"""Draw questions about a scene that have one answer, and need the whole question to be answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from lens_tasks.scenes.execution import DegenerateQuestion
from lens_tasks.scenes.programs import answer
from lens_tasks.scenes.questions import COMPARISONS, Noun, Phrase, Question
from lens_tasks.scenes.world import ATTRIBUTES, RELATIONS, Scene, Solid, related

_NAMES: Final = tuple(ATTRIBUTES)
_TRIES: Final = 40


def _noun_of(solid: Solid, names: tuple[str, ...]) -> Noun:
    return Noun(**{name: solid.value(name) for name in names})


def _some(rng: np.random.Generator, names: tuple[str, ...], least: int, most: int) -> tuple[str, ...]:
    count = int(rng.integers(least, min(most, len(names)) + 1))
    return tuple(names[i] for i in sorted(rng.permutation(len(names))[:count]))


def _members(noun: Noun, scene: Scene) -> list[int]:
    return [i for i, solid in enumerate(scene.solids) if noun.fits(solid)]


def single(rng: np.random.Generator, scene: Scene, index: int, avoid: str | None = None) -> Phrase | None:
    """A short phrase without anchor that fits only solid ``index`` and does not name attribute ``avoid``."""
    names = tuple(name for name in _NAMES if name != avoid)
    fits = []
    for code in range(1, 2 ** len(names)):
        chosen = tuple(name for bit, name in enumerate(names) if code >> bit & 1)
        noun = _noun_of(scene.solids[index], chosen)
        if _members(noun, scene) == [index]:
            fits.append((len(chosen), noun))
    if not fits:
        return None
    shortest = min(length for length, _ in fits)
    close = [noun for length, noun in fits if length <= shortest + int(rng.random() < 0.3)]
    return Phrase(close[int(rng.integers(len(close)))])


def unique_phrase(
    rng: np.random.Generator, scene: Scene, index: int, hops: int, avoid: str | None = None
) -> Phrase | None:
    """A phrase with ``hops`` anchors that fits only solid ``index``, and would not without the anchors."""
    if hops == 0:
        return single(rng, scene, index, avoid)
    names = tuple(name for name in _NAMES if name != avoid)
    for _ in range(8):
        anchor = int(rng.integers(len(scene.solids)))
        if anchor == index:
            continue
        link = RELATIONS[int(rng.integers(len(RELATIONS)))]
        noun = _noun_of(scene.solids[index], _some(rng, names, 0, 2))
        base = scene.solids[anchor]
        there = [i for i, s in enumerate(scene.solids) if noun.fits(s) and related(base, s, link)]
        if there != [index] or len(_members(noun, scene)) < 2:
            continue
        tail = unique_phrase(rng, scene, anchor, hops - 1)
        if tail is not None:
            return Phrase(noun, link, tail)
    return None


def _random_noun(rng: np.random.Generator, scene: Scene, most: int, open_shape: float) -> Noun:
    """A noun that may or may not fit: attributes are mixed from two solids, or from thin air."""
    names = _some(rng, _NAMES, 1, most)
    if "shape" not in names and rng.random() > open_shape:
        names = (*names, "shape")[-most:]
    first, second = (scene.solids[int(i)] for i in rng.integers(len(scene.solids), size=2))
    values = {}
    for name in names:
        source = rng.random()
        if source < 0.15:
            options = ATTRIBUTES[name]
            values[name] = options[int(rng.integers(len(options)))]
        else:
            values[name] = (first if source < 0.65 else second).value(name)
    return Noun(**values)


def group_phrase(
    rng: np.random.Generator, scene: Scene, hops: int, most: int = 2, allow_same: bool = True
) -> Phrase | None:
    """A phrase for any number of solids, none included, with ``hops`` anchors.

    With ``allow_same`` a quarter of the one-anchor phrases ask for solids that share an attribute with the anchor.
    """
    if hops == 0:
        return Phrase(_random_noun(rng, scene, most, 0.4))
    tail = unique_phrase(rng, scene, int(rng.integers(len(scene.solids))), hops - 1)
    if tail is None:
        return None
    noun = Noun() if rng.random() < 0.25 else _random_noun(rng, scene, most, 0.4)
    link: str = RELATIONS[int(rng.integers(len(RELATIONS)))]
    if allow_same and hops == 1 and rng.random() < 0.25:
        link, noun = f"same_{_NAMES[int(rng.integers(len(_NAMES)))]}", Noun()
    # An empty set is only worth asking about when the noun exists somewhere else in the picture.
    return Phrase(noun, link, tail) if _members(noun, scene) else None


def _group(family: str) -> Callable[[np.random.Generator, Scene, int], Question | None]:
    def draw(rng: np.random.Generator, scene: Scene, hops: int) -> Question | None:
        phrase = group_phrase(rng, scene, hops, 3 if family == "exist" else 2)
        return None if phrase is None else Question(family, (phrase,))

    return draw


def _compare_integer(rng: np.random.Generator, scene: Scene, hops: int) -> Question | None:
    first, second = group_phrase(rng, scene, min(hops, 1), 2, False), group_phrase(rng, scene, 0)
    if first is None or second is None or first == second:
        return None
    if not _members(first.noun, scene) and not _members(second.noun, scene):
        return None
    return Question("compare_integer", (first, second), COMPARISONS[int(rng.integers(3))])


def _compare_attribute(rng: np.random.Generator, scene: Scene, hops: int) -> Question | None:
    name = _NAMES[int(rng.integers(len(_NAMES)))]
    one, two = (int(i) for i in rng.permutation(len(scene.solids))[:2])
    first, second = unique_phrase(rng, scene, one, min(hops, 1), name), unique_phrase(rng, scene, two, 0, name)
    return None if first is None or second is None else Question("compare_attribute", (first, second), name)


def _query(rng: np.random.Generator, scene: Scene, hops: int) -> Question | None:
    name = _NAMES[int(rng.integers(len(_NAMES)))]
    phrase = unique_phrase(rng, scene, int(rng.integers(len(scene.solids))), hops, name)
    return None if phrase is None else Question("query_attribute", (phrase,), name)


_DRAW: Final = {
    "exist": _group("exist"),
    "count": _group("count"),
    "compare_integer": _compare_integer,
    "compare_attribute": _compare_attribute,
    "query_attribute": _query,
}


def draw_question(rng: np.random.Generator, scene: Scene, family: str, hops: int) -> tuple[Question, str] | None:
    """A question of a family with up to ``hops`` anchors, and its answer; None where none was found."""
    for _ in range(_TRIES):
        question = _DRAW[family](rng, scene, hops)
        if question is None:
            continue
        try:
            return question, answer(question, scene)
        except DegenerateQuestion:
            continue
    return None

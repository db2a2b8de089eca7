"""Wordings: grammar checks, and a snapshot of all Russian templates for a person to read.

Run this file as a script to write the snapshot anew.
"""

from itertools import product
from pathlib import Path

import pytest

from lens_tasks.scenes import declension, english, instructions, russian
from lens_tasks.scenes.questions import COMPARISONS, Noun, Phrase, Question
from lens_tasks.scenes.world import ATTRIBUTES, RELATIONS

SNAPSHOT = Path(__file__).with_name("russian_wordings.txt")
CUBE, SPHERE = Phrase(Noun(shape="cube", color="blue")), Phrase(Noun(shape="sphere", size="large"))
THING = Phrase(Noun(material="metal", color="red"))


def _questions() -> list[Question]:
    found = []
    for family in ("exist", "count"):
        found += [Question(family, (phrase,)) for phrase in (CUBE, SPHERE, THING)]
        for link in RELATIONS:
            found += [Question(family, (Phrase(THING.noun, link, anchor),)) for anchor in (CUBE, SPHERE, THING)]
            found.append(Question(family, (Phrase(Noun(shape="cylinder"), link, Phrase(SPHERE.noun, link, CUBE)),)))
            found.append(Question(family, (Phrase(Noun(), link, Phrase(CUBE.noun, link, SPHERE)),)))
        found += [Question(family, (Phrase(Noun(), f"same_{name}", SPHERE),)) for name in ATTRIBUTES]
    for detail in COMPARISONS:
        found += [Question("compare_integer", pair, detail) for pair in ((CUBE, SPHERE), (SPHERE, THING))]
    for name in ATTRIBUTES:
        found += [Question("compare_attribute", pair, name) for pair in ((CUBE, SPHERE), (THING, CUBE))]
        for phrase in (CUBE, SPHERE, THING):
            found.append(Question("query_attribute", (phrase,), name))
            found.append(Question("query_attribute", (Phrase(phrase.noun, "front", SPHERE),), name))
            found.append(
                Question("query_attribute", (Phrase(phrase.noun, "left", Phrase(CUBE.noun, "behind", SPHERE)),), name)
            )
    return found


def snapshot() -> str:
    lines = ["# Declension: " + ", ".join(declension.FORMS)]
    for noun in declension.NOUNS:
        lines.append(", ".join(declension.noun_form(noun, form) for form in declension.FORMS))
    for value, gender in product(declension.ADJECTIVES, "mf"):
        lines.append(", ".join(declension.adjective_form(value, gender, form) for form in declension.FORMS))
    lines += ["", "# Answers"] + [f"{en}: {ru}" for en, ru in russian.ANSWERS.items()]
    lines += ["", "# Questions"]
    for question in _questions():
        lines.append(f"{russian.question_text(question)}   [{english.question_text(question)}]")
    lines += ["", "# Instructions"]
    lines += [text.replace("\n", " / ") for text in (*instructions.RUCLEVR, *instructions.WEIRD)]
    return "\n".join(lines) + "\n"


def test_snapshot_is_current():
    assert SNAPSHOT.read_text(encoding="utf-8") == snapshot(), f"run python {Path(__file__).name} and read the changes"


@pytest.mark.parametrize(
    ("noun", "form", "expected"),
    [
        (Noun(color="blue", shape="sphere"), "nom", "синяя сфера"),
        (Noun(color="blue", shape="cube"), "gen", "синего куба"),
        (Noun(size="large", shape="sphere"), "ins", "большой сферой"),
        (Noun(size="large", shape="cube"), "nom", "большой куб"),
        (Noun(size="small", shape="cylinder"), "ins", "маленьким цилиндром"),
        (Noun(material="metal"), "gen_pl", "металлических предметов"),
        (Noun(color="cyan", shape="cylinder"), "nom", "голубой цилиндр"),
        (Noun(color="cyan", shape="sphere"), "nom", "голубая сфера"),
        (
            Noun(size="large", color="red", material="rubber", shape="sphere"),
            "nom_pl",
            "большие красные резиновые сферы",
        ),
        (Noun(size="large", shape="sphere"), "gen_pl", "больших сфер"),
    ],
)
def test_agreement(noun, form, expected):
    assert russian.noun_text(noun, form) == expected


@pytest.mark.parametrize(
    ("family", "phrase", "detail", "expected"),
    [
        ("exist", Phrase(Noun(color="red", shape="cube")), "", "Is there a red cube in the image?"),
        ("count", Phrase(Noun(shape="cube"), "front", SPHERE), "", "How many cubes are in front of the large sphere?"),
        (
            "count",
            Phrase(Noun(), "same_color", SPHERE),
            "",
            "How many other things are of the same color as the large sphere?",
        ),
        (
            "exist",
            Phrase(Noun(), "same_size", CUBE),
            "",
            "Are there any other things of the same size as the blue cube?",
        ),
        (
            "query_attribute",
            Phrase(Noun(), "left", CUBE),
            "material",
            "What is the thing that is left of the blue cube made of?",
        ),
    ],
)
def test_english(family, phrase, detail, expected):
    assert english.question_text(Question(family, (phrase,), detail)) == expected


def test_half_of_the_instructions_ask_for_reasoning():
    for texts in (instructions.RUCLEVR, instructions.WEIRD):
        assert len(texts) == len(set(texts)) == 10
        asking = [instructions.asks_for_reasoning(text) for text in texts]
        assert asking == [i >= instructions.REASONING_FROM for i in range(10)]
        assert all(text.count("<image>") == 1 and text.count("{question}") == 1 for text in texts)


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot(), encoding="utf-8")

"""The results that written steps state, and what else could stand in their place, in both languages."""

from __future__ import annotations

import pytest

from lens_tasks.program_steps import ProgramStep
from lens_tasks.scenes.declension import FORMS, NOUNS, adjective_form, gender, noun_form
from lens_tasks.stated_results import stated_result

LABELS = ("small blue metal cube", "large red rubber sphere", "small green rubber cylinder")


@pytest.mark.parametrize(
    ("text", "function", "stated", "others"),
    [
        # one value is the whole step: the nominative, whatever else the form could be
        ("Step 1: small blue metal cube.", "unique", "small blue metal cube",
         ("large red rubber sphere", "small green rubber cylinder")),
        ("Шаг 1: маленький синий металлический куб.", "unique", "маленький синий металлический куб",
         ("большая красная резиновая сфера", "маленький зеленый резиновый цилиндр")),
        ("Step 2: 3.", "count", "3", ("4", "5", "6")),
        ("Шаг 2: 10.", "count", "10", ("0", "1", "2")),
        ("Step 3: yes.", "greater_than", "yes", ("no",)),
        ("Шаг 3: Да.", "equal_color", "Да", ("Нет",)),
        ("Шаг 3: нет.", "exist", "нет", ("да",)),
        ("Шаг 2: жёлтый.", "query_color", "жёлтый", ("серый", "красный", "синий")),
        ("Шаг 2: голубой.", "query_color", "голубой", ("желтый", "серый", "красный")),
        ("Шаг 2: большой.", "query_size", "большой", ("маленький",)),
        ("Шаг 2: резина.", "query_material", "резина", ("металл",)),
        ("Шаг 2: сфера.", "query_shape", "сфера", ("цилиндр", "куб")),
        ("Step 2: Three.", "count", "Three", ("Four", "Five", "Six")),
        # in a sentence: the form that the words around it ask for
        ("The cube left of the big, red ball.", "unique", "big, red ball",
         ("small blue metal cube", "small green rubber cylinder")),
        ("There are three of them.", "count", "three", ("four", "five", "six")),
        ("Их три.", "count", "три", ("четыре", "два")),
        ("Там 5 предметов.", "count", "5", ("6", "7", "8")),
        ("There are 3 cubes.", "count", "3", ("4", "2")),
        ("The blue thing is red.", "query_color", "red", ("blue", "green", "brown")),
        ("Она синяя.", "query_color", "синяя", ("зеленая", "коричневая", "фиолетовая")),
        ("Цвет куба связан с синим.", "query_color", "синим", ("зеленым", "коричневым", "фиолетовым")),
        ("It is big.", "query_size", "big", ("small",)),
        ("Он резиновый.", "query_material", "резиновый", ("металлический",)),
        ("Это рядом с красным кубом.", "unique", "красным кубом",
         ("маленьким зеленым резиновым цилиндром",)),
        # genitive and instrumental of the feminine are one word
        ("Это рядом с красной.", "query_color", "красной", ("синей", "зеленой", "коричневой")),
        ("Он стоит слева от куба.", "query_shape", "куба", ("цилиндра",)),
    ],
)  # fmt: skip
def test_a_step_states_the_last_value_of_its_kind(
    text: str, function: str, stated: str, others: tuple[str, ...]
) -> None:
    labels = LABELS if "красным" not in text else ("small blue metal sphere", LABELS[2])
    found = stated_result(text, ProgramStep(function, (), ""), labels)
    assert found is not None
    assert (text[found.start : found.end], found.others) == (stated, others)


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("There is 1 cube.", "count"),  # no other number stands before a singular
        ("Там 1 куб.", "count"),
        ("Он стоит у голубой.", "query_color"),  # the masculine nominative is the same word
        ("Это металл, как видно.", "query_material"),
        ("Слева видна сфера.", "query_shape"),  # no other noun is feminine
    ],
)
def test_a_value_whose_place_no_other_fits_is_not_replaced(text: str, function: str) -> None:
    found = stated_result(text, ProgramStep(function, (), ""), LABELS)
    assert found is not None and found.start < found.end and found.others == ()


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("Step 2: red.", "count"),
        ("2) red", "count"),
        ("**Шаг 2.** красный", "count"),
        ("Let me see.", "exist"),
        ("Step 1: red.", "unique"),
        ("Step 1: 3.", "weigh"),
    ],
)
def test_a_step_that_states_no_such_value_has_no_result(text: str, function: str) -> None:
    assert stated_result(text, ProgramStep(function, (), ""), LABELS) is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("noun", NOUNS)
def test_a_phrase_in_any_form_is_replaced_in_the_same_form(noun: str, form: str) -> None:
    """Against the declension that the questions of the benchmarks are written with."""
    own = gender(noun)
    text = f"вот {adjective_form('red', own, form)} {noun_form(noun, form)} тут"
    found = stated_result(text, ProgramStep("unique", (), ""), ("blue cube", "blue cylinder", "blue sphere"))
    assert found is not None
    expected = [
        f"{adjective_form('blue', own, form)} {noun_form(other, form)}"
        for other in ("cube", "cylinder", "sphere")
        if gender(other) == own
    ]
    assert list(found.others) == expected

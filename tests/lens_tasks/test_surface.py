from __future__ import annotations

import pytest

from lens_tasks.surface import fold, letter_forms, word_forms
from lens_tasks.vocabulary import CLEVR, RUCLEVR, YES_NO_RUSSIAN


@pytest.mark.parametrize(
    ("left", "right"), [("B", "В"), ("ёлка", "ЕЛКА"), ("Серый", "cepый"), ("КОТ", "kot"), ("нет", "НЕТ")]
)
def test_fold_makes_look_alikes_equal(left, right):
    assert fold(left) == fold(right)


@pytest.mark.parametrize(("left", "right"), [("yes", "no"), ("да", "нет"), ("3", "З"), ("A", "Б")])
def test_fold_keeps_different_words_apart(left, right):
    assert fold(left) != fold(right)


@pytest.mark.parametrize("text", ["", "İstanbul", "ß ﬁ", "Ответ: ёж 🙂"])
def test_fold_keeps_the_length(text):
    assert len(fold(text)) == len(text)


def test_word_forms_have_cases_spaces_and_yo():
    assert set(word_forms(["зелёный"])) == {
        space + form
        for space in ("", " ")
        for form in ("зелёный", "зеленый", "Зелёный", "Зеленый", "ЗЕЛЁНЫЙ", "ЗЕЛЕНЫЙ")
    }


def test_digits_have_no_cases():
    assert word_forms(["2"]) == ("2", " 2")


@pytest.mark.parametrize("letter", ["B", "b", "В", " B "])
def test_letter_forms_are_latin_and_cyrillic_capitals(letter):
    assert letter_forms(letter) == ("B", " B", "В", " В")


def test_letters_without_a_cyrillic_look_alike():
    assert letter_forms("D") == ("D", " D")
    assert letter_forms("C", cyrillic=False) == ("C", " C")


def test_clevr_has_its_28_answers():
    assert len(CLEVR) == len({candidate.label for candidate in CLEVR}) == 28
    assert {"yes", "no", "0", "10", "cyan", "cylinder", "large", "rubber"} <= {candidate.label for candidate in CLEVR}


@pytest.mark.parametrize("vocabulary", [CLEVR, RUCLEVR])
def test_no_form_belongs_to_two_answers(vocabulary):
    owners: dict[str, set[str]] = {}
    for candidate in vocabulary:
        for form in candidate.variants:
            owners.setdefault(fold(form.strip()), set()).add(candidate.label)
    assert all(len(labels) == 1 for labels in owners.values())


def test_russian_and_english_labels_go_together():
    english = {russian.label: own.label for russian, own in zip(RUCLEVR, CLEVR, strict=True)}
    assert (english["да"], english["голубой"], english["резина"], len(english)) == ("yes", "cyan", "rubber", 28)
    assert [candidate.label for candidate in YES_NO_RUSSIAN] == ["да", "нет"]

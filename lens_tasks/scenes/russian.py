"""Russian wordings and answers, after ruCLEVR's questions."""

from __future__ import annotations

from typing import Final

from lens_tasks.scenes.declension import adjective_form, gender, noun_form
from lens_tasks.scenes.questions import Noun, Phrase, Question

ANSWERS: Final = {
    "yes": "да",
    "no": "нет",
    **{str(number): str(number) for number in range(11)},
    "gray": "серый",
    "red": "красный",
    "blue": "синий",
    "green": "зеленый",
    "brown": "коричневый",
    "purple": "фиолетовый",
    "cyan": "голубой",
    "yellow": "желтый",
    "cube": "куб",
    "sphere": "сфера",
    "cylinder": "цилиндр",
    "small": "маленький",
    "large": "большой",
    "rubber": "резина",
    "metal": "металл",
}
"""English answer to its Russian initial form."""

QUESTION_TYPES: Final = {"color": "colors", "shape": "shapes", "size": "size", "material": "materials"}
"""Queried attribute to ruCLEVR's ``question_type``; counts are ``count``, yes/no questions ``binary``."""

_LINKS: Final = {
    "left": ("слева от", "gen"),
    "right": ("справа от", "gen"),
    "front": ("перед", "ins"),
    "behind": ("позади", "gen"),
}
_SAME: Final = {
    "color": "того же цвета",
    "shape": "той же формы",
    "size": "того же размера",
    "material": "из того же материала",
}
_QUERY: Final = {"color": "Какого цвета {0}?", "shape": "Какой формы {0}?", "size": "Какого размера {0}?"}
_COMPARE: Final = {
    "equal": "Верно ли, что {0} столько же, сколько {1}?",
    "greater": "Верно ли, что {0} больше, чем {1}?",
    "less": "Верно ли, что {0} меньше, чем {1}?",
}
_EQUAL: Final = {
    "color": "Одинакового ли цвета {0} и {1}?",
    "shape": "Одинаковой ли формы {0} и {1}?",
    "size": "Одинакового ли размера {0} и {1}?",
    "material": "Из одного ли материала сделаны {0} и {1}?",
}


def _head(noun: Noun) -> str:
    return noun.shape or "thing"


def noun_text(noun: Noun, form: str) -> str:
    """``большой красный металлический куб`` in a form of declension.FORMS."""
    head = _head(noun)
    words = [adjective_form(value, gender(head), form) for name, value in noun.pairs() if name != "shape"]
    return " ".join([*words, noun_form(head, form)])


def _where(phrase: Phrase) -> str:
    """``слева от сферы, которая находится позади куба`` for a phrase with an anchor."""
    assert phrase.anchor is not None and phrase.link is not None
    link, form = _LINKS[phrase.link]
    anchor = phrase.anchor
    text = f"{link} {noun_text(anchor.noun, form)}"
    if anchor.anchor is None:
        return text
    pronoun = "которая" if gender(_head(anchor.noun)) == "f" else "который"
    return f"{text}, {pronoun} находится {_where(anchor)}"


def _like(phrase: Phrase, noun: str) -> str:
    """``предметы того же цвета, что и большой куб``; ``noun`` is the counted word."""
    assert phrase.anchor is not None and phrase.shared is not None
    return f"{noun} {_SAME[phrase.shared]}, что и {_phrase_text(phrase.anchor, 'nom')}"


def _phrase_text(phrase: Phrase, form: str) -> str:
    text = noun_text(phrase.noun, form)
    return text if phrase.anchor is None else f"{text} {_where(phrase)}"


def _exist(phrase: Phrase) -> str:
    if phrase.shared:
        return f"Есть ли еще какие-нибудь {_like(phrase, noun_text(phrase.noun, 'nom_pl'))}?"
    if phrase.anchor is None:
        return f"Есть ли на изображении {noun_text(phrase.noun, 'nom')}?"
    return f"Есть ли {noun_text(phrase.noun, 'nom_pl')} {_where(phrase)}?"


def _count(phrase: Phrase) -> str:
    counted = noun_text(phrase.noun, "gen_pl")
    if phrase.shared:
        return f"Сколько еще на изображении {_like(phrase, counted)}?"
    if phrase.anchor is None:
        return f"Сколько {counted} на изображении?"
    return f"Сколько {counted} находится {_where(phrase)}?"


def question_text(question: Question) -> str:
    """The wording of a question."""
    first = question.phrases[0]
    if question.family == "exist":
        return _exist(first)
    if question.family == "count":
        return _count(first)
    if question.family == "compare_integer":
        return _COMPARE[question.detail].format(*(_phrase_text(p, "gen_pl") for p in question.phrases))
    names = [_phrase_text(phrase, "nom") for phrase in question.phrases]
    if question.family == "compare_attribute":
        return _EQUAL[question.detail].format(*names)
    if question.detail == "material":
        made = "сделана" if gender(_head(first.noun)) == "f" else "сделан"
        return f"Из какого материала {made} {names[0]}?"
    return _QUERY[question.detail].format(*names)


def question_type(question: Question) -> str:
    """ruCLEVR's ``question_type``: binary, colors, count, materials, shapes or size."""
    if question.family == "count":
        return "count"
    return QUESTION_TYPES[question.detail] if question.family == "query_attribute" else "binary"

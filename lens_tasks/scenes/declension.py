"""Russian forms of the few nouns and adjectives that describe a solid."""

from __future__ import annotations

from typing import Final

NOUNS: Final = {
    "cube": ("m", "куб", "куба", "кубом", "кубы", "кубов"),
    "sphere": ("f", "сфера", "сферы", "сферой", "сферы", "сфер"),
    "cylinder": ("m", "цилиндр", "цилиндра", "цилиндром", "цилиндры", "цилиндров"),
    "thing": ("m", "предмет", "предмета", "предметом", "предметы", "предметов"),
}
"""Gender, then the forms of FORMS."""

FORMS: Final = ("nom", "gen", "ins", "nom_pl", "gen_pl")
"""Nominative, genitive and instrumental singular; nominative and genitive plural."""

_HARD: Final = {
    "m": ("ый", "ого", "ым", "ые", "ых"),
    "f": ("ая", "ой", "ой", "ые", "ых"),
}
_HARD_STRESSED: Final = {"m": ("ой", "ого", "ым", "ые", "ых"), "f": ("ая", "ой", "ой", "ые", "ых")}
_SOFT: Final = {"m": ("ий", "его", "им", "ие", "их"), "f": ("яя", "ей", "ей", "ие", "их")}
_VELAR: Final = {"m": ("ий", "ого", "им", "ие", "их"), "f": ("ая", "ой", "ой", "ие", "их")}
_SIBILANT: Final = {"m": ("ой", "ого", "им", "ие", "их"), "f": ("ая", "ой", "ой", "ие", "их")}

ADJECTIVES: Final = {
    "gray": ("сер", _HARD),
    "red": ("красн", _HARD),
    "blue": ("син", _SOFT),
    "green": ("зелен", _HARD),
    "brown": ("коричнев", _HARD),
    "purple": ("фиолетов", _HARD),
    "cyan": ("голуб", _HARD_STRESSED),
    "yellow": ("желт", _HARD),
    "small": ("маленьк", _VELAR),
    "large": ("больш", _SIBILANT),
    "rubber": ("резинов", _HARD),
    "metal": ("металлическ", _VELAR),
}
"""Stem and endings. The letter ё is written е, as MERA's questions do."""


def gender(noun: str) -> str:
    """``m`` or ``f``."""
    return NOUNS[noun][0]


def noun_form(noun: str, form: str) -> str:
    """A noun (key of NOUNS) in a form of FORMS."""
    return NOUNS[noun][1 + FORMS.index(form)]


def adjective_form(value: str, noun_gender: str, form: str) -> str:
    """An adjective (key of ADJECTIVES) that agrees with a noun of the gender in a form of FORMS."""
    stem, endings = ADJECTIVES[value]
    return stem + endings[noun_gender][FORMS.index(form)]

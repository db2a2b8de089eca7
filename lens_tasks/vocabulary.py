"""Closed answer vocabularies: yes/no in two languages, the 28 answers of CLEVR, their Russian counterparts."""

from __future__ import annotations

from lens_tasks.surface import word_forms
from lens_tasks.target_types import Candidate

# Kind -> an entry a candidate: English words | Russian words. The first word of a side is the label, which is the
# benchmark's own answer; the others are synonyms.
# Russian synonyms are few on purpose: tokenizers split them, and a first piece that two answers share is lost to both.
_WORDS = {
    "yes_no": ("yes | да", "no | нет"),
    "number": (
        *("0 zero | 0 ноль", "1 one | 1 один", "2 two | 2 два", "3 three | 3 три", "4 four | 4 четыре"),
        *("5 five | 5 пять", "6 six | 6 шесть", "7 seven | 7 семь", "8 eight | 8 восемь", "9 nine | 9 девять"),
        "10 ten | 10 десять",
    ),
    "colour": (
        *("gray grey | серый", "red | красный", "blue | синий", "green | зеленый зелёный", "brown | коричневый"),
        *("purple violet | фиолетовый пурпурный", "cyan turquoise | голубой бирюзовый", "yellow | желтый жёлтый"),
    ),
    "shape": ("cube block | куб кубик", "sphere ball | сфера шар", "cylinder | цилиндр"),
    "size": ("large big | большой", "small tiny | маленький"),
    "material": ("rubber matte | резина резиновый", "metal metallic shiny | металл металлический"),
}


def _candidate(words: str, kind: str | None = None) -> Candidate:
    label, *_ = forms = words.split()
    return Candidate(label, word_forms(forms), kind)


_PAIRS = [
    tuple(_candidate(side, kind) for side in entry.split("|")) for kind, entries in _WORDS.items() for entry in entries
]

CLEVR = tuple(english for english, _ in _PAIRS)
"""The 28 answers of CLEVR: yes, no, 0 to 10, eight colours, three shapes, two sizes, two materials."""

RUCLEVR = tuple(russian for _, russian in _PAIRS)
"""Their Russian counterparts in the initial form, in the order of `CLEVR`; е and ё, and common synonyms, are pooled."""

YES_NO = (_candidate("yes"), _candidate("no"))
YES_NO_RUSSIAN = (_candidate("да"), _candidate("нет"))
TRUE_FALSE = (_candidate("true"), _candidate("false"))
RIGHT_WRONG_RUSSIAN = (_candidate("верно"), _candidate("неверно"))


def pivot_of(candidates: tuple[Candidate, ...], english: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """English forms under the labels of `candidates`, so that both sets can be compared label by label."""
    return tuple(Candidate(own.label, other.variants, own.kind) for own, other in zip(candidates, english, strict=True))

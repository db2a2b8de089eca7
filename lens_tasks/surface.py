"""Surface forms of an answer, and the folding under which two forms count as the same.

Mid layers often prefer the lower-case form of a word and late layers the capitalised one; models write Cyrillic `В`
where a Latin `B` was meant. Both must be pooled, or the lens reports late emergence that is only a change of spelling.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

# Cyrillic capitals drawn like a Latin one, and the Latin one.
_LOOKALIKES = dict(zip("АВЕКМНОРСТУХ", "ABEKMHOPCTYX", strict=True))
_TO_CYRILLIC = {latin: cyrillic for cyrillic, latin in _LOOKALIKES.items()}
_FOLD = str.maketrans({cyrillic.lower(): latin.lower() for cyrillic, latin in [*_LOOKALIKES.items(), ("Ё", "E")]})

# Full-width forms, letters and digits in circles and squares, mathematical alphabets: each one character for one.
_STYLED = [
    *range(0xFF01, 0xFF5F), *range(0x2460, 0x2469), *range(0x24B6, 0x24EB), *range(0x1D400, 0x1D800),
    *range(0x1F130, 0x1F14A),
]  # fmt: skip
_PLAIN = {code: form for code in _STYLED if len(form := unicodedata.normalize("NFKC", chr(code))) == 1}
_PLAIN |= {first + place: chr(ord("A") + place) for first in (0x1F150, 0x1F170) for place in range(26)}
_PLAIN |= {0x3000: " ", 0x3002: ".", 0x3001: ","}


def plain(text: str) -> str:
    """Text with ordinary letters, digits and punctuation for full-width, circled and mathematical ones.

    The length is kept, so a place in one is a place in the other.

    >>> plain("（Ｂ） Ⓐ ①。")
    '(B) A 1.'
    """
    return text.translate(_PLAIN)


def fold(text: str) -> str:
    """Plain lower-case text with е for ё and Latin letters for their Cyrillic look-alikes; the length is kept.

    Meant for comparison only: apply it to both sides.
    """
    text = plain(text)
    lower = text.lower()
    if len(lower) != len(text):  # "İ" becomes two characters, which would move every offset after it
        lower = "".join(small if len(small := character.lower()) == 1 else character for character in text)
    return lower.translate(_FOLD)


def word_forms(words: Iterable[str]) -> tuple[str, ...]:
    """All forms of some words: as given, lower, Capitalised, UPPER, with е and ё, each with and without a space before.

    >>> word_forms(["no"])
    ('no', ' no', 'No', ' No', 'NO', ' NO')
    """
    forms = []
    for word in words:
        for spelling in _spellings(word.strip()):
            forms += [spelling, f" {spelling}"]
    return tuple(dict.fromkeys(forms))


def _spellings(word: str) -> list[str]:
    bases = [word, word.replace("ё", "е").replace("Ё", "Е")]
    return [form for base in bases for form in (base, base.lower(), base.capitalize(), base.upper()) if form]


def letter_forms(letter: str, *, cyrillic: bool = True) -> tuple[str, ...]:
    """Forms of an option letter: the capital, its Cyrillic look-alike, each with and without a space before.

    Small letters are left out on purpose: ` a` is an article and ` в` a preposition, not an answer.

    >>> letter_forms("B")
    ('B', ' B', 'В', ' В')
    """
    capital = letter.strip().upper()
    capital = _LOOKALIKES.get(capital, capital)
    capitals = [capital]
    if cyrillic and capital in _TO_CYRILLIC:
        capitals.append(_TO_CYRILLIC[capital])
    return tuple(form for each in capitals for form in (each, f" {each}"))


def folded_words(text: str) -> frozenset[str]:
    """The words of a text, folded: a set to compare folded words with."""
    return frozenset(fold(text).split())

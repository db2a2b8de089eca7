"""Texts of a report in another language, from one file a language: English text -> its form there.

A key may hold places, `{name}`: it is the template of a sentence of `say`, or the form of texts that are put together
elsewhere, such as `{n} of {n_all} tasks`. There a place called `n` or `n_...` takes a number, `name` or `name_...` a
name, which stays, and any other one a text, which is looked up too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from importlib import resources

import yaml

LANGUAGES = ("en", "ru")
PLACE = re.compile(r"\{(\w+)\}")
_NUMBER = r"[-−+]?[\d.,\u202f]+(?:e[-+]\d+)?"
_IS_NUMBER = re.compile(r"n(_|$)")
_VERBATIM = re.compile(r"(n|name)(_|$)")
_WORD = re.compile(r"[A-Za-z]{2}")


class Catalogue:
    """Texts of one language.

    Args:
        language: Its code.
        texts: Of documents and figures, English text -> text; empty for English itself.
        page: Likewise what the page of a report says around them. They are apart because a document may hold any word
            as a label of a data set, and `right` is one, while the page asks for its own words alone.
    """

    def __init__(self, language: str, texts: Mapping[str, str], page: Mapping[str, str]) -> None:
        self.language = language
        self.texts = dict(texts)
        self.page = dict(page)
        self.unknown: set[str] = set()
        """What was asked for and stands in no key: names of data sets, models and metrics, and numbers."""

    def template(self, english: str) -> str:
        """The form of a template of `say`; the template itself where the language has none."""
        return self.texts.get(english, english)

    def of_the_page(self, english: str) -> str:
        """The form of a text of the page.

        Raises:
            KeyError: The language has none.
        """
        return self.page[english] if self.texts else english

    def text(self, english: str) -> str:
        """The form of a text as printed: itself a key, of the form of one, or a list of such texts.

        What stands in no key is a name or a number and stays as it is.
        """
        if not self.texts or not _WORD.search(english):
            return english
        return self._known(english) or self._of_a_form(english, strict=False) or self._partly(english)

    @cached_property
    def _forms(self) -> list[tuple[re.Pattern[str], str]]:
        """Keys with places as patterns, those with the longest own text first."""
        keys = [key for key in self.texts if PLACE.search(key) and PLACE.sub("", key)]
        keys.sort(key=lambda key: -len(PLACE.sub("", key)))
        return [(_pattern(key), self.texts[key]) for key in keys]

    def _known(self, english: str) -> str | None:
        """The form of a text all of which is known; None for another one."""
        if not _WORD.search(english):
            return english
        if english in self.texts:
            return self.texts[english]
        return self._of_a_list(english, "; ") or self._of_a_form(english, strict=True) or self._of_a_list(english, ", ")

    def _of_a_list(self, english: str, between: str) -> str | None:
        parts = english.split(between)
        return _joined(between, map(self._known, parts)) if len(parts) > 1 else None

    def _of_a_form(self, english: str, *, strict: bool) -> str | None:
        """By the first key of that form whose texts are known too, or by the first at all."""
        for pattern, form in self._forms:
            found = pattern.fullmatch(english)
            if found is not None:
                places = [(place[1], found[place[1]]) for place in PLACE.finditer(form)]
                inner = [self._place(name, text, strict=strict) for name, text in places]
                if None not in inner:
                    return PLACE.sub("{}", form).format(*inner)
        return None

    def _place(self, name: str, found: str, *, strict: bool) -> str | None:
        if _VERBATIM.match(name):
            return found
        return self._known(found) if strict else self.text(found)

    def _partly(self, english: str) -> str:
        """A list of which some are names."""
        for between in ("; ", ", "):
            parts = english.split(between)
            if len(parts) > 1:
                return between.join(self.text(part) for part in parts)
        self.unknown.add(english)
        return english


ENGLISH = Catalogue("en", {}, {})


@cache
def catalogue(language: str) -> Catalogue:
    """The texts of a language.

    Raises:
        ValueError: There are none; the message lists the languages.
    """
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r}; expected one of {', '.join(LANGUAGES)}")
    if language == "en":
        return ENGLISH
    file = resources.files("lens_report.presentation.language").joinpath(f"{language}.yaml")
    return Catalogue(language, **yaml.safe_load(file.read_text(encoding="utf-8")))


def _joined(between: str, parts: Iterable[str | None]) -> str | None:
    found = list(parts)
    known = [part for part in found if part is not None]
    return between.join(known) if len(known) == len(found) else None


def _pattern(key: str) -> re.Pattern[str]:
    parts, start, seen = [], 0, set[str]()
    for place in PLACE.finditer(key):
        name = place[1]
        parts.append(re.escape(key[start : place.start()]))
        kind = _NUMBER if _IS_NUMBER.match(name) else ".+?"
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{kind})")
        seen.add(name)
        start = place.end()
    return re.compile("".join(parts) + re.escape(key[start:]), re.DOTALL)

"""Which option of a list is right: named by its key, its text, both, or its place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lens_tasks.gold import gold_texts_of
from lens_tasks.options.lists import ALPHABETS, Option, OptionList
from lens_tasks.surface import fold

__all__ = ["OptionGold", "gold_option"]


@dataclass(frozen=True)
class OptionGold:
    """The right option of a list.

    Attributes:
        label: its key; None where that is not certain.
        named: the gold answer is an option of this list, also where it is not certain which one.
        by_text: an option's text names it, which no list of other things would do by chance.
        unknown: there is no gold answer.
        beyond: the gold answer is a key that comes after those of the list, so the list is not whole.
        note: why `label` is None although there is a gold answer.
    """

    label: str | None = None
    named: bool = False
    by_text: bool = False
    unknown: bool = False
    beyond: bool = False
    note: str | None = None


def gold_option(gold: object, found: OptionList, *, keys_asked: bool) -> OptionGold:
    """The option that `gold` means.

    A text may be a key or an option's own words; where it is the one of one option and the other of another, it is a
    key if the prompt asks for keys and nothing else. A whole number is a place from 0, as in both harnesses, or a key
    of a numbered list; where it is also the text of another option, neither is certain.
    """
    texts = [str(item) for item in gold] if isinstance(gold, list | tuple) else [str(gold)]
    by_text = {place for text in texts for place in _by_text(text, found)}
    if not by_text and not gold_texts_of(gold):  # "None" may be an option, and else is no answer
        return OptionGold(unknown=True)
    by_key = {place for item in (gold if isinstance(gold, list | tuple) else [gold]) for place in _by_key(item, found)}
    if keys_asked and by_key and not isinstance(gold, int):
        by_text = set()
    places = by_key | by_text
    if len(places) == 1:
        (place,) = places
        return OptionGold(found.options[place].key, named=True, by_text=place in by_text)
    if not places:
        beyond = found.keys == "letters" and all(re.fullmatch(r"\(?[A-Z]\)?", text) for text in texts)
        return OptionGold(beyond=beyond, note=f"the gold answer {texts[0]!r} is none of the options {_keys(found)}")
    return OptionGold(
        named=True, by_text=bool(by_text), note=f"the gold answer {texts} means several of {_keys(found)}"
    )


def _by_key(gold: object, found: OptionList) -> set[int]:
    if isinstance(gold, int) and not isinstance(gold, bool) and found.keys in ("letters", "cyrillic"):
        return {gold} if 0 <= gold < len(found.options) else set()
    written = str(gold).strip().strip(".:()[]（）【】*\"' ").strip()
    if found.keys == "texts":
        return set()
    places = {n for n, option in enumerate(found.options) if option.key.casefold() == written.casefold()}
    return places or _by_other_script(written.upper(), found)


def _by_other_script(letter: str, found: OptionList) -> set[int]:
    """Options that a Cyrillic letter may mean under Latin keys, or a Latin one under Cyrillic keys.

    It is drawn like a key (В and B) or stands at the same place of its alphabet (Б is the second): В may mean the
    second or the third option.
    """
    if found.keys not in ALPHABETS or len(letter) != 1:
        return set()
    alike = {n for n, option in enumerate(found.options) if fold(option.key) == fold(letter)}
    others = (order for keys, orders in ALPHABETS.items() if keys != found.keys for order in orders)
    same_place = {order.index(letter) for order in others if letter in order}
    return {place for place in alike | same_place if place < len(found.options)}


def _by_text(gold: str, found: OptionList) -> set[int]:
    """Options with these words, alone or behind their key ("B. dog")."""
    wanted = _plain(gold)
    if not wanted:
        return set()
    whole = {n for n, option in enumerate(found.options) if _plain(option.text) == wanted}
    keyed = {n for n, option in enumerate(found.options) if _is_keyed(wanted, option)}
    return whole or keyed


def _is_keyed(wanted: str, option: Option) -> bool:
    """Whether a text is an option's key and text, such as "(b) dog"."""
    key, _, rest = wanted.lstrip("(（[ ").partition(option.key.casefold())
    mark = rest.removesuffix(_plain(option.text))
    return not key and mark != rest and mark != "" and not mark.strip(")）].:、 ")


def _plain(text: str) -> str:
    return text.strip().strip("\"'").rstrip(".").strip().casefold()


def _keys(found: OptionList) -> str:
    return ", ".join(option.key for option in found.options)

"""Answer candidates of any multiple-choice task: the harness's choices, or the options written in the prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lens_tasks.documents import label_of
from lens_tasks.gold import gold_texts_of
from lens_tasks.options.lists import Option, OptionList
from lens_tasks.surface import fold, letter_forms, word_forms
from lens_tasks.target_types import Candidate

__all__ = ["ChoiceGold", "choice_candidates", "choice_gold", "in_order_of", "list_candidates", "option_candidates"]

_LONGEST_OPTION_WORDS = 3


def list_candidates(found: OptionList, *, cyrillic: bool) -> tuple[Candidate, ...]:
    """One candidate per option of a list; a list of texts without keys has the texts for labels."""
    if found.keys == "texts":
        return tuple(Candidate(option.key, word_forms([option.text])) for option in found.options)
    return option_candidates(found.options, cyrillic=cyrillic, cyrillic_order=found.keys == "cyrillic")


def option_candidates(
    options: Sequence[Option], *, cyrillic: bool, cyrillic_order: bool = False
) -> tuple[Candidate, ...]:
    """One candidate per option: its letter or number, and its text where that is short and belongs to it alone.

    Args:
        options: keys and texts.
        cyrillic: letters count in Cyrillic spelling as well.
        cyrillic_order: the letters are А, Б, В ..., where В is the third and not drawn for a Latin B.
    """
    texts = [option.text.strip().rstrip(".").lower() for option in options]
    candidates = []
    for option, text in zip(options, texts, strict=True):
        forms = _key_forms(option, cyrillic, cyrillic_order)
        usable = len(text.split()) <= _LONGEST_OPTION_WORDS and texts.count(text) == 1 and not text.isdigit()
        if usable and len(text) > 1:
            forms += word_forms([option.text.strip().rstrip(".")])
        candidates.append(Candidate(option.key, tuple(dict.fromkeys(forms)), text=option.text.strip() or None))
    return tuple(candidates)


def _key_forms(option: Option, cyrillic: bool, cyrillic_order: bool) -> tuple[str, ...]:
    key = option.key
    if len(key) > 1 or not key.isalpha():
        forms = word_forms([key])
    elif cyrillic_order:
        forms = (key, f" {key}")
    else:
        forms = letter_forms(key, cyrillic=cyrillic)
    # where the prompt writes "a)" or "①", so does the model
    return forms if option.written in ("", *forms) else (*forms, option.written, f" {option.written}")


def choice_candidates(choices: Sequence[str]) -> tuple[Candidate, ...]:
    """One candidate per choice of a harness's `doc_to_choice`; single capitals, also in brackets, get letter forms."""
    texts = [_unbracketed(str(choice)) for choice in choices]
    if not texts or len(set(texts)) != len(texts) or not all(texts):
        return ()
    return tuple(Candidate(text, letter_forms(text) if _is_letter(text) else word_forms([text])) for text in texts)


def _unbracketed(choice: str) -> str:
    letter = re.fullmatch(r"\s*\(([A-Z])\)\s*", choice)
    return letter[1] if letter else choice.strip()


def _is_letter(text: str) -> bool:
    return len(text) == 1 and text.isalpha() and text.isupper()


@dataclass(frozen=True)
class ChoiceGold:
    """Which of the harness's choices is right.

    Attributes:
        place: its place; None where there is none or more than one.
        note: why `place` is None although there is a gold answer.
    """

    place: int | None = None
    note: str | None = None


def choice_gold(gold: object, choices: Sequence[str]) -> ChoiceGold:
    """The right choice as both harnesses take it: whole numbers are places, texts are the choices' own."""
    items = list(gold) if isinstance(gold, list | tuple) else [gold]
    places = {place for item in items if (place := _place(item, choices)) is not None}
    if len(places) == 1:
        return ChoiceGold(places.pop())
    if places:
        return ChoiceGold(note=f"several of the choices are right: {sorted(places)}")
    known = bool(gold_texts_of(gold))
    return ChoiceGold(note=f"the gold answer {gold!r} is none of the choices {list(choices)}" if known else None)


def _place(gold: object, choices: Sequence[str]) -> int | None:
    if isinstance(gold, int):  # True is 1, as where the harness indexes with it
        return int(gold) if 0 <= gold < len(choices) else None
    if gold in choices:
        return list(choices).index(gold)  # type: ignore[arg-type]
    same = [place for place, choice in enumerate(choices) if fold(str(choice).strip()) == fold(str(gold).strip())]
    return same[0] if len(same) == 1 else None


def in_order_of(choices: Sequence[str], candidates: Sequence[Candidate]) -> tuple[Candidate, ...] | None:
    """The candidates that the choices name, one each, in the order of the choices; None where they name others."""
    by_label = {candidate.label: candidate for candidate in candidates}
    labels = [label_of(str(choice), candidates) for choice in choices]
    if None in labels or len(set(labels)) != len(labels):
        return None
    return tuple(by_label[label] for label in labels if label is not None)

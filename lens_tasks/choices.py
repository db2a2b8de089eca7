"""Answer candidates of any multiple-choice task: the harness's choices, or the options written in the prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lens_tasks.documents import label_of
from lens_tasks.surface import letter_forms, word_forms
from lens_tasks.target_types import Candidate, gold_texts_of

# "A. cat", "(B) dog", "C) ...", "D: ...", "1. cat"; at the start of a line.
_OPTION = re.compile(r"^[ \t]*\(?(?P<key>[A-ZА-Я]|\d{1,2})[.):][ \t]*(?P<text>\S.*?)[ \t]*$", re.MULTILINE)
_IN_BRACKETS = re.compile(r"\((?P<key>[A-Z]|\d{1,2})\)[ \t]*(?P<text>[^()\n]+?)[ \t]*(?=[,;]?[ \t]*\(|$)", re.MULTILINE)
# "Options: A: cat, B: dog"
_IN_A_LINE = re.compile(
    r"(?:^|[\s,;:])(?P<key>[A-Z])[.):][ \t]+(?P<text>[^\n]+?)(?=[,;]?[ \t]+[A-Z][.):][ \t]|[ \t]*$)", re.MULTILINE
)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LONGEST_OPTION_WORDS = 3


@dataclass(frozen=True)
class Option:
    """One option as the prompt writes it: `key` is its letter (Latin) or number, `text` what stands behind it."""

    key: str
    text: str


def options_in(prompt: str) -> tuple[Option, ...]:
    """The last list of at least two options in a prompt, lettered from A or numbered from 1 (or 0).

    The last list, because few-shot examples come before the question.
    """
    for pattern in (_OPTION, _IN_BRACKETS, _IN_A_LINE):
        found = [Option(_latin(match["key"]), match["text"]) for match in pattern.finditer(prompt)]
        options = _last_run(found)
        if options:
            return options
    return ()


def _latin(key: str) -> str:
    return letter_forms(key)[0] if key.isalpha() else str(int(key))


def _last_run(found: Sequence[Option]) -> tuple[Option, ...]:
    run: list[Option] = []
    best: tuple[Option, ...] = ()
    for option in found:
        if option.key in ("A", "0") or (option.key == "1" and not (run and run[-1].key == "0")):
            run = [option]
        elif run and option.key == _next_key(run[-1].key):
            run.append(option)
        else:
            run = []
        if len(run) >= 2:
            best = tuple(run)
    return best


def _next_key(key: str) -> str:
    if key.isdigit():
        return str(int(key) + 1)
    return _LETTERS[_LETTERS.index(key) + 1 : _LETTERS.index(key) + 2] if key in _LETTERS else ""


def option_candidates(options: Sequence[Option], *, cyrillic: bool) -> tuple[Candidate, ...]:
    """One candidate per option: its letter or number, and its text where that is short and belongs to it alone."""
    texts = [option.text.strip().rstrip(".").lower() for option in options]
    candidates = []
    for option, text in zip(options, texts, strict=True):
        forms = letter_forms(option.key, cyrillic=cyrillic) if option.key.isalpha() else word_forms([option.key])
        usable = len(text.split()) <= _LONGEST_OPTION_WORDS and texts.count(text) == 1 and not text.isdigit()
        if usable and len(text) > 1:
            forms += word_forms([option.text.strip().rstrip(".")])
        candidates.append(Candidate(option.key, tuple(dict.fromkeys(forms))))
    return tuple(candidates)


def choice_candidates(choices: Sequence[str]) -> tuple[Candidate, ...]:
    """One candidate per choice of a harness's `doc_to_choice`; single capitals get letter forms."""
    texts = [str(choice).strip() for choice in choices]
    if not texts or len(set(texts)) != len(texts) or not all(texts):
        return ()
    return tuple(Candidate(text, letter_forms(text) if _is_letter(text) else word_forms([text])) for text in texts)


def _is_letter(text: str) -> bool:
    return len(text) == 1 and text.isalpha() and text.isupper()


def gold_label(
    gold: object, candidates: Sequence[Candidate], options: Sequence[Option] = (), *, by_index: bool = True
) -> str | None:
    """The label `gold` means: an index into the candidates, a label or variant, an option's text; None if none.

    `by_index=False` takes a whole number for a label ("1") and not for a place in the list.
    """
    if by_index and isinstance(gold, int) and not isinstance(gold, bool):
        return candidates[gold].label if 0 <= gold < len(candidates) else None
    for text in gold_texts_of(gold):
        label = label_of(text, candidates)
        if label is not None:
            return label
        same = [option.key for option in options if option.text.strip().lower() == text.strip().lower()]
        if len(same) == 1:
            return same[0]
    return None

"""Why an answer that a response states is not certain: taken back, turned round, refused, or not the only one."""

from __future__ import annotations

import re

from lens_tasks.naming import Named, denied, mentions, negated_before

from .types import ClosedText, Stated
from .words import BUT, CLAUSE_END, CONCLUSION, CONTENT, REFUSAL, RETRACTED, SAYS_NO, SENTENCE_END, sentence_start
from .yes_no import is_yes_or_no, opposite_elsewhere, states_yes_or_no, yes_or_no

__all__ = ["doubt"]

_OPTION_MARK = re.compile(r"[*_)\]\"']*(?:[.):\],;]|\s*[-–—]\s)|[*_)\]\"']*\s*(?:\n|$)")
_IS = re.compile(r"\b(?:it['’]s|it\s+is|it|be|makes\s+it|это)\s+(?:an?\s+|the\s+)?$", re.IGNORECASE)
_LETTER = re.compile(r"(?<!\w)[A-Z](?!\w)")
_CONCLUDES = re.compile(rf"(?:{CONCLUSION.pattern})$", re.IGNORECASE)


def doubt(text: ClosedText, found: Stated) -> str | None:
    """Why what was stated is not certain; None where it is."""
    named, body = found.named, text.body
    tail = body[named.end :]
    back = RETRACTED.search(tail) or (None if yes_or_no(body, named) else SAYS_NO.search(tail))
    if back is not None:
        return f"the answer is taken back: {back.group()!r}"
    refusal = REFUSAL.search(body, named.end if found.announced else text.scope.begin)
    options = mentions(body, text.candidates, text.scope.begin)  # "cannot be determined" may be one of them
    if refusal is not None and not any(each.start < refusal.end() and refusal.start() < each.end for each in options):
        return f"the response declines to answer: {refusal.group()!r}"
    if yes_or_no(body, named) and (other_language := opposite_elsewhere(body, named)):
        return f"the response says {named.label} and {other_language!r}"
    if own_text := _unlike_text(text, named):
        return own_text
    if yes_or_no(body, named) and not is_yes_or_no(named.label) and _LETTER.search(tail):
        return f"the response says {text.words(named)!r} and speaks of an option by its letter"
    return _another(text, found)


def _another(text: ClosedText, found: Stated) -> str | None:
    """Another candidate of the same kind that is stated further on."""
    named, body = found.named, text.body
    turn = BUT.search(body[named.end :])
    for other in mentions(body, text.candidates, named.end):
        if other.label == named.label or other.kind != named.kind or negated_before(body, other.start):
            continue
        if turn is not None and other.start >= named.end + turn.end():
            return f"the response turns from {named.label} to {other.label}"
        if _states(text, other, found.announced) and not denied(body, other):
            return f"the response states {named.label} and {other.label}"
    return None


def _unlike_text(text: ClosedText, named: Named) -> str | None:
    """A letter against its reasons: the response writes the text of other options and never that of its own."""
    if not text.is_letter(named) or len(text.candidates) > 2:
        return None
    texts = [each for each in mentions(text.body, text.candidates, text.scope.begin) if each.end - each.start > 1]
    affirmed = [each for each in texts if not denied(text.body, each) and not negated_before(text.body, each.start)]
    if affirmed and all(each.label != named.label for each in affirmed):
        return f"the response chooses {named.label} and writes the text of {affirmed[0].label}"
    return None


def _states(text: ClosedText, other: Named, announced: bool) -> bool:
    """Whether a candidate further on is itself stated: alone on a line or in a sentence, or as an item of a list."""
    body = text.body
    opens_line = CONTENT.search(body, sentence_start(body, other.start, "\n"), other.start) is None
    before = body[: other.start].rstrip(" \t*_\"'«([")
    opens_sentence = opens_line or before.endswith((".", "!", "?", ";", ":", "…", "—", "–"))
    if is_yes_or_no(other.label):
        opens = opens_sentence or before.endswith(",") or _CONCLUDES.search(before[-24:]) is not None
        return opens and bool(CLAUSE_END.match(body, other.end)) and states_yes_or_no(body, other)
    is_said = _IS.search(before + " ") is not None
    if text.is_letter(other):
        return is_said or (_OPTION_MARK.match(body, other.end) is not None and (opens_line or not announced))
    return (opens_sentence or is_said) and bool(SENTENCE_END.match(body, other.end))

"""Why an answer that a response states is not certain: taken back, turned round, refused, or not the only one."""

from __future__ import annotations

import re

from lens_tasks.naming import Named, denied, mentions, negated_before

from .closed_text import CLAUSE_END, CONTENT, SENTENCE_END, ClosedText, Stated
from .markers import BUT, CONCLUSION, REFUSAL, RETRACTED, SAYS_NO
from .polar_words import is_polar, opposite_elsewhere, polar_word, states_polar

__all__ = ["doubt", "states"]

_OPTION_MARK = re.compile(r"[*_)\]\"']*(?:[.):\],;]|\s*[-–—]\s)|[*_)\]\"']*\s*(?:\n|$)")
_IS = re.compile(r"\b(?:it['’]s|it\s+is|it|be|makes\s+it|это)\s+(?:an?\s+|the\s+)?$", re.IGNORECASE)
_LETTER = re.compile(r"(?<!\w)[A-Z](?!\w)")
_CONCLUDES = re.compile(rf"(?:{CONCLUSION.pattern})$", re.IGNORECASE)


def doubt(text: ClosedText, found: Stated) -> str | None:
    """Why what was stated is not certain: taken back, turned round, refused, or another one stated too."""
    named, body = found.named, text.body
    announced = found.rule in ("after_marker", "after_phrase")
    tail = body[named.end :]
    back = RETRACTED.search(tail) or (None if polar_word(body, named) else SAYS_NO.search(tail))
    if back is not None:
        return f"the answer is taken back: {back.group()!r}"
    refusal = REFUSAL.search(body, named.end if announced else text.scope.begin)
    options = mentions(body, text.candidates, text.scope.begin)  # "cannot be determined" may be one of them
    if refusal is not None and not any(each.start < refusal.end() and refusal.start() < each.end for each in options):
        return f"the response declines to answer: {refusal.group()!r}"
    if polar_word(body, named) and (other_language := opposite_elsewhere(body, named)):
        return f"the response says {named.label} and {other_language!r}"
    if own_text := _unlike_text(text, named):
        return own_text
    if polar_word(body, named) and not is_polar(named.label) and _LETTER.search(tail):
        return f"the response says {body[named.start : named.end]!r} and speaks of an option by its letter"
    turn = BUT.search(tail)
    for other in mentions(body, text.candidates, named.end):
        if other.label == named.label or other.kind != named.kind:
            continue
        turned = turn is not None and other.start >= named.end + turn.end()
        if turned and not negated_before(body, other.start):
            return f"the response turns from {named.label} to {other.label}"
        if states(text, other, announced) and not denied(body, other) and not negated_before(body, other.start):
            return f"the response states {named.label} and {other.label}"
    return None


def _unlike_text(text: ClosedText, named: Named) -> str | None:
    """A letter against its reasons: the response writes the text of other options and never that of its own."""
    if named.end - named.start > 1 or not text.body[named.start].isalpha() or len(text.candidates) > 2:
        return None
    texts = [each for each in mentions(text.body, text.candidates, text.scope.begin) if each.end - each.start > 1]
    affirmed = [each for each in texts if not denied(text.body, each) and not negated_before(text.body, each.start)]
    if affirmed and all(each.label != named.label for each in affirmed):
        return f"the response chooses {named.label} and writes the text of {affirmed[0].label}"
    return None


def states(text: ClosedText, other: Named, announced: bool) -> bool:
    """Whether a candidate further on is itself stated: alone on a line or in a sentence, or as an item of a list."""
    body = text.body
    line_start = body.rfind("\n", 0, other.start) + 1
    opens_line = CONTENT.search(body, line_start, other.start) is None
    before = body[: other.start].rstrip(" \t*_\"'«([")
    opens_sentence = opens_line or before.endswith((".", "!", "?", ";", ":", "…", "—", "–"))
    if is_polar(other.label):
        opens = opens_sentence or before.endswith(",") or _CONCLUDES.search(before[-24:]) is not None
        return opens and bool(CLAUSE_END.match(body, other.end)) and states_polar(body, other)
    if other.end - other.start == 1 and body[other.start].isalpha():
        item = _OPTION_MARK.match(body, other.end) is not None
        return (item and (opens_line or not announced)) or _IS.search(before + " ") is not None
    if _IS.search(before + " ") and SENTENCE_END.match(body, other.end):
        return True
    return opens_sentence and bool(SENTENCE_END.match(body, other.end))

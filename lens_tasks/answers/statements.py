"""A candidate plainly stated at a place: alone, at the beginning of a sentence, or behind the words that lead to it."""

from __future__ import annotations

import re

from lens_tasks.naming import Named, denied, joined, mentions, named_at, negated_before
from lens_tasks.surface import fold

from .numbers import counts_what_was_asked
from .types import ClosedText, NoAnswer, Stated
from .words import CLAUSE_END, CONTENT, LEAD_IN, SENTENCE_END, clause_from
from .yes_no import contradicts_itself, states_yes_or_no, yes_or_no

__all__ = ["named_after", "stated_at"]

_MOST_LEAD_INS = 4
_CLOSED = r"[*_\"'»”)\]}$`]*"
_REASON = (
    r"(?:because|since|as|given|due\s+to|so|which|that\s+is|i\.e|так\s+как|потому\s+что|поскольку|ведь)\b|因为|由于"
)
_ENDS = re.compile(rf"{_CLOSED}\s*(?:$|[\n.;!,:—–(\[{{}}<|…]|-\s|{_REASON})", re.IGNORECASE)
"""Behind a candidate: the clause ends, or reasons follow."""
_AFFIRMED = re.compile(
    rf"{_CLOSED}\s*(?:选项)?(?:(?:is|would\s+be|это|—|является)\s+(?:the\s+)?(?:most\s+)?"
    r"(?:correct|right|best|accurate|appropriate|(?:правильн|верн)\w+)|是?正确|верн[оаы]\b|правильн[оаы]\b)",
    re.IGNORECASE,
)
"""Behind a candidate: "is correct"."""
_GAP = re.compile(r"[*_)\]\"']*[.):,—–-]*[*_\s\"'«(]*(?:(?:an?|the)\s+)?", re.IGNORECASE)
_WRONG = re.compile(r"\b(?:incorrect|wrong|false|not\s+(?:correct|right)|неверн\w*|неправильн\w*)\b", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:if|unless|assuming|otherwise|depending|если|иначе|при\s+условии)\b", re.IGNORECASE)
_NEGATION = re.compile(r"\b(?:no|not|нет|не)\b|n['’]t\b", re.IGNORECASE)
_REMARKS = frozenset(("right", "true", "correct", "well", "а", "и", "я", "о", "i"))
"""Words that open a remark before a comma: "Right, let me see"."""
_REMARK = re.compile(r"\s*,\s+\w")
_EXPLAINS = re.compile(
    r"(?:the|this|that|these|there|it|in|on|because|since|as|an?|we|i|you|he|she|they|explanation|reason\w*|so|here|looking|based"
    r"|all|both|only|это|этот|эта|на|в|так|потому|поскольку|он|она|они|объяснение|здесь|так)\b",
    re.IGNORECASE,
)
"""The word behind "B." with which an explanation begins; another one may be a name, as in "C. S. Lewis"."""
_NOT = re.compile(r"(?:not|neither|не|不是)\s*(?:(?:an?|the|option)\s+)?", re.IGNORECASE)
_INSTEAD = re.compile(
    r"[*_\"'»”)]*,?\s*(?:but(?:\s+rather)?|rather|а|it\s+is|it['’]s|это|而是)\s*(?:(?:an?|the|это|option)\s+)?[*_\"'«(]*",
    re.IGNORECASE,
)


def stated_at(text: ClosedText, begin: int, rule: str) -> Stated | NoAnswer | None:
    """The candidate plainly stated at the first word from `begin` on, lead-ins stepped over; None if there is none."""
    content = CONTENT.search(text.body, begin)
    if content is None:
        return None
    place = _past_lead_ins(text, content.start())
    named = named_at(text.body, place, text.candidates)
    if named is None:
        return _contrasted(text, place, rule)
    stated = Stated(named, rule)
    if place != content.start() and not stated.announced:
        stated = Stated(named, "after_lead_in")
    return _plainly(text, stated)


def _past_lead_ins(text: ClosedText, place: int) -> int:
    for _ in range(_MOST_LEAD_INS):
        lead_in = LEAD_IN.match(text.body, place)
        if lead_in is None or named_at(text.body, place, text.candidates) is not None:
            break
        place = lead_in.end()
    return place


def named_after(text: ClosedText, begin: int) -> Named | None:
    """The candidate that stands at the first word from `begin` on, lead-ins stepped over, plain choice or not."""
    content = CONTENT.search(text.body, begin)
    if content is None:
        return None
    return named_at(text.body, _past_lead_ins(text, content.start()), text.candidates)


def _contrasted(text: ClosedText, place: int, rule: str) -> Stated | NoAnswer | None:
    """What stands behind a denied candidate: "not B but C", "не красный, а синий"."""
    word = _NOT.match(text.body, place)
    denied_one = None if word is None else named_at(text.body, word.end(), text.candidates)
    if denied_one is None:
        return None
    contrast = _INSTEAD.match(text.body, denied_one.end)
    named = None if contrast is None else named_at(text.body, contrast.end(), text.candidates)
    if named is None or named.label == denied_one.label or not SENTENCE_END.match(text.body, named.end):
        return NoAnswer("the response denies a candidate and states none")
    return _plainly(text, Stated(named, rule))


def _plainly(text: ClosedText, stated: Stated) -> Stated | NoAnswer | None:
    """What was stated, where the words behind it leave it a plain choice."""
    body, named = text.body, stated.named
    if denied(body, named):
        return NoAnswer(f"the response denies {named.label} and states no other")
    if text.fits(named) and (named.kind == "number" or (named.kind is None and named.label.isdigit())):
        return _number(text, stated)
    whole = Named(named.label, named.start, _past_own_text(text, named), named.kind)
    other = joined(body, named, text.candidates) or joined(body, whole, text.candidates)
    if other is not None:
        return NoAnswer(f"the response names {named.label} and {other.label} side by side")
    if re.match(r"[*_\"'»”)]*\s*\?", body[named.end :]):
        return NoAnswer(f"{named.label} is asked, not answered")
    if not text.fits(named):
        return None
    if yes_or_no(body, named) is not None:
        return _yes_or_no(text, stated)
    return _word(text, stated)


def _ends(text: ClosedText, named: Named) -> bool:
    """Whether the sentence ends with what is named, goes on to give reasons, or says that it is the right one."""
    place = _past_own_text(text, named) if text.is_letter(named) else named.end
    return _ENDS.match(text.body, place) is not None or _AFFIRMED.match(text.body, place) is not None


def _is_used_otherwise(text: ClosedText, named: Named) -> bool:
    """Whether a letter begins a name ("C. S. Lewis"), or a word a remark ("Right, let me see", "А, понятно")."""
    rest = text.body[named.end :]
    if _REMARK.match(rest) and text.words(named).lower() in _REMARKS:
        return True
    if not text.is_letter(named) or not any(each.label == named.label and each.text for each in text.candidates):
        return False
    end = _past_own_text(text, named)
    if end > named.end:
        clause = clause_from(text.body, end)
        return bool(re.match(r"\W*\s[—–-]\s", clause) and _NEGATION.search(clause)) and not mentions(
            clause, text.candidates
        )
    name = re.match(r"\.\s*(?P<word>[^\W\d_]\S*)", rest)
    return name is not None and _EXPLAINS.match(name["word"]) is None


def _past_own_text(text: ClosedText, named: Named) -> int:
    """The end of an option's own text behind its letter; the end of the letter where it stands alone."""
    if named.end - named.start > 1:
        return named.end
    place = _past_gap(text, named)
    own = next((each.text for each in text.candidates if each.label == named.label), None)
    if own and fold(text.body[place : place + len(own)]) == fold(own):
        return place + len(own)
    behind = named_at(text.body, place, text.candidates)
    return behind.end if behind is not None and behind.label == named.label else named.end


def _past_gap(text: ClosedText, named: Named) -> int:
    """The end of the marks, blanks and article behind what is named."""
    gap = _GAP.match(text.body, named.end)
    return gap.end() if gap else named.end


def _word(text: ClosedText, stated: Stated) -> Stated | NoAnswer | None:
    """A letter or a word where its sentence names no other that could be meant."""
    named, clause = stated.named, clause_from(text.body, stated.named.end)
    if not _ends(text, named) or _WRONG.search(clause) or _CONDITION.search(clause):
        return NoAnswer(f"the sentence goes on after {named.label} and does not choose it")
    if _is_used_otherwise(text, named):
        return NoAnswer(f"{text.words(named)!r} opens a sentence about something else")
    contradiction = _text_of_another(text, named)
    if contradiction is not None:
        return NoAnswer(f"the letter {named.label} stands with the text of {contradiction}")
    further = [each for each in mentions(clause, text.candidates) if each.label != named.label]
    same_kind = [each for each in further if each.kind == named.kind and not negated_before(clause, each.start)]
    closed = stated.announced and CLAUSE_END.match(text.body, named.end)
    if same_kind and not closed and named.end - named.start > 1:
        return NoAnswer(f"one sentence names {named.label} and {same_kind[0].label}")
    several_kinds = any(each.kind != named.kind for each in further) or len(clause.split()) > 1
    if named.kind is not None and text.kind is None and several_kinds and not closed:
        return NoAnswer("a phrase names a candidate, and what the question asks for is not known")
    return stated


def _yes_or_no(text: ClosedText, stated: Stated) -> Stated | NoAnswer | None:
    """Yes or no where the word is the answer, and what its sentence goes on to say does not contradict it."""
    if not states_yes_or_no(text.body, stated.named):
        return None
    against = contradicts_itself(text.body, stated.named, text.question)
    return NoAnswer(against) if against else stated


def _number(text: ClosedText, stated: Stated) -> Stated | NoAnswer | None:
    """A number is the answer where no other is given; "2." before a line is the number of the line."""
    body, named, announced = text.body, stated.named, stated.announced
    clause = clause_from(body, named.end)
    if re.match(r"\s*[-+*/×=<>]\s*\d", body[named.end :]):
        return NoAnswer("several numbers are given") if announced else None
    numbers = [each for each in text.candidates if each.label.isdigit()]
    within = [int(each.label) for each in mentions(body, numbers, named.end, named.end + len(clause))]
    beyond = mentions(body, numbers, named.end + len(clause))
    one_number = not within or (len(within) > 1 and sum(within) == int(named.label))  # "5 cubes: 1 red, 4 blue"
    outside = len(re.findall(r"\d+", clause)) > len(within)
    if not one_number or outside or (not announced and any(each.label != named.label for each in beyond)):
        return NoAnswer("several numbers are given") if announced else None
    if text.kind is None and named.kind is not None and not announced and clause.split():
        return NoAnswer("a phrase names a number, and what the question asks for is not known")
    if not counts_what_was_asked(body, named, text.question):
        return NoAnswer(f"{named.label} counts something else than what was asked") if announced else None
    if re.match(r"[.)]\s+\S", body[named.end :]) and re.search(r"^\s*\d+[.)]\s", body[named.end :], re.MULTILINE):
        return None
    return stated


def _text_of_another(text: ClosedText, named: Named) -> str | None:
    """The label whose text stands directly behind the letter of another one: "A. dog" where A is a cat."""
    if not text.is_letter(named):
        return None
    place = _past_gap(text, named)
    line = _bare_text(text.body[place:].partition("\n")[0])
    whole = {each.label for each in text.candidates if each.text is not None and _bare_text(each.text) == line}
    if len(whole) == 1:
        (label,) = whole
        return label if label != named.label else None
    behind = named_at(text.body, place, text.candidates)
    if behind is None or behind.label == named.label or behind.end - behind.start < 2:
        return None
    return behind.label


def _bare_text(text: str) -> str:
    return fold(text).strip(" \t.!*_\"'«»“”")

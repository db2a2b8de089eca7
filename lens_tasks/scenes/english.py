"""English wordings, after CLEVR's templates."""

from __future__ import annotations

from typing import Final

from lens_tasks.scenes.questions import Noun, Phrase, Question

_LINKS: Final = {"left": "left of", "right": "right of", "front": "in front of", "behind": "behind"}
_QUERY: Final = {
    "color": "What color is {0}?",
    "shape": "What shape is {0}?",
    "size": "What size is {0}?",
    "material": "What is {0} made of?",
}
_COMPARE: Final = {
    "equal": "Are there as many {0} as {1}?",
    "greater": "Are there more {0} than {1}?",
    "less": "Are there fewer {0} than {1}?",
}


def noun_text(noun: Noun, plural: bool = False) -> str:
    """``large red metal cube``; a noun without shape is a thing."""
    head = noun.shape or "thing"
    words = [value for name, value in noun.pairs() if name != "shape"]
    return " ".join([*words, head + ("s" if plural else "")])


def article(text: str) -> str:
    """The indefinite article before a noun text."""
    return ("an " if text[0] in "aeiou" else "a ") + text


def phrase_text(phrase: Phrase, plural: bool = False) -> str:
    """A phrase with its chain of anchors, without article: ``red cube that is left of the large sphere``."""
    head = noun_text(phrase.noun, plural)
    if phrase.anchor is None or phrase.link is None:
        return head
    if phrase.shared:
        return f"other {head} {_position(phrase)}"
    return f"{head}{' ' if plural else ' that is '}{_position(phrase)}"


def question_text(question: Question) -> str:
    """The wording of a question."""
    first = question.phrases[0]
    if question.family == "exist":
        if first.anchor is None:
            return f"Is there {article(noun_text(first.noun))} in the image?"
        return f"Are there any {phrase_text(first, plural=True)}?"
    if question.family == "count":
        other = "other " if first.shared else ""
        where = " " + _position(first) if first.anchor else " there"
        return f"How many {other}{noun_text(first.noun, plural=True)} are{where}?"
    if question.family == "compare_integer":
        return _COMPARE[question.detail].format(*(phrase_text(p, plural=True) for p in question.phrases))
    names = ["the " + phrase_text(phrase) for phrase in question.phrases]
    if question.family == "query_attribute":
        return _QUERY[question.detail].format(*names)
    if question.detail == "material":
        return f"Is {names[0]} made of the same material as {names[1]}?"
    return f"Does {names[0]} have the same {question.detail} as {names[1]}?"


def _position(phrase: Phrase) -> str:
    """``left of the cube`` or ``of the same color as the cube``, for a phrase with an anchor."""
    assert phrase.anchor is not None and phrase.link is not None
    anchor = phrase_text(phrase.anchor)
    if phrase.shared:
        return f"of the same {phrase.shared} as the {anchor}"
    return f"{_LINKS[phrase.link]} the {anchor}"

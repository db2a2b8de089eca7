"""The answer of an open task: a short answer, or what a marker announces. A sentence has no one place to be read at."""

from __future__ import annotations

import re

from .types import AnswerSpan, NoAnswer, Scope
from .words import CONTENT, NOTHING_LEFT, REASONING, REFUSAL, RETRACTED, STRONG_MARKER, own_markers

__all__ = ["locate_open", "same_answer", "without_article"]

_OPENING = re.compile(r"[\s*_`>\"'“”«»„:]*(?:\\\(|\$(?=[^$\n]+\$(?:\W|$)))?\s*")
_LEADING = re.compile(
    r"(?:(?:it\s+is|it['’]s|это|about|approximately|around|примерно|около)\s+)?(?:(?:an?|the)\s+)?", re.IGNORECASE
)
_CLOSING = re.compile(r"</answer>|<\|end_of_box\|>|\\\)|(?<=[\w}])\$|\*\*")
_VERB = re.compile(
    r"\s(?:is|are|was|were|has|have|had|shows?|reads?|says?|depicts?|contains?|there|can|does|do|did|would|appears?"
    r"|это|является|находится|есть|показан\w*|изображ\w*|видн\w*|равн\w*|составляет|был[аои]?|стоит|лежит|because|since|потому|поскольку|так\s+как)\s|\b(?:or|или|либо)\b|\s[—–=]\s|\w[是在有]\w|:\s",
    re.IGNORECASE,
)
_ANSWER_IS = re.compile(
    r"(?:^|[.!?\n,;]\s*(?:so\s+|therefore,?\s+|thus,?\s+|hence,?\s+|значит,?\s+)?)[\s*_]*(?:the|my|so\s+the|итак,?)?\s*"
    r"(?:(?:correct|right|final|best|правильн\w+|верн\w+)\s+)*(?:(?:answer|response)\s+(?:is|would\s+be)\b|ответ(?:ом)?\s+(?:является|будет|это)\b|答案(?:是|为))\s*:?",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"\b(?:probably|likely|possibly|maybe|perhaps|i\s+(?:think|guess|believe)|вероятно|наверное|возможно|может\s+быть|похоже"
    r"|думаю|кажется)\b",
    re.IGNORECASE,
)
_NO_ANSWER = re.compile(
    r"\W*(?:sure|of\s+course|certainly|okay|ok|hello|hi|good\s+question|let\s+me\b.*|based\s+on\b.*|here\s+(?:is|are)\b.*|sorry\b.*"
    r"|i\s+apologi[sz]e\b.*|thank\s+you\b.*|one\s+moment|apologies\b.*"
    r"|i['’]m\b.*|as\s+follows|obvious|clear|simple|n/?a|null|unknown|unclear|illegible"
    r"|(?:it\s+is\s+|it['’]s\s+)?not\s+(?:visible|specified|given|shown|available|sure|possible|applicable|clear|known|mentioned|legible)"
    r"|конечно|хорошо|извините\b.*|неизвестно|неразборчиво|неясно|не\s+(?:видно|указан\w*|известно|ясно|разобрать))\W*",
    re.IGNORECASE,
)
_NEXT_SENTENCE = re.compile(r"(?<=[^\W_][^\W_])[.!?]\s+(?=[A-ZА-ЯЁ])")
_PREPOSITION = re.compile(r"(?:in|on|at|under|behind|below|above|given|found|shown|на|в|под|за)\s", re.IGNORECASE)
_LIST = re.compile(r"\s*(?:[-*•]\s|\[|\d+[.)]\s)")
_MOST_WORDS = 4
_MOST_WORDS_ANNOUNCED = 8
_END_MARKS = " \t\n.!?…,;:\"'“”«»*_`"


def locate_open(body: str, scope: Scope) -> AnswerSpan | NoAnswer:
    """The words of an open answer in `body` within `scope`, and the character at which they are decided."""
    text = body[: scope.end]
    begin, rule = scope.begin, scope.rule
    markers = own_markers(text, begin)
    if markers:
        begin, rule = markers[-1].end(), "after_marker"
        strong = STRONG_MARKER.match(text, markers[-1].start()) is not None
        rivals = [each for each in markers if STRONG_MARKER.match(text, each.start()) is not None or not strong]
        if len({_value(text, each.start(), each.end()) for each in rivals} - {""}) > 1:
            return NoAnswer("several answers are given behind answer markers")
    elif REASONING.match(text, begin):
        return NoAnswer("reasoning without an answer marker after it")
    phrases = list(_ANSWER_IS.finditer(text, begin))
    if phrases:
        begin, rule = phrases[-1].end(), "after_phrase"
        if len({_value(text, each.start(), each.end()) for each in phrases}) > 1:
            return NoAnswer("the response announces several answers")
    if CONTENT.search(text, begin) is None:
        return NoAnswer(NOTHING_LEFT[rule])
    announced = (phrases or markers)[-1].start() if phrases or markers else begin
    return _span(text, announced, begin, rule)


def _span(text: str, announced: int, begin: int, rule: str) -> AnswerSpan | NoAnswer:
    start = _start(text, begin)
    answer = _value(text, announced, begin)
    end = start + len(answer)
    if CONTENT.search(answer) is None:
        return NoAnswer("the line of the answer has no words")
    back = RETRACTED.search(text, start) or REFUSAL.search(text, start)
    if back is not None:
        return NoAnswer(f"the answer is refused or taken back: {back.group()!r}")
    if _NO_ANSWER.fullmatch(answer) or _HEDGED.search(answer):
        return NoAnswer(f"{answer!r} is no answer, or not given for certain")
    if "?" in text[end : end + 2] or (rule == "after_phrase" and _PREPOSITION.match(answer)):
        return NoAnswer(f"{answer!r} is asked, or only says where the answer is")
    if _LIST.match(answer) and rule in ("after_marker", "after_phrase"):
        return NoAnswer("a list is given; which of it is the answer cannot be told")
    words, closed = len(answer.split()), text[end : end + 1] == "."
    most = _MOST_WORDS_ANNOUNCED if rule in ("after_marker", "after_phrase") else _MOST_WORDS - closed
    if words > most or _VERB.search(f" {answer} ") is not None:
        return NoAnswer("the answer is a sentence; where in it the answer is decided cannot be told")
    unannounced = rule in ("first_content", "after_think")
    if unannounced and CONTENT.search(text, end) and re.match(r"[^\w\n]*\n", text[end:]) is None:
        return NoAnswer("more text follows the answer; which of it is the answer cannot be told")
    leading = _LEADING.match(text, start, end)
    decided = leading.end() if leading and CONTENT.search(text, leading.end(), end) else start
    return AnswerSpan(start, end, text[start:end], rule, True, None, decided)


def _start(text: str, begin: int) -> int:
    opening = _OPENING.match(text, begin)
    return opening.end() if opening else begin


def _value(text: str, announced: int, begin: int) -> str:
    """The answer from `begin` on, announced by `text[announced:begin]`: a LaTeX group, a JSON value, or a line."""
    start = _start(text, begin)
    line = text[start:].partition("\n")[0]
    braces = text[announced:begin].count("{")
    if braces:
        value = line[: _closing_brace(line)].strip()
        rest = line[len(value) :].lstrip("}")
        return value if braces == 1 or not re.match(r"\s*[,&]", rest) else ""
    if text[announced : announced + 1] in "\"'" and announced < begin:
        return re.split(r"(?<!\\)[\"']\s*(?:[,}\n]|$)|[,}]\s*(?=[\"'\n]|$)|\}", line, maxsplit=1)[0].strip()
    for end in (_CLOSING.search(line), _NEXT_SENTENCE.search(line)):
        line = line[: end.start()] if end else line
    trimmed = line.rstrip(_END_MARKS)
    initials = re.search(r"(?:^|[\s.])[^\W\d_]\.[^\W\d_]$", trimmed) and line[len(trimmed) :].startswith(".")
    return f"{trimmed}." if initials else trimmed


def _closing_brace(line: str) -> int:
    depth = 0
    for place, character in enumerate(line):
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return place
    return len(line)


def same_answer(one: str, other: str) -> bool:
    """Whether two open answers are the same but for case and the marks around them: never -5 and 5, or 14 % and 14."""
    return one.strip(_END_MARKS).casefold() == other.strip(_END_MARKS).casefold()


def without_article(text: str) -> str:
    """An answer from the word on at which it is decided: "Beatles" of "The Beatles"."""
    leading = _LEADING.match(text)
    rest = text[leading.end() :] if leading else text
    return rest if CONTENT.search(rest) else text

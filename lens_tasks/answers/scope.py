"""The part of a response that answers: after its reasoning block, before it runs on to another question."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lens_tasks.surface import fold

from .types import NoAnswer, Scope
from .words import CONTENT

__all__ = [
    "answer_scope",
    "closes_reasoning",
    "ends_in_reasoning",
    "opens_reasoning",
    "reasoning_blocks",
    "repeats",
]

_THINK = r"[\w:]*(?:think|thought|reason|rationale|reflection|analysis|scratchpad)\w*"
_THINK_START = re.compile(
    rf"<(?!\|?end_)\|?{_THINK}\|?>|◁think▷|\[THINK\]|<\|channel\|>analysis<\|message\|>|<unused94>|\A\s*analysis(?=[A-ZА-Я])"
    r"|\A\s*here\s+are\s+my\s+reasoning\s+steps:",
    re.IGNORECASE,
)
_THINK_END = re.compile(
    rf"</{_THINK}>|<\|end_(?:of_)?{_THINK}\|>|◁/think▷|\[/THINK\]|<\|channel\|>final<\|message\|>|<unused95>|assistantfinal"
    r"|\[begin\s+final\s+response\]|<\|START_RESPONSE\|>",
    re.IGNORECASE,
)

_ROLE = re.compile(
    r"\s*(?:<\|[^|>\s]*\|>\s*)*(?:assistant|model|ai|bot|ассистент|модель|助手)\s*(?:<\|[^|>\s]*\|>\s*|[:\n])",
    re.IGNORECASE,
)
"""A response that begins with the name of its speaker."""

_FENCE = re.compile(r"\s*```\w*\n")

_INSTRUCTION = re.compile(
    r"\W*(?:please\s+)?(?:(?:answer|reply|respond)\s+)?(?:with\s+)?(?:only\s+)?[\"'“]?yes[\"'”]?\s*(?:or|/)\s*[\"'“]?no[\"'”]?\s*[.:]\s*(?=\w)",
    re.IGNORECASE,
)
"""A repeated instruction: "Answer yes or no:"."""

_END_TOKEN = (
    r"<\|(?:im_end|im_start|endoftext|end_of_text|eot_id|eom_id|end|user|start_header_id)\|>|</?s>|<eos>"
    r"|<(?:start|end)_of_turn>|\[/?INST\]|<image>"
)
_SPEAKER = (
    "Question|Query|Instruction|User|Human|QUESTION|USER|HUMAN|Вопрос|Задание|Пользователь|Человек|问题|用户|题目"
)
_TURN = re.compile(
    rf"(?P<token>{_END_TOKEN})"
    rf"|(?:^|(?<=\s)|(?<=[.!?*]))[#*_>\[ ]*(?:{_SPEAKER}|Q|问)(?:[ \t]*(?:№[ \t]*)?\d+)?[*_\]]*[ \t]*:"
    r"|^[#*_> \t]*(?i:question|query|instruction|user|human|q|вопрос|задание|задача|пользователь|инструкция"
    r"|next question|следующий вопрос)(?:[ \t]*(?:№[ \t]*)?\d+)?[*_]*[ \t]*[:\n]"
    r"|^[#*_> \t]*(?i:task|problem|example|input|пример|задача|упражнение)[ \t]*(?:№[ \t]*)?\d+[*_]*[ \t]*[:.\n]",
    re.MULTILINE,
)
"""Another turn of a conversation, or the next example of a list of examples."""

_QUESTION_LINE = re.compile(
    r"^[ \t]*(?:\d+[.)][ \t]*)?(?:is|are|was|were|does|do|did|has|have|can|what|which|who|whose|where|when|why|how"
    r"|could|есть\s+ли|сколько|как(?:ой|ая|ое|ие|ого|ому|им)?|что|кто|где|куда|когда|почему|правда\s+ли|верно\s+ли|\w+\s+ли)\b"
    r"(?:[^\n?]*\s){2}[^\n?]*\?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_REPEATED = re.compile(r"\W*?(?P<turn>(?<![^\W_])[#*_>\[ ]*[^\W\d_]+[^\n:]{0,12}[:\n])(?P<question>[^\n?]*\??)")
_ANSWERS = re.compile(r"[\s*_]*A[*_]*\s*:")  # behind "Q:"
_SHORT_ANSWER_WORDS = 3
_LONGEST_OPEN_REASONING = 200


def opens_reasoning(mark: str) -> bool:
    """Whether a text is the mark that opens a reasoning block."""
    return _THINK_START.fullmatch(mark.strip()) is not None


def closes_reasoning(mark: str) -> bool:
    """Whether a text is the mark that closes a reasoning block."""
    return _THINK_END.fullmatch(mark.strip()) is not None


def ends_in_reasoning(prompt: str) -> bool:
    """Whether a prompt ends inside a reasoning block, so that the response begins in it."""
    ends = [match.end() for match in _THINK_END.finditer(prompt)]
    begins = [match.end() for match in _THINK_START.finditer(prompt)]
    inside = bool(begins) and begins[-1] > (ends[-1] if ends else 0)
    return inside and len(prompt) - begins[-1] <= _LONGEST_OPEN_REASONING


def reasoning_blocks(text: str, end: int, *, in_reasoning: bool = False) -> tuple[list[tuple[int, int]], int]:
    """The insides of the closed reasoning blocks of a text up to `end`, and where the text behind them begins.

    A mark that closes a block which nothing opened closes one that begins with the text. Of a block that stays open the
    inside is what the text behind the blocks begins with.

    Args:
        text: with plain characters.
        end: of what is searched.
        in_reasoning: the text begins inside a block.
    """
    blocks: list[tuple[int, int]] = []
    behind = 0
    for close in _THINK_END.finditer(text, 0, end):
        opened = _THINK_START.search(text, behind, close.start())
        if opened and in_reasoning and not blocks and CONTENT.search(text, 0, opened.start()):
            opened = None  # the prompt opened this block, and its text speaks of the mark
        blocks.append((opened.end() if opened else behind, close.start()))
        behind = close.end()
    opened = _THINK_START.search(text, behind, end)
    return blocks, opened.end() if opened else behind


def answer_scope(
    text: str, until: Sequence[str] = (), *, in_reasoning: bool = False, question: str | None = None
) -> Scope | NoAnswer:
    """Where in a response the answer may stand.

    Args:
        text: the response, with plain characters (see `lens_tasks.surface.plain`).
        until: stop strings of the harness; what follows the first of them does not count.
        in_reasoning: the prompt ends inside a reasoning block.
        question: what was asked; a response that begins with another question answers that one.
    """
    stops = [place for stop in until if stop and (place := text.find(stop)) >= 0]
    end = min(stops, default=len(text))
    begin, rule = 0, "first_content"
    for block in _THINK_END.finditer(text, 0, end):
        begin, rule = block.end(), "after_think"
    if _THINK_START.search(text, begin, end):
        return NoAnswer("the reasoning block is never closed")
    if in_reasoning and rule == "first_content":
        return NoAnswer("the reasoning block that the prompt opens is never closed")
    for opening in (_FENCE, _ROLE, _INSTRUCTION):
        opened = opening.match(text, begin, end)
        begin = opened.end() if opened else begin
    end = _before_next_question(text, begin, end)
    repeated = _REPEATED.match(text, begin, end)
    if repeated is not None and _TURN.match(text, repeated.start("turn"), end):
        if not repeats(repeated["question"], question):
            return NoAnswer("the response puts a question of its own and answers that one")
        begin = repeated.end()
        speaker = _ANSWERS.match(text, begin, end)
        begin = speaker.end() if speaker else begin
    return Scope(begin, end, rule)


def repeats(said: str, question: str | None) -> bool:
    """Whether a text is a part of the question asked, but for case, blanks and marks."""
    words, asked = (" ".join(re.findall(r"\w+", fold(each))) for each in (said, question or ""))
    return bool(words) and f" {words} " in f" {asked} "


def _before_next_question(text: str, begin: int, end: int) -> int:
    for turn in _TURN.finditer(text, begin, end):
        if CONTENT.search(text, begin, turn.start()):  # at the beginning it may repeat the question asked
            end = turn.start()
            break
    first_line = text[begin:end].strip().partition("\n")[0].strip()
    if len(first_line.split()) <= _SHORT_ANSWER_WORDS and not first_line.endswith(("?", ":")):
        for question in _QUESTION_LINE.finditer(text, begin, end):
            if CONTENT.search(text, begin, question.start()):
                return question.start()
    return end

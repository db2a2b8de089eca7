"""The steps that a response writes before its answer: where each ends, and what leads from the last to the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from lens_tasks.surface import plain

from .scope import reasoning_blocks
from .words import CONTENT, MARKER, REASONING

__all__ = ["WrittenReasoning", "written_reasoning"]

_STEP = re.compile(
    r"(?:^[ \t>#*_-]*|(?<=[.!?;:,] ))(?P<word>step|stage|шаг|этап)\s*[#№]?\s*(?P<named>\d{1,2})"
    r"(?=[*_]*\s*[.:)—–-]|[*_]*[ \t]*$)"
    r"|^[ \t>#*_-]*(?P<bare>\d{1,2})[.)](?=[ \t*_])"
    r"|(?<=[ \t])\(?(?P<inline>\d{1,2})\)(?=[ \t])",
    re.IGNORECASE | re.MULTILINE,
)
"""What numbers a step: "Step 2", "Шаг 2", "2." or "2)" at the beginning of a line, "2)" within one."""

_SENTENCE_END = re.compile(r"[.!?…]+[\"'»”)\]*_]*(?=\s|$|[\u4e00-\u9fff])|\n+")
_LISTED = re.compile(r"\W*(?:\d{1,2}|[A-ZА-Я])", re.IGNORECASE)
"""The number or letter of a list: a full stop behind it ends no sentence that begins with it."""
_TITLE = re.compile(r"\b(?:mr|mrs|ms|dr|prof)$", re.IGNORECASE)
"""What stands before a full stop that ends no sentence."""
_ABBREVIATED = re.compile(
    r"\b(?:e\.g|i\.e|etc|vs|cf|approx|fig|no|st|т|т\.\s?[едпк]|и\s?др|рис|см|напр|г)$", re.IGNORECASE
)
"""The same, where no capital follows."""
_GOES_ON = re.compile(r"[^\w\n]*[a-zа-яё\d]")
_LONGEST_ABBREVIATION = 12
_HEADER_END = re.compile(r"[\s*_]*[:.]?[\s*_]*")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")

Place = tuple[int, int]
"""First character, and one past the last."""


@dataclass(frozen=True)
class WrittenReasoning:
    """The steps of a response, as places in it.

    Attributes:
        segments: each step, in order, without blanks around it.
        inside: how many of them, the first ones, stand in a reasoning block that is closed.
        closing: what closes that block and stands before the next segment or the answer; empty without a block.
        lead_in: from the last segment to the answer; empty where `closing` reaches it, or no answer is known.
    """

    segments: tuple[Place, ...] = ()
    inside: int = 0
    closing: Place = (0, 0)
    lead_in: Place = (0, 0)

    def bridge(self, after: int) -> tuple[Place, ...]:
        """What has to follow the first `after` segments for the answer to come next, in the response's own words."""
        return (self.closing, self.lead_in) if self.inside and after <= self.inside else (self.lead_in,)


def written_reasoning(
    text: str, answer: int | None = None, *, in_reasoning: bool = False, hidden_end: int = 0
) -> WrittenReasoning:
    """The steps that a response writes before its answer.

    Steps are numbered ones, else sentences and lines. With a reasoning block they are looked for in it, and in what
    stands between it and the answer.

    Args:
        text: the response as generated, without special tokens.
        answer: character at which the answer is decided; None where it was not located: all of the text is searched.
        in_reasoning: the prompt ends inside a reasoning block, so the response begins in one.
        hidden_end: characters up to the end of a block whose marks are special tokens; 0 without one.
    """
    body = plain(text)
    end = len(body) if answer is None else answer
    blocks, rest = [(0, hidden_end)], hidden_end
    if not hidden_end:
        blocks, rest = reasoning_blocks(body, end, in_reasoning=in_reasoning)
    inside = [place for start, stop in blocks for place in _segments(body, start, stop)]
    if answer is None:  # what an answer marker announces is no step, whether or not it is an answer
        end = max((mark.start() for mark in MARKER.finditer(body, rest)), default=end)
    visible = list(_segments(body, rest, end, answered=answer is not None or end < len(body)))
    segments = (*inside, *visible)
    if not segments or answer is None:
        return WrittenReasoning(segments, len(inside))
    if not inside:
        return WrittenReasoning(segments, 0, lead_in=(segments[-1][1], answer))
    closing = (inside[-1][1], visible[0][0] if visible else answer)
    return WrittenReasoning(segments, len(inside), closing, (visible[-1][1], answer) if visible else (answer, answer))


def _segments(body: str, start: int, end: int, *, answered: bool = False) -> Iterator[Place]:
    """The steps between two places; with `answered` what is unfinished at the end leads to the answer and is none."""
    header = REASONING.match(body, start, end)
    if header is not None:
        ended = _HEADER_END.match(body, header.end(), end)
        start = ended.end() if ended else header.end()
    if answered:
        markers = [m.start() for m in MARKER.finditer(body, start, end) if not CONTENT.search(body, m.end(), end)]
        end = min(markers, default=end)
    steps = _numbered(body, start, end)
    if not steps:
        yield from _sentences(body, start, end, answered)
        return
    before = list(_sentences(body, start, steps[0].start(), True))
    yield from before
    # what begins a sentence before the first number belongs to it
    starts = [before[-1][1] if before else start, *(step.start() for step in steps[1:])]
    for place in pairwise(starts):
        yield from _trimmed(body, *place)
    last = _end_of_last(body, steps, end)
    if last is None and answered:
        return
    yield from _trimmed(body, starts[-1], end if last is None else last)
    if last is not None:
        yield from _sentences(body, last, end, answered)


def _numbered(body: str, start: int, end: int) -> list[re.Match[str]]:
    """The marks of numbered steps, counted up from the first; none where there is one bare number alone."""
    found: list[re.Match[str]] = []
    for mark in _STEP.finditer(body, start, end):
        if not found:
            if mark["word"] or int(_number(mark)) == 1:
                found.append(mark)
        elif mark.lastgroup == found[0].lastgroup and int(_number(mark)) == int(_number(found[-1])) + 1:
            found.append(mark)
    return found if len(found) > 1 or (found and found[0]["word"]) else []


def _number(mark: re.Match[str]) -> str:
    return str(mark["named"] or mark["bare"] or mark["inline"])


def _end_of_last(body: str, steps: list[re.Match[str]], end: int) -> int | None:
    """Where the last numbered step ends: at a blank line, at the end of its line or of its sentence; else None.

    Steps that share a line end with a sentence.
    """
    mark = steps[-1]
    own_lines = all(step.start() == 0 or "\n" in body[step.start() - 1 : step.start() + 1] for step in steps[1:])
    patterns = [_BLANK_LINE, re.compile(r"\n")] if own_lines else []
    for pattern in patterns:
        for ended in pattern.finditer(body, mark.end(), end):
            if CONTENT.search(body, mark.end(), ended.start()):
                return ended.start()
    return next((stop for stop in _ends(body, mark.start(), end) if CONTENT.search(body, mark.end(), stop)), None)


def _sentences(body: str, start: int, end: int, unfinished_leads_in: bool) -> Iterator[Place]:
    for stop in _ends(body, start, end):
        yield from _trimmed(body, start, stop)
        start = stop
    if not unfinished_leads_in:
        yield from _trimmed(body, start, end)


def _ends(body: str, start: int, end: int) -> Iterator[int]:
    """Where sentences and lines end."""
    for mark in _SENTENCE_END.finditer(body, start, end):
        if mark.group().startswith("."):
            before = body[max(start, mark.start() - _LONGEST_ABBREVIATION) : mark.start()]
            abbreviated = _ABBREVIATED.search(before) and _GOES_ON.match(body, mark.end())
            if abbreviated or _TITLE.search(before) or _LISTED.fullmatch(body, start, mark.start()):
                continue
        yield mark.end()
        start = mark.end()


def _trimmed(body: str, start: int, end: int) -> Iterator[Place]:
    """The place without blanks around it, if there are words in it."""
    if CONTENT.search(body, start, end):
        piece = body[start:end]
        yield start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())

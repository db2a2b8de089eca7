"""From a generated text to the step at which its answer was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lens_models.alignment import AlignmentError, step_of_char
from lens_tasks import AnswerSpan, NoAnswer, locate_answer

from .request import SampleRequest

__all__ = ["AnswerPosition", "Unlocated", "find_position", "n_generated"]


@dataclass(frozen=True)
class AnswerPosition:
    """Where the answer is: its span in the text, the step that produced its first token, and that token."""

    span: AnswerSpan
    step: int
    token_id: int


@dataclass(frozen=True)
class Unlocated:
    """No readout position; `status` is a record status."""

    status: str
    reason: str


def find_position(
    tokenizer: Any, request: SampleRequest, response: str, tokens: Sequence[int]
) -> AnswerPosition | Unlocated:
    """Locate the answer in `response`, which is `tokens` decoded without special tokens."""
    if not response.strip():
        return Unlocated("no_answer", "the model generated no text")
    span = locate_answer(response, request.target.candidates, request.until)
    if isinstance(span, NoAnswer):
        return Unlocated("no_answer", span.reason)
    try:
        step = step_of_char(tokenizer, tokens, span.start)
    except AlignmentError as error:
        return Unlocated("unaligned", str(error))
    return AnswerPosition(span, step, tokens[step])


def n_generated(tokens: Sequence[int], end_ids: frozenset[int]) -> int:
    """Number of tokens up to and with the first end-of-sequence token."""
    return next((place + 1 for place, token in enumerate(tokens) if token in end_ids), len(tokens))

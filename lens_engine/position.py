"""From a generated text to the step at which its answer was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lens_models.alignment import AlignmentError, chars_of, step_of_char
from lens_tasks import AnswerSpan, NoAnswer, locate_answer
from lens_tasks.answers import closes_reasoning, ends_in_reasoning, opens_reasoning

from .failures import NoReadout
from .sample import Sample

__all__ = ["AnswerPosition", "HiddenReasoning", "find_answer", "find_position", "n_generated"]


@dataclass(frozen=True)
class AnswerPosition:
    """Where the answer is: its span in the text, the step that produced its first token, and that token."""

    span: AnswerSpan
    step: int
    token_id: int


def find_position(tokenizer: Any, sample: Sample, response: str, tokens: Sequence[int]) -> AnswerPosition | NoReadout:
    """Locate the answer in `response`, which is `tokens` decoded without special tokens; or why it is not located."""
    span = find_answer(sample, response, hidden_reasoning(tokenizer, tokens, response))
    if isinstance(span, NoReadout):
        return span
    try:
        step = step_of_char(tokenizer, tokens, span.decided_at, text=response)
    except AlignmentError as error:
        return NoReadout("unaligned", str(error))
    return AnswerPosition(span, step, tokens[step])


def find_answer(sample: Sample, response: str, hidden: HiddenReasoning) -> AnswerSpan | NoReadout:
    """Locate the answer in the text of a response; or why it is not located.

    Args:
        sample: what was asked.
        response: the text that was generated.
        hidden: a reasoning block that the text does not show.
    """
    if not response.strip():
        return NoReadout("no_answer", "the model generated no text")
    span = locate_answer(
        response[hidden.end :],
        sample.target.candidates,
        sample.until,
        kind=sample.target.kind,
        in_reasoning=hidden.open or (not hidden.end and ends_in_reasoning(sample.prompt)),
        filters=sample.reference.filters,
        question=sample.question,
    )
    if isinstance(span, NoAnswer):
        return NoReadout("no_answer", span.reason)
    return span.moved(hidden.end)


@dataclass(frozen=True)
class HiddenReasoning:
    """A reasoning block whose marks are special tokens, which the response's text no longer shows.

    Attributes:
        end: characters of the response up to the end of the block; 0 where there is none.
        open: a block was begun and not ended.
    """

    end: int = 0
    open: bool = False


def hidden_reasoning(tokenizer: Any, tokens: Sequence[int], response: str) -> HiddenReasoning:
    """The reasoning block in `tokens` by its special tokens; `response` is their text."""
    marks = _reasoning_marks(tokenizer)
    end, opened = 0, False
    for place, token in enumerate(tokens):
        if token in marks:
            opened = not marks[token]
            if marks[token]:
                end = chars_of(tokenizer, tokens[: place + 1], response)
    return HiddenReasoning(end, opened)


@lru_cache(maxsize=4)
def _reasoning_marks(tokenizer: Any) -> dict[int, bool]:
    """Special tokens that mark a reasoning block -> whether they close it."""
    special = getattr(tokenizer, "all_special_ids", None) or ()
    texts = {int(token): str(tokenizer.decode([token], skip_special_tokens=False)) for token in special}
    marks = {token: text for token, text in texts.items() if opens_reasoning(text) or closes_reasoning(text)}
    return {token: closes_reasoning(text) for token, text in marks.items()}


def n_generated(tokens: Sequence[int], end_ids: frozenset[int]) -> int:
    """Number of tokens up to and with the first end-of-sequence token."""
    return next((place + 1 for place, token in enumerate(tokens) if token in end_ids), len(tokens))

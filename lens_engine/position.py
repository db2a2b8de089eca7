"""From a generated text to the step at which its answer was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lens_models.alignment import AlignmentError, chars_of, step_of_char
from lens_tasks import AnswerSpan, NoAnswer, locate_answer
from lens_tasks.answers import begins_thought, ends_thought, opens_thought

from .sample import Sample

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


def find_position(tokenizer: Any, sample: Sample, response: str, tokens: Sequence[int]) -> AnswerPosition | Unlocated:
    """Locate the answer in `response`, which is `tokens` decoded without special tokens."""
    if not response.strip():
        return Unlocated("no_answer", "the model generated no text")
    hidden = hidden_thought(tokenizer, tokens, response)
    span = locate_answer(
        response[hidden.end :],
        sample.target.candidates,
        sample.until,
        kind=sample.target.kind,
        thought_open=hidden.open or (not hidden.end and opens_thought(sample.prompt)),
        filters=sample.reference.filters,
        question=sample.question,
    )
    if isinstance(span, NoAnswer):
        return Unlocated("no_answer", span.reason)
    span = span.moved(hidden.end)
    try:
        step = step_of_char(tokenizer, tokens, span.decided_at, text=response)
    except AlignmentError as error:
        return Unlocated("unaligned", str(error))
    return AnswerPosition(span, step, tokens[step])


@dataclass(frozen=True)
class HiddenThought:
    """A reasoning block whose marks are special tokens, which the response's text no longer shows.

    Attributes:
        end: characters of the response up to the end of the block; 0 where there is none.
        open: a block was begun and not ended.
    """

    end: int = 0
    open: bool = False


def hidden_thought(tokenizer: Any, tokens: Sequence[int], response: str) -> HiddenThought:
    """The reasoning block in `tokens` by its special tokens; `response` is their text."""
    marks = _thought_marks(tokenizer)
    end, opened = 0, False
    for place, token in enumerate(tokens):
        if token in marks:
            opened = not marks[token]
            if marks[token]:
                end = chars_of(tokenizer, tokens[: place + 1], response)
    return HiddenThought(end, opened)


@lru_cache(maxsize=4)
def _thought_marks(tokenizer: Any) -> dict[int, bool]:
    """Special tokens that mark a reasoning block -> whether they close it."""
    special = getattr(tokenizer, "all_special_ids", None) or ()
    texts = {int(token): str(tokenizer.decode([token], skip_special_tokens=False)) for token in special}
    return {token: ends_thought(text) for token, text in texts.items() if ends_thought(text) or begins_thought(text)}


def n_generated(tokens: Sequence[int], end_ids: frozenset[int]) -> int:
    """Number of tokens up to and with the first end-of-sequence token."""
    return next((place + 1 for place, token in enumerate(tokens) if token in end_ids), len(tokens))

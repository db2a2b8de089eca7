"""From a character of the generated text to the generation step that produced it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lens_models.errors import LensError

__all__ = ["REPLACEMENT", "AlignmentError", "chars_of", "step_of_char"]

REPLACEMENT = "\ufffd"


class AlignmentError(LensError, ValueError):
    """A character cannot be traced to a generated token."""


def step_of_char(
    tokenizer: Any, token_ids: Sequence[int], char: int, *, text: str | None = None, skip_special_tokens: bool = True
) -> int:
    """Index of the generated token that produced one character of the decoded text.

    The token that *begins* the character is meant, where several tokens share the bytes of one (emoji, Cyrillic under
    byte fallback): it is the step at which the choice was made. Takes about log2(len(token_ids)) decodes. A tokenizer
    that cleans up spaces when it decodes (transformers 4 does by default) takes out spaces that are in the tokens;
    tokens are looked at without that, and `char` is counted among them.

    Args:
        tokenizer: a transformers tokenizer.
        token_ids: the ids generated, without the prompt, special tokens included.
        char: index into `text`.
        text: the decoded tokens or their beginning, cleaned up or not; by default what the tokenizer makes of them.
        skip_special_tokens: as when `text` was decoded.

    Raises:
        AlignmentError: `char` is outside the text, or the tokens do not decode to the text up to it.
    """
    ids = [int(token_id) for token_id in token_ids]
    prefixes = _Prefixes(tokenizer, ids, skip_special_tokens)
    if text is None:
        text = str(tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)) if ids else ""
    if not 0 <= char < len(text):
        raise AlignmentError(f"character {char} is outside the decoded text of {len(text)} characters")
    char = _among_all(text, prefixes.text, char)
    last = _first(lambda count: prefixes.settled(count) > char, 1, len(ids)) - 1
    first = _first(lambda count: prefixes.settled(count) >= char, 0, last)
    if prefixes.settled(first) != char:
        return last
    before = prefixes.decode(first)
    for step in range(first, last):
        if prefixes.decode(step + 1) != before:
            return step
    return last


def chars_of(tokenizer: Any, token_ids: Sequence[int], text: str, *, skip_special_tokens: bool = True) -> int:
    """How many characters of `text` come from `token_ids`, which are the first of those it was decoded from.

    `text` may be cleaned up or not, as in `step_of_char`.
    """
    options = {"skip_special_tokens": skip_special_tokens, "clean_up_tokenization_spaces": False}
    whole = str(tokenizer.decode([int(token_id) for token_id in token_ids], **options))
    letters = sum(not letter.isspace() for letter in whole)
    places = [place for place, letter in enumerate(text) if not letter.isspace()]
    if not letters:
        return 0
    return places[letters - 1] + 1 if letters <= len(places) else len(text)


class _Prefixes:
    """Decoded prefixes of one generation."""

    def __init__(self, tokenizer: Any, ids: list[int], skip_special_tokens: bool) -> None:
        self._tokenizer = tokenizer
        self._ids = ids
        self._skip = skip_special_tokens
        self._decoded: dict[int, str] = {}
        self.text = self.decode(len(ids))

    def decode(self, count: int) -> str:
        """Text of the first `count` tokens."""
        if count not in self._decoded:
            options = {"skip_special_tokens": self._skip, "clean_up_tokenization_spaces": False}
            self._decoded[count] = str(self._tokenizer.decode(self._ids[:count], **options)) if count else ""
        return self._decoded[count]

    def settled(self, count: int) -> int:
        """How many leading characters of the whole text the first `count` tokens already give."""
        if count >= len(self._ids):
            return len(self.text)
        prefix = self.decode(count).rstrip(REPLACEMENT)  # an unfinished character is not settled
        common = min(len(prefix), len(self.text))
        while prefix[:common] != self.text[:common]:
            common = _common(prefix, self.text, common)
        return common


def _among_all(text: str, whole: str, char: int) -> int:
    """Where character `char` of `text` stands in `whole`, which has spaces that `text` may lack."""
    at = -1
    for letter in text[: char + 1]:
        at += 1
        while at < len(whole) and whole[at] != letter and whole[at].isspace():
            at += 1
        if at == len(whole) or whole[at] != letter:
            raise AlignmentError(f"the text {_short(text)} is not what the tokens decode to: {_short(whole)}")
    return at


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


def _common(left: str, right: str, limit: int) -> int:
    return next((index for index in range(limit) if left[index] != right[index]), limit)


def _first(condition: Any, low: int, high: int) -> int:
    """Smallest count in [low, high] that meets a condition which stays true once met; `high` is taken to meet it."""
    while low < high:
        middle = (low + high) // 2
        if condition(middle):
            high = middle
        else:
            low = middle + 1
    return low

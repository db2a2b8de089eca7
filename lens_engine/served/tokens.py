"""The tokens of a response as an OpenAI-like server gives them, and the one at which an answer is decided."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from lens_engine.failures import NoReadout

__all__ = ["ListedToken", "ServedToken", "step_at", "tokens_of"]

_NOT_TOLD = -1000.0
"""Servers write -9999 or minus infinity for "unlikely"; no distribution in float32 has such a log-probability."""
_ABOVE_ONE = 1e-3
"""How far above 0 a log-probability may lie by rounding."""


@dataclass(frozen=True)
class ListedToken:
    """A token in a server's list.

    Attributes:
        data: its bytes.
        logprob: its log-probability in nats; None where the server says no more than that it is unlikely.
    """

    data: bytes
    logprob: float | None

    @property
    def text(self) -> str:
        """Its text; bytes of half a character as U+FFFD."""
        return self.data.decode("utf-8", "replace")


@dataclass(frozen=True)
class ServedToken:
    """A token of a response.

    Attributes:
        own: the token itself.
        top: the likeliest tokens at its place, in the server's order.
    """

    own: ListedToken
    top: tuple[ListedToken, ...]


def tokens_of(choice: Mapping[str, Any]) -> tuple[ServedToken, ...] | NoReadout:
    """The tokens of one choice of a chat completion, or why there are none that can be read.

    Args:
        choice: an entry of `choices` of the server's response, as JSON values.
    """
    given = choice.get("logprobs")
    content = given.get("content") if isinstance(given, Mapping) else None
    if not content:
        return NoReadout("not_run", "the server gave no log-probabilities")
    try:
        return tuple(_token(each) for each in content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return NoReadout(
            "not_run", f"the server's log-probabilities cannot be read ({type(error).__name__}: {error}): {content[:1]}"
        )


def _token(given: Mapping[str, Any]) -> ServedToken:
    return ServedToken(_listed(given), tuple(_listed(each) for each in given.get("top_logprobs") or ()))


def _listed(given: Mapping[str, Any]) -> ListedToken:
    data = given.get("bytes")
    logprob = float(given["logprob"])
    if logprob > _ABOVE_ONE or (not isfinite(logprob) and logprob != float("-inf")):
        raise ValueError(f"{logprob} is no log-probability")
    return ListedToken(
        str(given["token"]).encode("utf-8", "surrogatepass") if data is None else bytes(data),
        None if logprob < _NOT_TOLD else min(logprob, 0.0),
    )


def step_at(tokens: Sequence[ServedToken], content: str, response: str, char: int) -> int | NoReadout:
    """Number of the token that begins one character of a response, or why that is not certain.

    Args:
        tokens: of everything that was generated: a reasoning part and an end token may be among them.
        content: the text that the server gave.
        response: what the harness handed on of it: all of it, or its end.
        char: character of `response`.
    """
    whole = b"".join(token.own.data for token in tokens)
    text = content.encode("utf-8", "surrogatepass")
    places = {0} if whole.startswith(text) else set()
    if whole.endswith(text):
        places.add(len(whole) - len(text))
    if len(places) != 1 or not content.endswith(response):
        return NoReadout("unaligned", "the tokens that the server gave are not those of its text")
    before = content[: len(content) - len(response) + char]
    place = places.pop() + len(before.encode("utf-8", "surrogatepass"))
    ends = itertools.accumulate(len(token.own.data) for token in tokens)
    return next(step for step, end in enumerate(ends) if end > place)

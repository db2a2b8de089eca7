"""Conversations of several rounds: asked as long as the task goes on, each round recorded by itself."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness_ext.samples import HarnessRequest
from lens_engine import Request, Session

from .samples import LmmsEvalSamples

__all__ = ["answers_by_round", "given"]


def answers_by_round(session: Session, maker: LmmsEvalSamples, asked: HarnessRequest) -> Iterator[str]:
    """The answers to one request, round after round; each is recorded under its own request number.

    Args:
        session: puts each round to its engine.
        maker: makes the sample of a round.
        asked: the request; the task's function says after each round whether there is another one.
    """
    assert asked.messages is not None
    document = maker.document(asked)
    texts: list[str] = []
    messages, previous = asked.messages, None
    while True:
        task, doc_id, _, repeat = asked.key
        numbered = replace(asked, key=(task, doc_id, len(texts), repeat), messages=messages)
        sample = functools.partial(maker.sample, numbered, document, kind="multi_round")
        request = Request(numbered.key, numbered.generation, sample, numbered.padding)
        texts.append(session.generate([request], cached=False)[0].text)
        yield texts[-1]
        payload = asked.messages(
            document, round_idx=len(texts), previous_output=list(texts), previous_round_info=previous
        )
        if not (isinstance(payload, tuple) and len(payload) == 4):
            return
        conversation, terminal, _, previous = payload
        if terminal:
            return
        messages = functools.partial(given, conversation)


def given(conversation: Any, document: Any) -> Any:
    """A conversation that the task has made already, in the place of its function."""
    return conversation

"""Prompts that remember which request they belong to.

lm-eval sorts and batches the arguments of its requests, not the requests, so its generation code no longer knows which
document it answers. A prompt that is a `str` in every respect and carries its request goes the same way unnoticed.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lens_results.record import Key

__all__ = ["TaggedPrompt", "TaggedRequest", "tag", "where", "with_tagged_prompt"]


@dataclass(frozen=True)
class TaggedRequest:
    """One request.

    Attributes:
        key: (task, doc_id, request index, repeat).
        instance: lm-eval's object.
        padding: the request only evens out the number of forward passes between processes.
    """

    key: Key
    instance: Any = field(repr=False)
    padding: bool = False


class TaggedPrompt(str):
    """A prompt and its request."""

    request: TaggedRequest

    def __new__(cls, text: str, request: TaggedRequest) -> TaggedPrompt:
        """Make it from the prompt's text."""
        prompt = super().__new__(cls, text)
        prompt.request = request
        return prompt


def tag(instances: Iterable[Any]) -> list[TaggedRequest]:
    """Requests in order; the n-th appearance of one object is its repeat n - 1, and padding beyond its repeats."""
    seen: Counter[tuple[str, int, int]] = Counter()
    requests = []
    for instance in instances:
        identity = (str(instance.task_name), int(instance.doc_id), int(instance.idx))
        repeat = seen[identity]
        seen[identity] += 1
        requests.append(TaggedRequest((*identity, repeat), instance, padding=repeat >= (instance.repeats or 1)))
    return requests


def with_tagged_prompt(request: TaggedRequest) -> Any:
    """A copy of the instance whose prompt is tagged."""
    instance = copy.copy(request.instance)
    prompt, *rest = instance.args
    instance.arguments = (TaggedPrompt(prompt, request), *rest)
    return instance


def where(request: TaggedRequest) -> str:
    """The request's document, for an error."""
    return f"task {request.key[0]}, document {request.key[1]}"

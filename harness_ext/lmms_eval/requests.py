"""lmms-eval's request tuples in one form, for chat tasks and for the older layout (`--force_simple`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lens_engine.media_kinds import parts_of
from lens_engine.sample import where_of
from lens_results.record import Key

__all__ = ["HarnessRequest", "normalise"]


@dataclass(frozen=True)
class HarnessRequest:
    """One request.

    Attributes:
        key: (task, doc_id, idx, repeat).
        split: split of the data set.
        context: the prompt text that the harness built.
        messages: document -> conversation in the harness's message format.
        generation: generation arguments of the task.
        continuation: text to score, for loglikelihood requests.
        padding: the request only evens out the number of forward passes between processes.
    """

    key: Key
    split: str
    context: str
    messages: Callable[..., Any]
    generation: Mapping[str, Any]
    continuation: Any = None
    padding: bool = False

    @property
    def task(self) -> str:
        """Task name."""
        return self.key[0]

    @property
    def doc_id(self) -> int:
        """Number of the document in its split."""
        return self.key[1]

    @property
    def where(self) -> str:
        """Its document, for an error."""
        return where_of(self.key)


def normalise(instances: Iterable[Any]) -> list[HarnessRequest]:
    """Requests of `Instance` objects, in order; the n-th appearance of one request gets repeat number n - 1."""
    seen: Counter[tuple[str, int, int]] = Counter()
    requests = []
    for instance in instances:
        task, doc_id = str(instance.args[-2]), int(instance.args[-3])
        identity = (task, doc_id, int(instance.idx))
        padding = bool((instance.metadata or {}).get("__padding_only__"))
        repeat = 0 if padding else seen[identity]
        seen[identity] += not padding
        requests.append(_request(instance, (*identity, repeat), padding))
    return requests


def _request(instance: Any, key: Key, padding: bool) -> HarnessRequest:
    context, second, third, *_, split = instance.args
    if instance.request_type == "loglikelihood":
        return HarnessRequest(key, split, context, _from_visuals(context, third), {}, second, padding)
    if callable(second):  # chat layout: context, doc_to_messages, generation arguments
        return HarnessRequest(key, split, context, second, third or {}, None, padding)
    return HarnessRequest(key, split, context, _from_visuals(context, third), second or {}, None, padding)


def _from_visuals(context: str, doc_to_visual: Callable[[Any], Sequence[Any] | None] | None) -> Callable[..., Any]:
    """A conversation of one user turn: the visuals, then the text."""

    def messages(doc: Any) -> list[dict[str, Any]]:
        content = parts_of(doc_to_visual(doc)) if doc_to_visual is not None else []
        text = context.replace("<image>", "").strip() if content else context
        return [{"role": "user", "content": [*content, {"type": "text", "text": text}]}]

    return messages

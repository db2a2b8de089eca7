"""vLLM's client as a harness's own code calls it, with each request marked for the workers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from lens_models.errors import CaptureError
from lens_models.vllm_worker.prompt_states import EMBEDDED, IMAGES
from lens_models.vllm_worker.steps import MARK

__all__ = ["MarkingClient", "marked"]

NOTHING_MORE: Mapping[str, int] = MappingProxyType({})


class MarkingClient:
    """Stands for a `vllm.LLM`; all but its two ways of answering are the client's own.

    Args:
        client: the `vllm.LLM`.
        marks: numbers for the requests, in order; None leaves them unmarked.
        more: what else each request's `extra_args` say to the workers.
    """

    def __init__(self, client: Any, marks: Iterator[int] | None, more: Mapping[str, int] = NOTHING_MORE) -> None:
        self._client = client
        self._more = more
        self._marks = marks
        self.outputs: list[Any] = []
        """What the client answered, in order of the requests."""
        self.marks: list[int] = []
        """The marks of those requests."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def chat(self, messages: Any, sampling_params: Any = None, **arguments: Any) -> Any:
        """What the client's `chat` answers."""
        params = self._with_marks(messages, sampling_params)
        return self._kept(self._client.chat(messages=messages, sampling_params=params, **arguments))

    def generate(self, prompts: Any, sampling_params: Any = None, **arguments: Any) -> Any:
        """What the client's `generate` answers."""
        params = self._with_marks(prompts, sampling_params)
        return self._kept(self._client.generate(prompts, sampling_params=params, **arguments))

    def reorder(self, rows: Sequence[int]) -> None:
        """Put outputs and marks into the order of the samples: the n-th sample was request `rows[n]`."""
        if len(rows) == len(self.outputs):
            self.outputs = [self.outputs[row] for row in rows]
            self.marks = [self.marks[row] for row in rows] if self.marks else []

    def _with_marks(self, asked: Any, params: Any) -> Any:
        if self._marks is None:
            return params
        if not isinstance(asked, list | tuple):
            raise CaptureError(f"vLLM was asked {type(asked).__name__}; the lens marks lists of requests")
        each = list(params) if isinstance(params, Sequence) else [params] * len(asked)
        marks = [next(self._marks) for _ in asked]
        self.marks += marks
        return [marked(one, mark, **self._more) for one, mark in zip(each, marks, strict=True)]

    def _kept(self, outputs: Any) -> Any:
        self.outputs += outputs
        return outputs


def marked(params: Any, mark: int, **more: int) -> Any:
    """Sampling parameters with a mark for the workers in their `extra_args`; the answer is the same.

    Raises:
        CaptureError: several answers, or beams, were asked for.
    """
    if getattr(params, "n", 1) != 1:
        raise CaptureError(f"n={params.n} answers a request; the lens reads one")
    params = copy.copy(params)
    params.extra_args = {**(params.extra_args or {}), MARK: mark, **more}
    if more.get(IMAGES) or more.get(EMBEDDED):  # positions that are in the cache are not computed
        params.skip_reading_prefix_cache = True
    return params

"""Which rows of a forward pass of vLLM belong to which position of which request.

A pass holds the scheduled tokens of all running requests behind one another: whole prompts, pieces of long ones
(chunked prefill), and one token of each request that is decoding. A request is marked by `SamplingParams.extra_args`;
its id is vLLM's own affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["MARK", "SPAN", "Wanted", "wanted_rows"]

MARK = "lens"
"""Key in `extra_args`: the number under which the lens keeps a request."""
SPAN = "lens_span"
"""Key in `extra_args`: how many tokens at the prompt's end were given, whose predicting positions are kept."""


@dataclass(frozen=True)
class Wanted:
    """A row that is kept.

    Attributes:
        row: its place in the pass.
        mark: of its request.
        step: which generated token it predicts, from 0; None for a given token at the prompt's end.
        given: which of the given tokens it predicts, from 0; None for a generated one.
        request: place of its request in the pass.
    """

    row: int
    mark: int
    step: int | None
    given: int | None
    request: int


def wanted_rows(runner: Any, scheduled: Mapping[str, int]) -> list[Wanted]:
    """The rows of one pass that predict a token of a marked request.

    Args:
        runner: vLLM's model runner, its batch prepared and the model not run yet.
        scheduled: request id -> number of its tokens in this pass.
    """
    batch = runner.input_batch
    found: list[Wanted] = []
    start = 0
    for place, request_id in enumerate(batch.req_ids[: batch.num_reqs]):
        count = scheduled[request_id]
        state = runner.requests[request_id]
        extra = getattr(state.sampling_params, "extra_args", None) or {}
        if MARK in extra:
            computed = int(batch.num_computed_tokens_cpu[place])
            found += _of_request(
                int(extra[MARK]), int(extra.get(SPAN, 0)), state.num_prompt_tokens, computed, count, start, place
            )
        start += count
    return found


def _of_request(mark: int, span: int, prompt: int, computed: int, count: int, start: int, place: int) -> list[Wanted]:
    """Rows of one request: tokens `computed` to `computed + count` of it stand at rows from `start` on."""
    first_given = prompt - span - 1
    rows = [
        Wanted(start + position - computed, mark, None, position - first_given, place)
        for position in range(max(first_given, computed), min(first_given + span, computed + count))
    ]
    step = computed + count - prompt
    if step >= 0:
        rows.append(Wanted(start + count - 1, mark, step, None, place))
    return rows

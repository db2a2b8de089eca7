"""States of positions of a prompt, kept while vLLM runs through it in one pass or in pieces."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lens_models.errors import CaptureError

__all__ = ["EMBEDDED", "IMAGES", "PromptStates"]

IMAGES = "lens_images"
"""Key in `extra_args`: the states of the positions that pictures stand at are kept."""
EMBEDDED = "lens_embedded"
"""Key in `extra_args`: what goes into the first block is kept, at each position of the prompt."""


@dataclass
class _Kept:
    """Of one request: its positions in order of arrival, and for each a row of `states`, `[n, layers, parts * d]`."""

    positions: list[int] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)


class PromptStates:
    """What some layers hand on at positions of marked prompts; many of them wait in the memory of the machine.

    Args:
        key: in `extra_args`, which prompts: `IMAGES` or `EMBEDDED`.
        layers: layer numbers, rising; 0 is what goes into the first block.
    """

    def __init__(self, key: str, layers: Sequence[int]) -> None:
        self.layers = tuple(layers)
        self._key = key
        self._kept: dict[int, _Kept] = {}
        self._rows: list[tuple[int, int]] = []  # mark and position of each row of this pass
        self._index: Tensor | None = None
        self._pass: dict[int, Tensor] = {}

    def begin(self, runner: Any, scheduled: Mapping[str, int], mark: str, device: torch.device) -> bool:
        """A pass begins; whether it has positions that are to be kept.

        Args:
            runner: vLLM's model runner, its batch prepared and the model not run yet.
            scheduled: request id -> number of its tokens in this pass.
            mark: key in `extra_args` of a request's mark.
            device: of the model.
        """
        self._rows, self._pass, places, start = [], {}, [], 0
        batch = runner.input_batch
        for place, request_id in enumerate(batch.req_ids[: batch.num_reqs]):
            count, state = scheduled[request_id], runner.requests[request_id]
            extra = getattr(state.sampling_params, "extra_args", None) or {}
            if extra.get(self._key):
                computed = int(batch.num_computed_tokens_cpu[place])
                end = min(computed + count, state.num_prompt_tokens)
                seen = set(self._kept[extra[mark]].positions) if extra[mark] in self._kept else set()
                wanted = self._wanted(state)
                for position in range(computed, end):  # a preempted request runs through its prompt again
                    if (wanted is None or position in wanted) and position not in seen:
                        self._rows.append((int(extra[mark]), position))
                        places.append(start + position - computed)
            start += count
        self._index = torch.tensor(places, device=device) if places else None
        return bool(places)

    def see(self, layer: int, stream: Sequence[Tensor]) -> None:
        """Keep what a layer hands on, one or two tensors `[tokens, d]`; a copy, because kernels write in place."""
        if self._index is not None and layer in self.layers:
            self._pass[layer] = torch.cat([part.index_select(0, self._index) for part in stream], dim=-1).cpu()

    def keep(self) -> None:
        """The pass is through the blocks."""
        if self._index is None:
            return
        whole = torch.stack([self._pass[layer] for layer in self.layers], dim=1)
        for row, (mark, position) in enumerate(self._rows):
            kept = self._kept.setdefault(mark, _Kept())
            kept.positions.append(position)
            kept.states.append(whole[row])
        self.end()

    def end(self) -> None:
        """The pass is over, or nothing is to be kept of it."""
        self._rows, self._index, self._pass = [], None, {}

    def positions(self, mark: int) -> list[int]:
        """The positions of a request that were kept, rising."""
        return sorted(self._kept[mark].positions) if mark in self._kept else []

    def of(self, mark: int, positions: Sequence[int]) -> Tensor:
        """`[layers, positions, parts * d]` of a request.

        Raises:
            CaptureError: a position was not computed, or nobody asked for it.
        """
        kept = self._kept.get(mark, _Kept())
        place = {position: row for row, position in enumerate(kept.positions)}
        missing = [position for position in positions if position not in place]
        if missing or not positions:
            raise CaptureError(
                f"vLLM computed {len(kept.positions)} of the positions that pictures stand at; position "
                f"{missing[0] if missing else 'of none'} is not among them"
            )
        return torch.stack([kept.states[place[position]] for position in positions], dim=1)

    def forget(self) -> None:
        """Let go what is kept of all requests."""
        self._kept.clear()

    def _wanted(self, state: Any) -> Collection[int] | None:
        """Positions of a request's prompt that are kept; None for all."""
        return None if self._key == EMBEDDED else picture_positions(state.mm_features or ())


def picture_positions(features: Sequence[Any]) -> set[int]:
    """Where vLLM puts what its vision tower gives into the prompt: `mm_features` of a request."""
    found: set[int] = set()
    for feature in features:
        where = feature.mm_position
        own = range(where.length) if where.is_embed is None else torch.nonzero(where.is_embed).flatten().tolist()
        found.update(where.offset + each for each in own)
    return found

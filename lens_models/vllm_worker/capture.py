"""Watch the blocks of a model of vLLM and keep the residual stream of the positions that predict."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lens_models.errors import CaptureError, StepNotKeptError
from lens_models.probes.kept_steps import KeptSteps

from .parts import WorkerParts
from .steps import Wanted, wanted_rows

__all__ = ["KeptRequest", "WorkerCapture"]


@dataclass
class KeptRequest:
    """What is kept of one request.

    Attributes:
        steps: for each generated token the stream that predicted it, `[layers, parts * d]`.
        given: the same for each given token at the prompt's end, by its number.
        first_logits: the model's logits `[V]` of the first generated token, on the rank that has them.
    """

    steps: KeptSteps
    given: dict[int, Tensor] = field(default_factory=dict)
    first_logits: Tensor | None = None

    def stream(self, place: int, *, given: bool) -> Tensor:
        """`[layers, parts * d]` of a generated or given token.

        Raises:
            StepNotKeptError: the generation was so long that the step was let go.
            CaptureError: the position was not computed, or not seen.
        """
        if given:
            if place not in self.given:
                raise CaptureError(f"the position of given token {place} was not computed by vLLM in this request")
            return self.given[place]
        if place >= len(self.steps.steps):
            raise CaptureError(f"step {place} was not seen; {len(self.steps.steps)} steps were")
        found = self.steps.steps[place]
        if not found.numel():
            raise StepNotKeptError(f"step {place} of so long a generation was not kept (LensSettings.capture_limit)")
        return found


class WorkerCapture:
    """Hooks on the blocks of a worker's model; while no marked request runs they do nothing.

    Args:
        runner: the worker's model runner.
        parts: of its model.
        layer_index: layers that are kept, rising; 0 is what goes into the first block.
        limit: bytes of steps that are kept of one request.
    """

    def __init__(self, runner: Any, parts: WorkerParts, layer_index: Sequence[int], limit: int) -> None:
        self._runner, self._limit = runner, limit
        self._wanted_layers = tuple(layer_index)
        self._last = parts.layers[-1]
        self.kept: dict[int, KeptRequest] = {}
        self.n_parts = 0
        self.problem: str | None = None
        self._scheduled: Mapping[str, int] | None = None
        self._rows: list[Wanted] = []
        self._index: Tensor | None = None
        self._pass: dict[int, Tensor] = {}
        self._logits_expected = False
        self.compute_logits = runner.get_model().compute_logits
        self._install(parts)

    def _install(self, parts: WorkerParts) -> None:
        runner, model = self._runner, self._runner.get_model()
        runner.execute_model = self._around(runner.execute_model)
        model.compute_logits = self._watched_logits
        parts.layers[0].register_forward_pre_hook(self._begin, with_kwargs=True)
        for number in {*self._wanted_layers, len(parts.layers)} - {0}:
            parts.layers[number - 1].register_forward_hook(functools.partial(self._see, number))

    def _around(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        """vLLM's `execute_model`, during which the scheduled tokens are known; its dry runs go around it."""

        @functools.wraps(execute)
        def execute_model(scheduler_output: Any, *args: Any, **kwargs: Any) -> Any:
            self._scheduled = scheduler_output.num_scheduled_tokens
            try:
                return execute(scheduler_output, *args, **kwargs)
            finally:
                self._scheduled, self._rows, self._pass, self._logits_expected = None, [], {}, False

        return execute_model

    def _begin(self, module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._rows, self._pass = [], {}
        if not self._scheduled:
            return
        try:
            self._rows = wanted_rows(self._runner, self._scheduled)
            if not self._rows:
                return
            self._logits_expected = True
            stream = _stream((*args, *kwargs.values()))
            self._index = torch.tensor([each.row for each in self._rows], device=stream[0].device)
            if 0 in self._wanted_layers:
                self._pass[0] = self._pick(stream)
        except Exception as error:  # a fault of the lens never ends a run of the model
            self._failed(error)

    def _see(self, number: int, module: Any, args: Any, output: Any) -> None:
        if not self._rows:
            return
        try:
            if number in self._wanted_layers:
                self._pass[number] = self._pick(_stream(output if isinstance(output, tuple) else (output,)))
            if module is self._last:
                self._keep()
        except Exception as error:  # as above
            self._failed(error)

    def _pick(self, stream: Sequence[Tensor]) -> Tensor:
        """`[rows, parts * d]`; a copy, because later blocks write into what they are given."""
        assert self._index is not None
        return torch.cat([part.index_select(0, self._index) for part in stream], dim=-1)

    def _keep(self) -> None:
        width = max(each.shape[-1] for each in self._pass.values())
        # the embeddings come alone, what follows in two parts
        layers = [
            torch.nn.functional.pad(self._pass[number], (0, width - self._pass[number].shape[-1]))
            for number in self._wanted_layers
        ]
        whole = torch.stack(layers, dim=1)
        self.n_parts = width // int(self._runner.model_config.get_hidden_size())
        for place, each in enumerate(self._rows):
            kept = self.kept.setdefault(each.mark, KeptRequest(KeptSteps(self._limit)))
            if each.given is not None:
                kept.given[each.given] = whole[place]
            elif each.step == len(kept.steps.steps):  # a preempted request runs through its steps again
                kept.steps.append(whole[place])

    def _watched_logits(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Any:
        logits = self.compute_logits(hidden, *args, **kwargs)
        if self._logits_expected:  # the first call of a pass is the one that tokens are taken from
            self._logits_expected = False
            try:
                self._keep_logits(logits)
            except Exception as error:  # as above
                self._failed(error)
        return logits

    def _keep_logits(self, logits: Any) -> None:
        if logits is None:
            return
        for each in self._rows:
            if each.step == 0 and self.kept[each.mark].first_logits is None:
                self.kept[each.mark].first_logits = logits[each.request].clone()

    def _failed(self, error: Exception) -> None:
        self._rows, self._pass = [], {}
        self.problem = self.problem or f"{type(error).__name__}: {error}"


def _stream(values: Sequence[Any]) -> list[Tensor]:
    """What blocks hand on: one or two tensors `[tokens, d]` in floating point; positions are whole numbers."""
    found = [each for each in values if isinstance(each, Tensor) and each.is_floating_point() and each.dim() == 2]
    if not found:
        raise CaptureError("a block was given, or gave, no residual stream of the form [tokens, d]")
    return found[:2]

"""Watch the blocks of a model of vLLM and keep the residual stream of the positions that predict."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lens_models import distributions as dist
from lens_models.errors import CaptureError, StepNotKeptError
from lens_models.probes.kept_steps import KeptSteps

from .in_graph import is_watched_in_graph, sees_graph
from .parts import WorkerParts
from .prompt_states import EMBEDDED, IMAGES, PromptStates
from .steps import MARK, Wanted, wanted_rows
from .stream import residual_stream

__all__ = ["KeptRequest", "WorkerCapture"]


@dataclass
class KeptRequest:
    """What is kept of one request.

    Attributes:
        steps: for each generated token the stream that predicted it, `[layers, parts * d]`.
        given: the same for each given token at the prompt's end, by its number.
        first_logits: the model's logits `[V]` of the first generated token, on the rank that has them.
        entropy: of the distribution that each generated token was taken from, nats, on that rank.
    """

    steps: KeptSteps
    given: dict[int, Tensor] = field(default_factory=dict)
    first_logits: Tensor | None = None
    entropy: list[Tensor] = field(default_factory=list)

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
        image_layers: layers that are kept of the positions of pictures, rising; none of them without that probe.
        vocab_size: number of logits whose entropy is kept at each step; 0 for none.
    """

    def __init__(
        self,
        runner: Any,
        parts: WorkerParts,
        layer_index: Sequence[int],
        limit: int,
        *,
        image_layers: Sequence[int] = (),
        vocab_size: int = 0,
    ) -> None:
        self._runner, self._limit, self._vocab_size = runner, limit, vocab_size
        self.images = PromptStates(IMAGES, image_layers)
        self.embedded = PromptStates(EMBEDDED, (0,))
        self._prompts = (self.images, self.embedded) if image_layers else ()
        self._wanted_layers = tuple(layer_index)
        self._last = len(parts.layers)
        self.kept: dict[int, KeptRequest] = {}
        self.n_parts = 0
        self.problem: str | None = None
        self._scheduled: Mapping[str, int] | None = None
        self._watching = False
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
        if is_watched_in_graph(parts):
            sees_graph(self._see_in_graph)
            return
        parts.layers[0].register_forward_pre_hook(self._before, with_kwargs=True)
        for number in {*self._wanted_layers, *self.images.layers, len(parts.layers)} - {0}:
            parts.layers[number - 1].register_forward_hook(functools.partial(self._after, number))

    def _around(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        """vLLM's `execute_model`, during which the scheduled tokens are known; its dry runs go around it."""

        @functools.wraps(execute)
        def execute_model(scheduler_output: Any, *args: Any, **kwargs: Any) -> Any:
            self._scheduled = scheduler_output.num_scheduled_tokens
            try:
                return execute(scheduler_output, *args, **kwargs)
            finally:
                self._scheduled, self._logits_expected = None, False
                self._end_pass()

        return execute_model

    def _see_in_graph(self, number: int, stream: Sequence[Tensor]) -> None:
        if number == 0:
            self._begin(lambda: stream)
        else:
            self._see(number, lambda: stream)

    def _before(self, module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._begin(lambda: residual_stream((*args, *kwargs.values())))

    def _after(self, number: int, module: Any, args: Any, output: Any) -> None:
        self._see(number, lambda: residual_stream(output if isinstance(output, tuple) else (output,)))

    def _begin(self, stream: Callable[[], Sequence[Tensor]]) -> None:
        self._end_pass()
        if not self._scheduled:
            return
        try:
            self._rows = wanted_rows(self._runner, self._scheduled)
            device = torch.device(self._runner.device)
            begun = [each.begin(self._runner, self._scheduled, MARK, device) for each in self._prompts]
            self._watching = bool(self._rows) or any(begun)
            self._logits_expected = bool(self._rows)
            if not self._watching:
                return
            self._index = torch.tensor([each.row for each in self._rows], device=device, dtype=torch.long)
            self._pick(0, stream())
        except Exception as error:  # a fault of the lens never ends a run of the model
            self._failed(error)

    def _see(self, number: int, stream: Callable[[], Sequence[Tensor]]) -> None:
        if not self._watching:
            return
        try:
            self._pick(number, stream())
            if number == self._last:
                self._keep()
        except Exception as error:  # as above
            self._failed(error)

    def _pick(self, number: int, stream: Sequence[Tensor]) -> None:
        """Rows `[rows, parts * d]` of a layer; a copy, because later blocks write into what they are given."""
        if self._rows and number in self._wanted_layers:
            assert self._index is not None
            self._pass[number] = torch.cat([part.index_select(0, self._index) for part in stream], dim=-1)
        for each in self._prompts:
            each.see(number, stream)

    def _keep(self) -> None:
        for each in self._prompts:
            each.keep()
        if self._rows:
            self._keep_rows()

    def _keep_rows(self) -> None:
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
            kept = self.kept[each.mark]
            if each.step == 0 and kept.first_logits is None:
                kept.first_logits = logits[each.request].clone()
            if self._vocab_size and each.step == len(kept.entropy):
                own = logits[each.request, : self._vocab_size].float()
                kept.entropy.append(dist.entropy(torch.log_softmax(own, dim=-1)))

    def forget(self) -> None:
        """Let go what is kept of all requests."""
        self.kept.clear()
        self.images.forget()
        self.embedded.forget()

    def _end_pass(self) -> None:
        self._watching, self._rows, self._pass = False, [], {}
        for each in self._prompts:
            each.end()

    def _failed(self, error: Exception) -> None:
        self._end_pass()
        self.problem = self.problem or f"{type(error).__name__}: {error}"

"""The first probe: the residual stream of the predicting position, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lens_models.errors import CaptureError, StepNotKeptError
from lens_models.parts import ModelParts

from .kept_steps import KeptSteps
from .observing import observed
from .positions import LAST, Positions
from .protocol import Answered, Step

__all__ = ["CAPTURE_LIMIT", "ResidualCapture", "Trace", "resolve_layer_index"]

CAPTURE_LIMIT = 2**30
"""Bytes of residuals that one capture keeps: all of some 800 tokens a row of 16 at 80 layers of 8192 numbers."""


@dataclass
class Trace:
    """What one capture kept. A step is one forward pass through the decoder.

    `steps[t]` is `[layers, rows, ...positions, d]` in the model's dtype, the layer axis in the order of `layer_index`
    (0 is the embedding output, l in 1..L the output of block l, before the final norm). Without chosen positions the
    position is the last one, which predicts the next token. `first_logits` is the head's raw output
    `[rows, ...positions, vocabulary]` of step 0, before any cap or scale. A step that was let go is an empty tensor.
    """

    layer_index: tuple[int, ...]
    steps: list[Tensor] = field(default_factory=list)
    first_logits: Tensor | None = None

    @property
    def n_steps(self) -> int:
        """Number of forward passes seen."""
        return len(self.steps)

    @property
    def n_rows(self) -> int:
        """Batch rows of a forward pass (batch times beams)."""
        return int(self.steps[0].shape[1]) if self.steps else 0

    def residual(self, step: int, row: int) -> Tensor:
        """`[layers, ...positions, d]` of one row at one step.

        Raises:
            StepNotKeptError: the step was let go.
        """
        if not self.steps[step].numel():
            raise StepNotKeptError(
                f"step {step} of {self.n_steps} was not kept: of so long a generation the lens keeps the first "
                f"{self._kept_before(step)} steps and the last ones (LensSettings.capture_limit)"
            )
        return self.steps[step][:, row]

    def _kept_before(self, step: int) -> int:
        return sum(1 for each in self.steps[:step] if each.numel())


class ResidualCapture:
    """The residual stream at chosen positions and layers, of every forward pass.

    A layer that a model skips (cross-attention layers without an image) leaves the residual stream as it was, so its
    entry repeats the one before. As a context manager it observes alone and gives its trace.

    Args:
        parts: the parts of the model that will run.
        layer_index: which layers to keep, rising, out of 0..L; all blocks when None.
        positions: which positions to keep of each forward pass.
        keep_logits: keep the head's output of the first step, for the identity check.
        limit: bytes of residuals to keep; of a longer generation the steps in the middle are let go.
    """

    name: ClassVar[str] = "residual"

    def __init__(
        self,
        parts: ModelParts,
        *,
        layer_index: Sequence[int] | None = None,
        positions: Positions = LAST,
        keep_logits: bool = True,
        limit: int = CAPTURE_LIMIT,
    ) -> None:
        self.parts = parts
        index = resolve_layer_index(layer_index, parts.n_layers)
        self.trace = Trace(index)
        self._positions = positions
        self._keep_logits = keep_logits
        self._pending: dict[int, Tensor] = {}
        self._alone = ExitStack()
        self._kept = KeptSteps(limit, self.trace.steps)

    def __enter__(self) -> Trace:
        self._alone.enter_context(observed(self.parts, [self]))
        return self.trace

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._alone.close()

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        """Hook the decoder layers."""
        with ExitStack() as stack:
            stack.callback(self._pending.clear)
            # the input of block 1 is the embedding output; it also stands in for skipped leading layers
            first = parts.layers[0].register_forward_pre_hook(self._before_first, with_kwargs=True)
            stack.callback(first.remove)
            for number, layer in enumerate(parts.layers, start=1):
                # all of them: a wanted layer that the model skips takes the value of the one before it
                stack.callback(layer.register_forward_hook(self._after(number)).remove)
            yield

    def on_step(self, step: Step) -> None:
        """The layers of one pass are complete.

        Raises:
            CaptureError: the head ran without the layers.
        """
        if not self._pending:
            raise CaptureError(
                f"{self.parts.model_class} computed logits without running its decoder layers "
                f"'{self.parts.decoder_path}'; the layers found are not the ones in use."
            )
        if self._keep_logits and self.trace.first_logits is None:
            # of a head that ran on one position that one is kept, whatever positions are chosen
            kept = LAST if step.logits.shape[1] == 1 else self._positions
            self.trace.first_logits = kept.of(step.logits)
        self._kept.append(torch.stack(self._filled(step.logits.device)))
        self._pending = {}

    def result(self, answered: Answered) -> dict[int, Tensor]:
        """Step -> `[layers, ...positions, d]` of one sample, of the steps that were kept."""
        steps = self.trace.steps
        return {step: self.trace.residual(step, row) for step, row in enumerate(answered.rows) if steps[step].numel()}

    def _before_first(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        hidden = args[0] if args else kwargs.get("hidden_states")
        if isinstance(hidden, Tensor):
            self._pending = {0: self._positions.of(hidden)}

    def _after(self, number: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            hidden = output[0] if isinstance(output, tuple | list) else output
            if not isinstance(hidden, Tensor) or hidden.dim() != 3:
                found = f"{tuple(hidden.shape)}" if isinstance(hidden, Tensor) else type(hidden).__name__
                raise CaptureError(
                    f"layer {number} ({type(module).__name__}) of {self.parts.model_class} returned {found}; "
                    "expected one residual stream [batch, sequence, d]. This architecture cannot be read."
                )
            self._pending[number] = self._positions.of(hidden)

        return hook

    def _filled(self, device: torch.device) -> list[Tensor]:
        kept: list[Tensor] = []
        current: Tensor | None = None
        wanted = set(self.trace.layer_index)
        for number in range(self.parts.n_layers + 1):
            current = self._pending.get(number, current)
            if number in wanted:
                if current is None:
                    raise CaptureError(f"layer {number} of {self.parts.model_class} gave no residual stream")
                kept.append(current.to(device))
        return kept


def resolve_layer_index(layer_index: Sequence[int] | None, n_layers: int) -> tuple[int, ...]:
    """Rising, distinct layer numbers out of 0..L that end with L, which is needed as the reference of every divergence.

    Raises:
        CaptureError: a number is out of range.
    """
    if layer_index is None:
        return tuple(range(1, n_layers + 1))
    wrong = [number for number in layer_index if not 0 <= number <= n_layers]
    if wrong:
        raise CaptureError(f"layers {wrong} do not exist; this model has layers 0 (embedding) to {n_layers}")
    return tuple(sorted({*layer_index, n_layers}))

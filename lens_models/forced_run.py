"""Run given tokens through a model's own `generate` loop: every input is what the model itself makes of the tokens.

Attention masks, token types, positions, cross-attention masks and whatever else a class changes when a token is
appended are made by its own `prepare_inputs_for_generation` and `_update_model_kwargs_for_generation`, which `generate`
calls. Nothing of it is imitated here.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig
from transformers.generation import GenerationMixin

from .errors import ForcingError
from .first_pass import FirstPass
from .head_positions import last_positions_alone
from .interventions.model_output import plain_logits
from .parts import ModelParts
from .probes import LAST, Positions, ResidualCapture
from .shadowing import shadowed

__all__ = ["ONE_PASS", "STEP_BY_STEP", "ForcedRun", "greedy_settings", "run_forced"]

ONE_PASS, STEP_BY_STEP = "one pass", "step by step"
_ROLES = ("bos_token_id", "pad_token_id", "decoder_start_token_id")
_NEVER_SAID = ("suppress_tokens", "begin_suppress_tokens", "bad_words_ids")


@dataclass(frozen=True)
class ForcedRun:
    """The last K tokens of a forced run.

    Attributes:
        logits: `[rows, K, vocabulary]`, the model's own, as its class returned them; row k predicts token k.
        plain: the same without the interventions that change them; what the residuals are compared with.
        residual: `[layers, rows, K, d]` at the same positions; None where no layers were asked for.
    """

    logits: Tensor
    plain: Tensor
    residual: Tensor | None


@torch.no_grad()
def run_forced(
    model: Any,
    inputs: Mapping[str, Any],
    tokens: Tensor,
    *,
    way: str,
    keep: int | None = None,
    parts: ModelParts | None = None,
    layer_index: Sequence[int] | None = None,
    first: FirstPass | None = None,
) -> ForcedRun:
    """Let `generate` say `tokens` after the prompts of `inputs`.

    In one pass: `generate` runs without a cache, and its calls of the model are answered without running it until all
    but the last token are appended; that last call is the model's own forward pass over the prompt and them. Step by
    step: `generate` as ever, one pass a token, with the cache.

    Args:
        model: in eval mode.
        inputs: what `model.generate` takes, `rows` prompts.
        tokens: `[rows, n]`, n >= 1.
        way: `ONE_PASS` or `STEP_BY_STEP`.
        keep: the last K tokens are wanted, all when None; no logits of other positions are computed in one pass.
        parts: the parts of the model, to keep residuals (with `layer_index`) and to run the head on K positions alone.
        layer_index: layers to keep; none when None.
        first: the pass over the same prompts, step by step, that another run may have made; the same `layer_index`.

    Raises:
        ForcingError: `generate` did not run the model once a token.
        CaptureError: see `lens_models.probes.residual`.
    """
    loop = _Loop(tokens, tokens.shape[1] if keep is None else keep, way, first)
    capture = None
    if parts is not None and layer_index is not None:
        wanted = torch.arange(-loop.keep, 0).expand(tokens.shape[0], -1)
        positions = LAST if way == STEP_BY_STEP else Positions(wanted)
        capture = ResidualCapture(parts, layer_index=layer_index, positions=positions, keep_logits=False)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_answered_by(loop, model))
        if parts is not None and way == ONE_PASS:
            stack.enter_context(last_positions_alone(parts.head, loop.keep))
        trace = None if capture is None else stack.enter_context(capture)
        cache = {"use_cache": False} if way == ONE_PASS else {}
        said = model.generate(**inputs, max_new_tokens=tokens.shape[1], **cache)
    logits, plain = (torch.cat(each, dim=1)[:, -loop.keep :] for each in (loop.logits, loop.plain))
    if not torch.equal(said[:, -tokens.shape[1] :].to(tokens.device), tokens) or logits.shape[1] != loop.keep:
        raise ForcingError(
            f"{type(model).__name__}.generate did not run the model once for each token, or did not take the most "
            "likely one, so it cannot be made to generate given tokens"
        )
    if trace is None:
        return ForcedRun(logits, plain, None)
    if way == ONE_PASS:
        return ForcedRun(logits, plain, trace.steps[-1])
    steps = trace.steps if first is None else first.steps(trace.steps)
    return ForcedRun(logits, plain, torch.stack(steps[-loop.keep :], dim=2))


class _NotRun(dict[str, Any]):
    """Stands for the output of a forward pass that was left out; what it does not have is None."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


@dataclass
class _Loop:
    """One call of `generate`: it is given logits in which the given tokens are the most likely ones."""

    tokens: Tensor
    keep: int
    way: str
    first: FirstPass | None = None
    calls: int = 0
    running: bool = False
    logits: list[Tensor] = field(default_factory=list)
    plain: list[Tensor] = field(default_factory=list)

    def call(self, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """In place of the forward method of the module that `generate` runs."""
        if self.running:  # a module inside of it that could generate too
            return forward(*args, **kwargs)
        wanted = self.tokens[:, min(self.calls, self.tokens.shape[1] - 1)]
        made = torch.nn.functional.one_hot(wanted, int(self.tokens.max()) + 1).unsqueeze(1).float()
        self.calls += 1
        if self.way == ONE_PASS and self.calls < self.tokens.shape[1]:
            return _NotRun(logits=made)
        if self.way == ONE_PASS and "logits_to_keep" in inspect.signature(forward).parameters:
            kwargs["logits_to_keep"] = self.keep
        self.running = True
        try:
            again = self.first if self.calls == 1 else None
            output = forward(*args, **kwargs) if again is None else again.output(forward, *args, **kwargs)
        finally:
            self.running = False
        for kept, found in ((self.logits, output.logits), (self.plain, plain_logits(output))):
            kept[:] = [*kept[1 - self.keep :], found[:, -self._wanted :].clone()]
        output.logits = made
        return output

    @property
    def _wanted(self) -> int:
        """How many positions of a pass are wanted."""
        return self.keep if self.way == ONE_PASS else 1


@contextmanager
def _answered_by(loop: _Loop, model: Any) -> Iterator[None]:
    """While this lasts, calls of the model from `generate` go through the loop, and it generates greedily."""
    modules = [module for module in model.modules() if isinstance(module, GenerationMixin)]
    with contextlib.ExitStack() as stack:
        for module in modules:
            forward = module.forward
            through = functools.wraps(forward)(functools.partial(loop.call, forward))
            stack.enter_context(shadowed(module, forward=through))
            if getattr(module, "generation_config", None) is not None:
                settings = greedy_settings(module.generation_config)
                stack.enter_context(shadowed(module, generation_config=settings))
        yield


def greedy_settings(settings: GenerationConfig, *, never_said: bool = False) -> GenerationConfig:
    """Greedy generation of one sequence a prompt that does not stop by itself, with the tokens' roles of `settings`.

    `never_said` keeps the tokens that the model is kept from saying, too.
    """
    names = _ROLES + (_NEVER_SAID if never_said else ())
    return GenerationConfig(**{name: getattr(settings, name, None) for name in names})

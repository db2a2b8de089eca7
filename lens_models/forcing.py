"""May given tokens be scored as the model's own generation, and how? Decided once for a loaded model."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from transformers.generation import GenerationMixin

from .deviation import logit_deviation, logit_tolerance
from .errors import ForcingError, PartsError
from .first_pass import FirstPass
from .forced_run import ONE_PASS, STEP_BY_STEP, ForcedRun, greedy_settings, run_forced
from .parts import ModelParts, find_parts
from .shadowing import shadowed

__all__ = ["Forcing", "prove_forcing", "sharing_prefill"]

_N_TOKENS = 3


@dataclass(frozen=True)
class Forcing:
    """How a model is teacher-forced.

    Attributes:
        model: the model.
        parts: its parts; None where they were not found.
        way: "one pass" or "step by step", see `lens_models.forced_run`; None when the model is refused.
        deviation: the largest difference from the model's own generation on the example input, as a share of the
            logit range.
        tolerance: what is allowed there.
        reason: why not in one pass, or why the model is refused; None for a model that is forced in one pass.
        one_prefill: several continuations of one prompt share the pass over it and go on step by step, see
            `sharing_prefill`.
    """

    model: Any = field(repr=False)
    parts: ModelParts | None = field(repr=False)
    way: str | None
    deviation: float | None = None
    tolerance: float | None = None
    reason: str | None = None
    one_prefill: bool = False

    @property
    def refusal(self) -> str | None:
        """Why the model is refused and what that concerns; None for one that is not."""
        if self.way is not None:
            return None
        return (
            f"given tokens are not scored with {type(self.model).__name__}: {self.reason}. Answers that the model "
            "generates are not concerned; multiple choice, candidates of several tokens and controls need it."
        )

    def require(self) -> str:
        """The way.

        Raises:
            ForcingError: the model is refused.
        """
        if self.way is None:
            raise ForcingError(self.refusal)
        return self.way

    def run(
        self,
        inputs: Mapping[str, Any],
        tokens: Tensor,
        keep: int,
        layer_index: Sequence[int] | None = None,
        first: FirstPass | None = None,
    ) -> ForcedRun:
        """See `lens_models.forced_run.run_forced`. Several prompts together, and from a `first` pass, go step by step.

        One pass is proven for a prompt alone; some classes give padded rows other positions there than in generation.

        Raises:
            ForcingError: the model is refused.
        """
        way = self.require()
        way = way if len(tokens) == 1 and first is None else STEP_BY_STEP
        wanted: dict[str, Any] = {"keep": keep, "parts": self.parts, "layer_index": layer_index, "first": first}
        return run_forced(self.model, inputs, tokens, way=way, **wanted)


@torch.no_grad()
def prove_forcing(model: Any, inputs: Mapping[str, Any]) -> Forcing:
    """Let the model generate a few tokens, force the same ones, and take the first way whose logits are the same.

    In one pass the logits before a token must also stay when that token is another one: a mask that lets the prompt see
    what follows would differ from generation, where it follows later, by less than 16 bits show.

    Args:
        model: in eval mode.
        inputs: an input with an image, as the processor made it.
    """
    parts = None
    with contextlib.suppress(PartsError):
        parts = find_parts(model)
    try:
        tokens, theirs = _generated(model, inputs)
    except Exception as error:  # whatever a class does in its own generate
        return Forcing(model, parts, None, reason=f"it did not generate from the example input ({_short(error)})")
    allowed = logit_tolerance(model.dtype, _n_layers(model, parts))
    reason, deviation = None, None
    for way in (ONE_PASS, STEP_BY_STEP):
        try:
            ours = run_forced(model, inputs, tokens, way=way, parts=parts).logits
            deviation = logit_deviation(ours, theirs)
            if way == ONE_PASS:
                _require_blind(model, inputs, tokens, ours, parts, allowed)
        except Exception as error:  # the next way may do
            reason = f"{way}: {_short(error)}"
            continue
        if deviation <= allowed:
            return Forcing(model, parts, way, deviation, allowed, reason)
        reason = f"{way}: off from its own generation by {deviation:.1e} of the logit range (allowed {allowed:.1e})"
    return Forcing(model, parts, None, deviation, allowed, reason)


@torch.no_grad()
def sharing_prefill(forcing: Forcing, inputs: Mapping[str, Any]) -> Forcing:
    """The same with the pass over a prompt run once for all of its continuations, which go on step by step.

    That is how the model generates, so its numbers are those of its own generation; where a harness scores a
    continuation in one pass, they differ from that by rounding.

    Args:
        forcing: of a model that is not refused.
        inputs: an input with an image, as the processor made it.

    Raises:
        ForcingError: what follows a pass that was given again is not bit for bit what follows it.
    """
    forcing.require()
    model, parts = forcing.model, forcing.parts
    try:
        tokens, theirs = _generated(model, inputs)
        others = tokens.roll(1, dims=1)
        expected = [run_forced(model, inputs, each, way=STEP_BY_STEP, parts=parts).logits for each in (tokens, others)]
        deviation = logit_deviation(expected[0], theirs)
        first = FirstPass()
        for given, wanted in ((tokens, expected[0]), (others, expected[1]), (tokens, expected[0])):
            found = run_forced(model, inputs, given, way=STEP_BY_STEP, parts=parts, first=first).logits
            if not torch.equal(found, wanted):
                raise ForcingError("what follows a pass that was given again differs from what follows it")
    except Exception as error:  # whatever a class does with its keys and values
        raise ForcingError(f"{type(model).__name__} runs its prompt for each continuation: {_short(error)}") from error
    allowed = logit_tolerance(model.dtype, _n_layers(model, parts))
    if deviation > allowed:
        raise ForcingError(
            f"{type(model).__name__} runs its prompt for each continuation: {STEP_BY_STEP} it is off from its own "
            f"generation by {deviation:.1e} of the logit range (allowed {allowed:.1e})"
        )
    return replace(forcing, one_prefill=True)


def _n_layers(model: Any, parts: ModelParts | None) -> int:
    if parts is not None:
        return parts.n_layers
    return int(getattr(model.config.get_text_config(decoder=True), "num_hidden_layers", 1))


def _generated(model: Any, inputs: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Tokens `[rows, n]` of greedy generation, and the logits `[rows, n, V]` of it, as `generate` returns them."""
    with contextlib.ExitStack() as stack:
        for module in model.modules():
            if isinstance(module, GenerationMixin) and getattr(module, "generation_config", None) is not None:
                settings = greedy_settings(module.generation_config, never_said=True)
                stack.enter_context(shadowed(module, generation_config=settings))
        output = model.generate(**inputs, max_new_tokens=_N_TOKENS, output_logits=True, return_dict_in_generate=True)
    theirs = torch.stack(output.logits, dim=1)
    return output.sequences[:, -theirs.shape[1] :], theirs


def _require_blind(
    model: Any, inputs: Mapping[str, Any], tokens: Tensor, ours: Tensor, parts: ModelParts | None, allowed: float
) -> None:
    """Refuse a pass whose logits before a token change with it; both passes have the same shapes, so rounding is none.

    Raises:
        ForcingError: they do.
    """
    other = tokens.clone()
    other[:, -2] = torch.where(tokens[:, -2] == tokens[:, 0], tokens[:, -1], tokens[:, 0])
    again = run_forced(model, inputs, other, way=ONE_PASS, parts=parts).logits
    deviation = logit_deviation(again[:, :-1], ours[:, :-1])
    if deviation > allowed / 8:
        raise ForcingError(f"its logits before a token change with it, by {deviation:.1e} of their range")


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ForcingError) else f"{type(error).__name__}: {text[:200]}"

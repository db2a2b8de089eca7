"""Run `generate` as any caller would, with probes beside it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .errors import CaptureError
from .image_tokens import ImageTokens
from .interventions import Intervention, changed
from .parts import ModelParts
from .probes import CAPTURE_LIMIT, Probe, ResidualCapture, Trace, observed

__all__ = ["TracedGeneration", "generate_with_trace", "generated_columns", "unchanged_random_state"]


@dataclass(frozen=True)
class TracedGeneration:
    """The output of `generate` and the residuals of every step that made it.

    `sequences` is what `generate` returned, untouched. `new_tokens[b]` are the ids that row b generated, one per step,
    trailing padding included. `trace.steps[t]` predicted `new_tokens[b][t]`.
    `image_tokens` are those of each row, where somebody located them.
    """

    sequences: Tensor
    new_tokens: tuple[tuple[int, ...], ...]
    trace: Trace
    beam_indices: Tensor | None = None
    probes: tuple[Probe, ...] = ()
    image_tokens: tuple[ImageTokens, ...] = ()

    @functools.cached_property
    def finite(self) -> list[bool]:
        """Of each sample, whether the model's logits at its first step are finite; brought to the host once."""
        assert self.trace.first_logits is not None
        rows = torch.isfinite(self.trace.first_logits).all(dim=-1).tolist()
        return [rows[self.row(sample, 0)] for sample in range(len(self.new_tokens))]

    @property
    def held_bytes(self) -> int | None:
        """Bytes of what the lens itself kept; None where probes kept something beside it."""
        if self.probes:
            return None
        return sum(each.nbytes for each in (*self.trace.steps, self.trace.first_logits) if each is not None)

    def row(self, sample: int, step: int) -> int:
        """The row of the forward pass at `step` that produced the sample's token (beams move between rows).

        Raises:
            CaptureError: the sample's best beam ended before `step`.
        """
        if self.beam_indices is None:
            return sample
        row = int(self.beam_indices[sample, step]) if step < self.beam_indices.shape[1] else -1
        if row < 0:
            raise CaptureError(f"the best beam of sample {sample} ended before step {step}")
        return row

    def residual(self, sample: int, step: int) -> Tensor:
        """`[layers, d]` that predicted token `step` of `sample`.

        Raises:
            StepNotKeptError: the generation was so long that the step was let go.
            CaptureError: the sample's best beam ended before `step`.
        """
        return self.trace.residual(step, self.row(sample, step))


@torch.no_grad()
def generate_with_trace(
    model: nn.Module,
    parts: ModelParts,
    inputs: Mapping[str, Any],
    *,
    layer_index: Sequence[int] | None = None,
    capture_limit: int = CAPTURE_LIMIT,
    probes: Sequence[Probe] = (),
    interventions: Sequence[Intervention] = (),
    **generate_kwargs: Any,
) -> TracedGeneration:
    """Call `model.generate(**inputs, **generate_kwargs)` and keep the residual of each predicting position.

    `probes` observe the same run, and `interventions` change it.

    Greedy, sampled and beam search decoding work, in left-padded batches of any size. The call is the caller's own:
    only beam search is asked for its beam indices in addition, which changes no token. Of a long generation the first
    and the last steps are kept, `capture_limit` bytes in all.

    Raises:
        CaptureError: several tokens a forward pass (speculative decoding), several sequences a prompt, or a model that
            does not run its decoder through the parts found.
    """
    _refuse_several_tokens_a_pass(model, generate_kwargs)
    beams = _beams(model, generate_kwargs)
    if beams > 1:
        generate_kwargs = {**generate_kwargs, "return_dict_in_generate": True}
    residuals = ResidualCapture(parts, layer_index=layer_index, limit=capture_limit)
    # what is observed is the changed run, so the hooks that change it come first
    with changed(parts, interventions), observed(parts, [residuals, *probes]):
        output: Any = model.generate(**inputs, **generate_kwargs)  # type: ignore[operator]
    trace = residuals.trace
    sequences = output if isinstance(output, Tensor) else output.sequences
    beam_indices = None if beams == 1 else getattr(output, "beam_indices", None)
    _check(trace, sequences, beams, beam_indices)
    n_new = trace.n_steps if beam_indices is None else min(trace.n_steps, int(beam_indices.shape[1]))
    new_tokens = _new_tokens(sequences, n_new, inputs)
    return TracedGeneration(sequences, new_tokens, trace, beam_indices, tuple(probes))


def _beams(model: nn.Module, kwargs: Mapping[str, Any]) -> int:
    default = getattr(getattr(model, "generation_config", None), "num_beams", 1)
    return int(kwargs.get("num_beams") or default or 1)


def _refuse_several_tokens_a_pass(model: nn.Module, kwargs: Mapping[str, Any]) -> None:
    """Speculative decoding verifies several tokens in one pass; the last position is then not the predicting one."""
    configs = (kwargs, kwargs.get("generation_config"), getattr(model, "generation_config", None))
    for name in ("assistant_model", "prompt_lookup_num_tokens", "assistant_early_exit"):
        values = [c.get(name) if isinstance(c, Mapping) else getattr(c, name, None) for c in configs]
        if any(value is not None for value in values):
            raise CaptureError(f"{name} decodes several tokens a pass, which the lens does not read; run without it")


def _check(trace: Trace, sequences: Tensor, beams: int, beam_indices: Tensor | None) -> None:
    if trace.n_steps == 0:
        raise CaptureError("generate() ran without calling the head that was found; nothing was captured")
    if beams > 1 and beam_indices is None:
        raise CaptureError(f"num_beams={beams}, but generate() returned no beam indices; use num_beams=1")
    if trace.n_rows != sequences.shape[0] * beams:
        raise CaptureError(
            f"{trace.n_rows} rows ran for {sequences.shape[0]} sequences with num_beams={beams}; the lens reads one "
            "sequence a prompt (num_return_sequences=1, no contrastive search or guidance)"
        )


def _new_tokens(sequences: Tensor, n_new: int, inputs: Mapping[str, Any]) -> tuple[tuple[int, ...], ...]:
    length = int(sequences.shape[1])
    prompts = [prompt for name in ("input_ids", "decoder_input_ids") if isinstance(prompt := inputs.get(name), Tensor)]
    # encoder-decoder models and calls with embeddings return the new tokens alone, at most with a start token
    if length - n_new not in (0, 1) and not any(_starts(sequences, prompt, length - n_new) for prompt in prompts):
        lengths = [int(prompt.shape[1]) for prompt in prompts]
        raise CaptureError(
            f"{length - (lengths or [0])[0]} new tokens came out of {n_new} forward passes; decoding with several "
            "tokens a pass (assistant_model, prompt_lookup_num_tokens) cannot be read, run it without"
        )
    return tuple(tuple(row) for row in sequences[:, length - n_new :].tolist())


def _starts(sequences: Tensor, prompt: Tensor, length: int) -> bool:
    """Whether the sequences begin with so many tokens of the prompt; BLIP leaves the last out and sets the first."""
    if length == prompt.shape[1]:
        return True
    said = sequences[:, 1:length].to(prompt.device)
    return length < prompt.shape[1] and said.shape[0] == prompt.shape[0] and torch.equal(said, prompt[:, 1:length])


def generated_columns(sequences: Tensor, inputs: Mapping[str, Any]) -> Tensor:
    """The generated part of `generate`'s output, `[batch, new]`.

    Decoder-only models repeat the prompt in front; encoder-decoder models and calls with embeddings do not.
    """
    prompt = inputs.get("input_ids")
    if not isinstance(prompt, Tensor) or sequences.shape[1] < prompt.shape[1]:
        return sequences
    length = prompt.shape[1]
    return sequences[:, length:] if torch.equal(sequences[:, :length], prompt.to(sequences.device)) else sequences


@contextmanager
def unchanged_random_state() -> Iterator[Callable[[], None]]:
    """Yields a function that puts torch's random state back to what it was on entry."""
    cpu = torch.get_rng_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def rewind() -> None:
        torch.set_rng_state(cpu)
        if devices:
            torch.cuda.set_rng_state_all(devices)

    yield rewind

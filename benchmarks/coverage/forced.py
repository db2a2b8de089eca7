"""Are given tokens scored as the model itself generates them? transformers' own `generate` is the judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lens_models import Forcing, prove_forcing
from lens_models.continuations import score_continuations

from .batches import padded_batches, with_two_images

__all__ = ["REFUSED", "ForcedCheck", "ForcedError", "Generated", "check_forcing", "compared", "generated"]

REFUSED = "refused"
A_PROMPT, A_BATCH, TWO_IMAGES = "a prompt", "a padded batch of 3", "two images"
TOLERANCE = 1e-5
_NEW_TOKENS = 4


class ForcedError(AssertionError):
    """Forcing passed its own check at load and yet scores something else than the model generates."""


@dataclass(frozen=True)
class ForcedCheck:
    """How a model is forced and how far its scores are from generation.

    Attributes:
        way: one pass, step by step or refused.
        deviation: the largest difference of a sum of log-probabilities, in nats a token; None when refused.
        inputs: what it was compared on.
        reason: why not in one pass.
    """

    way: str
    deviation: float | None
    inputs: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Generated:
    """Greedy tokens `[rows, n]` as `generate` gave them, with its logits `[rows, n, V]`."""

    tokens: Tensor
    logits: Tensor

    def logprobs(self, logits: Tensor) -> Tensor:
        """Sum of log-probabilities of the tokens in `logits`, `[rows]`."""
        logp = torch.log_softmax(logits.double(), dim=-1)
        return logp.gather(-1, self.tokens.unsqueeze(-1)).squeeze(-1).sum(-1)


def generated(model: Any, inputs: Mapping[str, Any]) -> Generated:
    """What `generate` itself says."""
    output = model.generate(**inputs, max_new_tokens=_NEW_TOKENS, output_logits=True, return_dict_in_generate=True)
    logits = torch.stack(output.logits, dim=1)
    return Generated(output.sequences[:, -logits.shape[1] :], logits)


def check_forcing(model: Any, inputs: dict[str, Tensor]) -> ForcedCheck:
    """Generate greedily, force the same tokens, compare: the prompt, a padded batch of three, two images.

    Raises:
        ForcedError: they differ.
    """
    forcing = prove_forcing(model, inputs)
    if forcing.way is None:
        return ForcedCheck(REFUSED, None, (), str(forcing.reason))
    worst, named = 0.0, []
    cases = {A_PROMPT: [inputs], A_BATCH: padded_batches(inputs), TWO_IMAGES: with_two_images(inputs)}
    for name, ways in cases.items():
        found = next((each for way in ways if (each := compared(forcing, way)) is not None), None)
        if found is not None:
            worst = max(worst, found)
            named.append(name)
    return ForcedCheck(forcing.way, worst, tuple(named), forcing.reason or "")


def compared(forcing: Forcing, inputs: Mapping[str, Tensor]) -> float | None:
    """Difference in nats a token, None for inputs that the model does not generate from.

    Raises:
        ForcedError: it is more than rounding.
    """
    try:
        theirs = generated(forcing.model, inputs)
    except Exception:  # whatever a model says to inputs of a shape that it does not take
        return None
    n = theirs.tokens.shape[1]
    ours = theirs.logprobs(forcing.run(inputs, theirs.tokens, n).logits)
    if theirs.tokens.shape[0] == 1:
        (scored,) = score_continuations(forcing, inputs, theirs.tokens.tolist())
        ours = torch.cat([ours, ours.new_tensor([scored.logprob])])
    deviation = float((ours - theirs.logprobs(theirs.logits)).abs().max()) / n
    said = theirs.logits[theirs.logits > torch.finfo(theirs.logits.dtype).min / 2]
    allowed = 2 * TOLERANCE * float(said.max() - said.min())  # a log-probability moves by twice what logits move
    if not deviation <= allowed:
        raise ForcedError(f"forced log-probabilities are off by {deviation:.2e} nats a token (allowed {allowed:.1e})")
    return deviation

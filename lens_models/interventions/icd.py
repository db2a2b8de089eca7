"""ICD: instruction contrastive decoding, against the same prompt behind a disturbing instruction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from torch import Tensor

from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts

from .host import Host
from .model_output import LogitIntervention, Pass, below
from .prompt import leading, require_one_token, with_tokens
from .second_run import SecondRun
from .second_stream import contrast

__all__ = ["Icd"]


@dataclass(frozen=True)
class Icd(LogitIntervention):
    """(1 + strength) z(prompt) - strength z(disturbed prompt); tokens below `cut` times the largest p(prompt) never.

    Wang et al., arXiv:2403.18715, as in the authors' code for LLaVA, where the instruction stands in place of the
    system message, that is before the turn of the user. Here its tokens come first in the prompt, behind padding and
    the token that begins a text; a system message that the chat template writes follows it. For InstructBLIP the
    authors give it to the Q-Former instead, which is not done here.

    Costs a second run of the model at each token, over the tokens of the instruction besides.

    Attributes:
        strength: the authors' 1 (alpha).
        cut: the authors' 0.1 (beta).
        instruction: what disturbs; the authors try five and this is the one of them that confuses.
    """

    name: ClassVar[str] = "icd"
    strength: float = 1.0
    cut: float = 0.1
    instruction: str = "You are a confused objects detector to provide a fuzzy overview or impression of the image."
    tokens: tuple[int, ...] = field(default=(), repr=False, kw_only=True)
    begin: int | None = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 <= self.cut <= 1 or not self.instruction.strip():
            raise LensArgumentError(f"icd: cut={self.cut}, expected 0 to 1, and an instruction of some words")

    def layers(self, n_layers: int) -> tuple[int, ...]:
        """See `LogitIntervention`: none."""
        return ()

    def bound(self, host: Host) -> Icd:
        """See `LogitIntervention`."""
        if host.tokenizer is None:
            raise LensArgumentError("icd: the model has no tokenizer for the instruction")
        ids = host.tokenizer(self.instruction, add_special_tokens=False)["input_ids"]
        begin = getattr(host.tokenizer, "bos_token_id", None)
        return replace(self, unembedding=host.unembedding, tokens=tuple(map(int, ids)), begin=begin)

    def passing(self, parts: ModelParts) -> Pass:
        """See `LogitIntervention`."""
        assert self.unembedding is not None, "bound() comes first"
        return _Disturbed(self, self.unembedding, parts=parts, tokens=self.tokens, begin=self.begin)

    def logits(self, final: Tensor, early: Tensor) -> Tensor:
        """See `LogitIntervention`; `early[0]` are the logits of the second run."""
        return contrast(final, early[0], self.strength)

    def never(self, final: Tensor) -> Tensor | None:
        """See `LogitIntervention`."""
        return below(final, self.cut)


@dataclass
class _Disturbed(SecondRun):
    """The second run has the instruction in front."""

    tokens: Sequence[int] = field(kw_only=True)
    begin: int | None = field(kw_only=True)

    def beside(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        """See `Pass`."""
        ids, cache = kwargs.get("input_ids"), kwargs.get("past_key_values")
        if not isinstance(ids, Tensor):
            raise LensArgumentError("icd: the model is not given the ids of its prompt, so nothing comes before them")
        if self.begins(kwargs):
            places = leading(kwargs, self.begin, "icd")
            if cache is not None:
                self.kept[cache] = places
        else:
            require_one_token(ids, "icd")
            places = self.kept[cache]
        return self.stream(forward, args, kwargs, with_tokens(kwargs, self.tokens, places, "icd"), len(self.tokens))

"""ICoT: at the ends of lines the image tokens that are attended to most come again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from lens_models.errors import LensArgumentError

from .host import Host
from .insertion import InsertedRun, Insertion, Looking

__all__ = ["Icot", "most"]

_LINES, _SENTENCES = "line", "sentence"


@dataclass(frozen=True)
class Icot(Insertion):
    """Behind every second line break, at most three times, the 16 image tokens with most attention come again.

    Gao et al., arXiv:2411.19488 (attention-driven selection): attention of the line break itself, mean over all layers
    and heads. The authors' code for Qwen2-VL differs in three things. Once the second line break is there it inserts
    behind each of the next tokens until it has done so three times or the third line break comes, where the paper, as
    here, inserts at the break alone. It lays the sixteen on a grid of 4 x 4 positions between marks of the beginning
    and end of an image, which are no patches' places; here they are counted on like text, see `Insertion`, which is
    the same for every model. And a line break is one token of its vocabulary; here any token that has one in its text.

    Attributes:
        strength: 1; a part of it mixes the logits.
        patches: the authors' 16.
        every: the authors' 2.
        most: the authors' 3.
        at: `line`, or `sentence`: tokens that end with a full stop, an exclamation or a question mark.
    """

    name: ClassVar[str] = "icot"
    patches: int = 16
    every: int = 2
    most: int = 3
    at: str = _LINES
    ends: Tensor | None = field(default=None, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if min(self.patches, self.every, self.most) < 1 or self.at not in (_LINES, _SENTENCES):
            raise LensArgumentError(
                f"icot: patches={self.patches}, every={self.every}, most={self.most}, at={self.at}; expected numbers "
                f"from 1, and {_LINES} or {_SENTENCES}"
            )

    def bound(self, host: Host) -> Icot:
        """See `Insertion`."""
        if host.tokenizer is None:
            raise LensArgumentError("icot: the model has no tokenizer, so ends of lines are not known")
        return replace(super().bound(host), ends=torch.tensor(_ends(host.tokenizer, self.at), dtype=torch.long))

    def due(self, run: InsertedRun, said: Tensor | None) -> Tensor:
        """See `Insertion`."""
        none = torch.zeros_like(run.shift)
        seen, done = run.counts.setdefault("ends", none), run.counts.setdefault("inserted", none)
        if said is None:
            return none.bool()
        assert self.ends is not None, "bound() comes first"
        ended = torch.isin(said, self.ends.to(said.device))
        seen = run.counts["ends"] = seen + ended
        now = ended & (seen % self.every == 0) & (done < self.most)
        run.counts["inserted"] = done + now
        return now

    def chosen(self, run: InsertedRun, looking: Looking) -> Tensor:
        """See `Insertion`."""
        return most(looking.attention, run.real, self.patches)


def most(scores: Tensor, real: Tensor, count: int) -> Tensor:
    """bool `[rows, tokens]`: the `count` of `real` with the highest scores, all where there are no more."""
    ranked = torch.sort(scores.masked_fill(~real, -torch.inf), dim=-1, descending=True, stable=True).indices
    return torch.zeros_like(real).scatter(1, ranked[:, :count], True) & real


def _ends(tokenizer: Any, at: str) -> list[int]:
    texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    if at == _LINES:
        return [token for token, text in enumerate(texts) if "\n" in text]
    return [token for token, text in enumerate(texts) if text.rstrip().endswith((".", "!", "?"))]

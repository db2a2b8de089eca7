"""Interventions find what was planted for them: a spoilt last block, and a bias that does not look at the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from controlled_records import mini_documents, mini_image
from plain_model import plain_lens_tiny

from lens_engine import load
from lens_models import ModelParts
from lens_models.interventions import Intervention, interventions_of

DOCUMENTS = mini_documents("pope_mini")[:40]
TAIL = "\nAnswer the question using a single word or phrase."


@contextmanager
def hooked(module: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    def hook(module: Any, args: Any, output: Any) -> Any:
        first, *rest = output if isinstance(output, tuple) else (output,)
        return (change(first), *rest) if isinstance(output, tuple) else change(first)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@dataclass(frozen=True)
class SpoiltLastBlock:
    """The last block adds noise, three times as large as the stream, at the position that predicts."""

    name: str = "spoilt"
    strength: float = 3.0

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        def spoil(hidden: torch.Tensor) -> torch.Tensor:
            if hidden.shape[1] < 2:
                return hidden
            seed = int(hidden[0, -1].abs().sum() * 1000) % 1000
            noise = torch.randn(hidden.shape[-1], generator=torch.Generator().manual_seed(seed))
            changed = hidden.clone()
            changed[:, -1] += self.strength * hidden[:, -1].norm(dim=-1, keepdim=True) * noise / noise.norm()
            return changed

        with hooked(parts.layers[-1], spoil):
            yield


@dataclass(frozen=True)
class BlindBias:
    """ "yes" is said whatever the picture shows."""

    name: str = "blind"
    strength: float = 6.0

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        tokenizer = plain_lens_tiny().processor.tokenizer
        ids = [tokenizer.encode(word)[0] for word in ("yes", " yes", "Yes")]

        def lean(logits: torch.Tensor) -> torch.Tensor:
            changed = logits.clone()
            changed[..., ids] += self.strength
            return changed

        with hooked(parts.head, lean):
            yield


def accuracy(interventions: Sequence[Intervention]) -> float:
    vlm = load(device="cpu", interventions=interventions)
    answers = vlm.ask_all([(mini_image(each), each["question"] + TAIL) for each in DOCUMENTS])
    right = [answer.text.strip() == each["answer"] for answer, each in zip(answers, DOCUMENTS, strict=True)]
    return sum(right) / len(right)


def test_stopping_before_a_spoilt_last_block_brings_the_answers_back() -> None:
    spoilt = accuracy([SpoiltLastBlock()])
    stopped = accuracy([SpoiltLastBlock(), *interventions_of("early_exit:1:layers=9:threshold=0")])
    assert spoilt < 0.75
    assert stopped > 0.9


def test_contrast_with_a_noisy_picture_takes_a_blind_bias_away() -> None:
    biased = accuracy([BlindBias()])
    contrasted = accuracy([BlindBias(), *interventions_of("vcd:1:cut=0:noise=999")])
    assert biased < 0.65
    assert contrasted > 0.8


def test_where_nothing_is_wrong_nothing_is_brought_back() -> None:
    assert accuracy([]) > 0.9
    assert accuracy(interventions_of("vcd:1:noise=999")) > 0.85

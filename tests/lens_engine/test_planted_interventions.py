"""Interventions find what was planted for them: a spoilt last block, and a bias that does not look at the picture."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from controlled_records import mini_documents, mini_image
from plain_model import plain_lens_tiny

from lens_engine import load
from lens_models import ModelParts
from lens_models.interventions import Icd, Intervention, interventions_of
from lens_models.shadowing import shadowed
from lens_report.stats import paired

DOCUMENTS = mini_documents("pope_mini")[:40]
APART = mini_documents("pope_mini")[::25]
"""24 questions about as many pictures."""
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
class LeaningOnTheText:
    """The first token's logits are for the most part those of the prompt without its picture."""

    name: str = "leaning"
    strength: float = 0.8

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        model, own, plain = parts.model, parts.model.forward, plain_lens_tiny().model

        def forward(*args: Any, **kwargs: Any) -> Any:
            output, ids = own(*args, **kwargs), kwargs["input_ids"]
            mask = kwargs.get("attention_mask")
            seen = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
            if ids.shape[1] < 2:
                return output
            leaning = output.logits.clone()
            for row, shown in enumerate((ids == model.config.image_token_id) & seen):
                if bool(shown.any()):
                    text = plain(input_ids=ids[row][seen[row] & ~shown][None]).logits[0, -1]
                    leaning[row, -1] = self.strength * text + (1 - self.strength) * output.logits[row, -1]
            output.plain_logits, output.logits = output.logits, leaning
            return output

        with shadowed(model, forward=functools.wraps(own)(forward)):
            yield


def favoured(logits: torch.Tensor, by: float) -> torch.Tensor:
    """With the tokens of "yes" raised."""
    tokenizer, changed = plain_lens_tiny().processor.tokenizer, logits.clone()
    changed[..., [tokenizer.encode(word)[0] for word in ("yes", " yes", "Yes")]] += by
    return changed


@dataclass(frozen=True)
class BlindBias:
    """ "yes" is said whatever the picture shows."""

    name: str = "blind"
    strength: float = 6.0

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        def lean(logits: torch.Tensor) -> torch.Tensor:
            return favoured(logits, self.strength)

        with hooked(parts.head, lean):
            yield


@dataclass(frozen=True)
class BiasThatDisturbanceFeeds:
    """ "yes" is said whatever the picture shows, and behind the instruction that disturbs by twice as much."""

    name: str = "fed"
    strength: float = 6.0

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        tokenizer = plain_lens_tiny().processor.tokenizer
        start = torch.tensor(tokenizer(Icd().instruction, add_special_tokens=False)["input_ids"][:6])
        bias = [self.strength]

        def read(module: Any, args: Any) -> None:
            if args[0].shape[1] > 1:
                disturbed = bool((args[0][0].unfold(0, 6, 1) == start).all(-1).any())
                bias[0] = self.strength * (1 + disturbed)

        handle = parts.model.get_input_embeddings().register_forward_pre_hook(read)
        try:
            with hooked(parts.head, lambda logits: favoured(logits, bias[0])):
                yield
        finally:
            handle.remove()


def right(interventions: Sequence[Intervention], documents: Sequence[Mapping[str, Any]] = DOCUMENTS) -> np.ndarray:
    """Bool `[documents]`."""
    vlm = load(device="cpu", interventions=interventions)
    answers = vlm.ask_all([(mini_image(each), each["question"] + TAIL) for each in documents])
    return np.asarray([a.text.strip() == each["answer"] for a, each in zip(answers, documents, strict=True)])


def accuracy(interventions: Sequence[Intervention]) -> float:
    return float(right(interventions).mean())


def helps(before: np.ndarray, after: np.ndarray, documents: Sequence[Mapping[str, Any]]) -> bool:
    """By the paired test, clustered by picture."""
    pictures = [hash(bytes(each["image"]["bytes"])) for each in documents]
    found = paired(before, after, pictures)
    assert found.difference.value is not None
    return found.difference.value > 0 and found.p_value is not None and found.p_value < 0.05


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


def test_late_layers_that_speak_along_bring_the_answers_back_where_the_last_block_is_spoilt() -> None:
    vista = interventions_of("vista:0.0001:mix=0.9:layers=8-9")
    assert helps(right([SpoiltLastBlock()], APART), right([SpoiltLastBlock(), *vista], APART), APART)
    assert not helps(right([], APART), right(vista, APART), APART), "nothing to bring back"


def test_contrast_with_a_disturbed_prompt_takes_away_a_bias_that_disturbance_feeds() -> None:
    icd = interventions_of("icd:1:cut=0")
    assert helps(right([BiasThatDisturbanceFeeds()], APART), right([BiasThatDisturbanceFeeds(), *icd], APART), APART)
    assert not helps(right([], APART), right(icd, APART), APART), "no bias to take away"


def test_guidance_against_the_prompt_without_its_picture_takes_back_what_leans_on_the_text() -> None:
    pai = interventions_of("pai:0.001:gamma=5:cut=0.0001")
    assert helps(right([LeaningOnTheText()], APART), right([LeaningOnTheText(), *pai], APART), APART)
    assert not helps(right([], APART), right(pai, APART), APART), "it looks at the picture enough"


def test_where_nothing_is_wrong_nothing_is_brought_back() -> None:
    assert accuracy([]) > 0.9
    assert accuracy(interventions_of("vcd:1:noise=999")) > 0.85

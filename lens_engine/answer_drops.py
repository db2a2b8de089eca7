"""By how much the model's own answer becomes less likely when a part of the picture is painted over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lens_models.encoding import end_token_ids
from lens_models.generation import generated_columns
from lens_models.image_tokens import ImageTokens

from .controls.causal import painted_over
from .engine import Tokens
from .position import n_generated
from .sample import Sample
from .transformers_engine import TransformersEngine

__all__ = ["answer_logprobs", "drops_under", "own_answers", "painted_samples", "windows_at"]

Floats = npt.NDArray[np.float64]
Boxes = npt.NDArray[np.float64]


@torch.inference_mode()
def own_answers(engine: TransformersEngine, samples: Sequence[Sample], max_new_tokens: int) -> list[Tokens]:
    """The model's greedy answer to each sample, up to the token that ends it, without that one; no token where it says
    nothing.

    Args:
        engine: of transformers.
        samples: that can be encoded together.
        max_new_tokens: of each answer.
    """
    ends = frozenset(end_token_ids(getattr(engine.model, "generation_config", None), engine.tokenizer))
    greedy = [replace(sample, generation={"max_new_tokens": max_new_tokens}) for sample in samples]
    said: list[list[int]] = []

    def generate(inputs: Mapping[str, Any], arguments: Mapping[str, Any]) -> Tensor:
        sequences: Tensor = engine.model.generate(**inputs, **arguments)
        said.extend(generated_columns(sequences, inputs).tolist())
        return sequences

    rows = [answer.row for answer in engine.prompts.answer(greedy, generate)]
    whole = [said[row][: n_generated(said[row], ends)] for row in rows]
    return [tuple(each[:-1] if each and each[-1] in ends else each) for each in whole]


def answer_logprobs(engine: TransformersEngine, samples: Sequence[Sample], answer: Tokens, batch_size: int) -> Floats:
    """`[samples]`, nats: the log-probability of one answer behind each prompt, teacher-forced.

    Args:
        engine: of transformers.
        samples: prompts that can be encoded together.
        answer: its tokens, one or more.
        batch_size: prompts at a time.

    Raises:
        ForcingError: the model is not made to say given tokens.
        InputError: a sample cannot be encoded.
    """
    found: list[float] = []
    for begin in range(0, len(samples), batch_size):
        part = samples[begin : begin + batch_size]
        inputs = engine.prompts.encode(part)
        tokens = torch.tensor([answer] * len(part), device=inputs["input_ids"].device)
        logits = engine.forcing.run(inputs, tokens, len(answer)).logits.float()
        logp = torch.log_softmax(logits, dim=-1).gather(-1, tokens.to(logits.device)[..., None]).sum((1, 2)).tolist()
        found += [logp[row] for row in engine.prompts.rows(part)]
    return np.asarray(found)


def drops_under(
    engine: TransformersEngine, sample: Sample, answer: Tokens, painted: Sequence[Sample], batch_size: int
) -> Floats:
    """`[painted]`, nats: by how much the answer's log-probability falls from the sample to each of the others.

    Arguments and errors as of `answer_logprobs`.
    """
    found = answer_logprobs(engine, [sample, *painted], answer, batch_size)
    drops: Floats = found[0] - found[1:]
    return drops


def windows_at(tokens: ImageTokens, places: Sequence[int], share: float) -> Boxes:
    """`[places, 4]`, in shares of the picture: squares around the centres of image tokens.

    Args:
        tokens: of a sample with pictures.
        places: numbers of image tokens.
        share: side of a square as a share of the picture's width and height; a token that is larger is its own window.
    """
    assert tokens.boxes is not None
    boxes = tokens.boxes[list(places)].astype(np.float64)
    centre, side = (boxes[:, :2] + boxes[:, 2:]) / 2, np.maximum(boxes[:, 2:] - boxes[:, :2], share)
    return np.concatenate([centre - side / 2, centre + side / 2], axis=1)


def painted_samples(sample: Sample, image: Sequence[int], boxes: Sequence[Boxes]) -> list[Sample]:
    """The sample once for each set of boxes, with these painted in the mean colour of the picture that they lie in.

    Args:
        sample: with pictures.
        image: number of the picture that each set lies in.
        boxes: sets `[boxes, 4]`, in shares of the picture.
    """
    own = sample.media.images
    return [
        sample.under(tuple(painted_over(each, own_boxes) if at == number else each for at, each in enumerate(own)))
        for number, own_boxes in zip(image, boxes, strict=True)
    ]

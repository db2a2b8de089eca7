"""One token behind each prompt of a batch, and several choices behind one prompt, are scored as each alone is."""

from __future__ import annotations

import functools
from math import ceil
from typing import Any

import numpy as np
import pytest
import torch
from decoder_passes import decoder_passes
from PIL import Image
from processors import processor_of
from tolerances import FUNCTION, bounds, sums_of
from zoo import ZOO

from lens_engine import Media, Sample, TransformersEngine
from lens_engine.prompts import ProcessorPrompts
from lens_models import LensSettings
from lens_models.deviation import logit_tolerance

SIZES = ((32, 32), (48, 32), (24, 56), (64, 64), (32, 32), (40, 40), (56, 24), (96, 32))
QUESTIONS = ("is there a red cube", "what else", "is the cube red and in the picture", "what")
FAMILIES = ("llava", "llava_onevision", "qwen2_vl", "qwen3_vl", "idefics3", "internvl", "gemma3", "mllama")


def noise(number: int, size: tuple[int, int]) -> Image.Image:
    values = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def engine_of(
    family: str, dtype: torch.dtype = torch.float32, **settings: bool
) -> tuple[TransformersEngine, list[Sample]]:
    processor, mark = processor_of(family)
    model = ZOO[family].build(dtype)
    prompts = ProcessorPrompts(model, processor, use_cache=True, warn=lambda _: None)
    samples = [
        Sample(("t", number, 0, 0), f"{mark} {QUESTIONS[number % 4]}", media=Media((noise(number, size),)))
        for number, size in enumerate(SIZES)
    ]
    return TransformersEngine(model, processor, prompts, LensSettings(), **settings), samples


def allowed(engine: TransformersEngine, logits: torch.Tensor) -> float:
    """How far logits of two ways may lie apart; prompts are below 128 tokens."""
    scale = float(logits.max() - logits.min())
    if logits.dtype == torch.float32 and engine.model.dtype == torch.float32:
        return bounds(torch.float32, sums_of(engine.model, 128), logits.shape[-1], FUNCTION, scale=scale)["atol"]
    return logit_tolerance(engine.model.dtype, 4) * scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_is_scored_as_its_prompts_alone(family: str, dtype: torch.dtype) -> None:
    engine, samples = engine_of(family, dtype)
    assert engine.lens is not None
    tokens = [11 + number for number in range(len(samples))]
    alone = [engine.score(sample, [(token,)])[0] for sample, token in zip(samples, tokens, strict=True)]
    generated = []
    for sample in samples:
        inputs = engine.prompts.encode([sample])
        output = engine.model.generate(
            **inputs, max_new_tokens=1, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
        generated.append(output.logits[0][0].float())
    for size in (1, 3, 8):
        with decoder_passes(engine.model) as passes:
            found = [
                scored
                for start in range(0, len(samples), size)
                for scored in engine.score_first(samples[start : start + size], tokens[start : start + size])
            ]
        rows = [count for count, _ in passes]
        assert len(rows) == ceil(len(samples) / size) and sum(rows) == len(samples)
        for ours, theirs, logits, token in zip(found, alone, generated, tokens, strict=True):
            atol = allowed(engine, logits)
            torch.testing.assert_close(ours.first_logits.float(), logits, atol=atol, rtol=0)
            expected = float(torch.log_softmax(logits.double(), -1)[token])
            assert ours.logprob == pytest.approx(expected, abs=2 * atol)
            assert ours.residual is not None and theirs.residual is not None
            read, alone_read = engine.lens.logits(ours.residual), engine.lens.logits(theirs.residual)
            torch.testing.assert_close(read, alone_read, atol=allowed(engine, alone_read.float()), rtol=0)
            report = engine.lens.compare_position(ours.residual, ours.first_logits)
            assert report.exact, "the readout of the batch is that of its own pass"


def test_a_batch_without_memory_is_scored_in_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, samples = engine_of("llava")
    tokens = [11] * len(samples)
    expected = engine.score_first(samples, tokens)
    forward = engine.model.forward

    @functools.wraps(forward)
    def at_most_three(*args: Any, **kwargs: Any) -> Any:
        if len(kwargs["input_ids"]) > 3:
            raise torch.OutOfMemoryError("too large")
        return forward(*args, **kwargs)

    monkeypatch.setattr(engine.model, "forward", at_most_three)
    with decoder_passes(engine.model) as passes:
        found = engine.score_first(samples, tokens)
    assert [rows for rows, _ in passes] == [2, 2, 2, 2]
    for ours, theirs in zip(found, expected, strict=True):
        atol = allowed(engine, theirs.first_logits)
        torch.testing.assert_close(ours.first_logits, theirs.first_logits, atol=atol, rtol=0)


@pytest.mark.parametrize("family", ["llava", "qwen2_vl", "mllama"])
def test_choices_of_one_prefill_take_the_positions_of_one_prompt(family: str) -> None:
    choices = [(11, 12, 13), (20, 21), (30, 31, 32, 33)]
    (plain, samples), (once, _) = engine_of(family), engine_of(family, one_prefill=True)
    works, found = [], []
    for engine in (plain, once):
        engine.take_work()
        found.append(engine.score(samples[1], choices))
        works.append(engine.take_work())
    each, shared = works
    assert each is not None and shared is not None
    steps = sum(len(choice) - 1 for choice in choices)
    prompt = (each.positions - steps) / len(choices)
    assert shared.positions == prompt + steps
    assert (each.passes, shared.passes) == (len(choices), 1 + steps)
    for ours, theirs in zip(*found, strict=True):
        atol = allowed(plain, theirs.first_logits)
        assert ours.logprob == pytest.approx(theirs.logprob, abs=2 * ours.n_tokens * atol)

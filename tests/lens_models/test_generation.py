from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from built_models import built
from close_readouts import logit_bounds
from zoo import Specimen

from lens_models import CaptureError, LogitLens
from lens_models.generation import generate_with_trace, generated_columns, unchanged_random_state


@pytest.fixture
def lens(llava: Specimen) -> LogitLens:
    return LogitLens(built("llava"), llava.inputs())


def test_rows_that_stop_early_are_padded_and_still_traced(llava: Specimen) -> None:
    model = llava.build()
    inputs = llava.inputs((3, 6, 5))
    plain = model.generate(**inputs, max_new_tokens=6, do_sample=False)
    stop = int(plain[1, inputs["input_ids"].shape[1] + 1])  # what row 1 says second now ends a row
    lens = LogitLens(model, llava.inputs())
    kwargs = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": stop}
    stopped = model.generate(**inputs, **kwargs)
    traced = lens.generate(inputs, **kwargs)
    assert torch.equal(traced.sequences, stopped)
    assert traced.new_tokens[1][1] == stop
    assert set(traced.new_tokens[1][2:]) <= {0}
    assert traced.trace.n_steps == len(traced.new_tokens[0])


@pytest.mark.parametrize("early_stopping", [True, False])
def test_beams_that_end_early(llava: Specimen, early_stopping: bool) -> None:
    model = llava.build(seed=3)
    inputs = llava.inputs((3, 6, 5))
    kwargs: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False, "num_beams": 3, "early_stopping": early_stopping}
    common = torch.bincount(model.generate(**inputs, **kwargs)[:, inputs["input_ids"].shape[1] :].flatten())
    kwargs["eos_token_id"] = int(common.argmax())
    plain = model.generate(
        **inputs, **kwargs, return_dict_in_generate=True, output_scores=True, output_logits=True, length_penalty=1.0
    )
    lens = LogitLens(model, llava.inputs())
    traced = lens.generate(inputs, **kwargs, length_penalty=1.0)
    assert torch.equal(traced.sequences, plain.sequences)
    ended = 0
    for sample, tokens in enumerate(traced.new_tokens):
        for step in range(len(tokens)):
            if plain.beam_indices[sample, step] < 0:
                ended += 1
                with pytest.raises(CaptureError, match=f"the best beam of sample {sample} ended before step {step}"):
                    traced.residual(sample, step)
                continue
            ours = lens._exact(traced.residual(sample, step)[-1])
            theirs = plain.logits[step][plain.beam_indices[sample, step]]
            torch.testing.assert_close(ours, theirs, **logit_bounds(lens._exact, traced.residual(sample, step)[-1]))
    assert ended, "no beam ended early, so nothing was tested"


def test_sampling_draws_the_same_tokens(lens: LogitLens, llava: Specimen) -> None:
    inputs = llava.inputs((3, 6, 5))
    drawn = []
    for generate in (lens.model.generate, None):
        torch.manual_seed(11)
        kwargs = {"max_new_tokens": 8, "do_sample": True, "temperature": 2.0}
        drawn.append(generate(**inputs, **kwargs) if generate else lens.generate(inputs, **kwargs).sequences)
    assert torch.equal(*drawn)


def test_several_samples_of_one_prompt_are_rows(lens: LogitLens, llava: Specimen) -> None:
    torch.manual_seed(0)
    traced = lens.generate(llava.inputs(), max_new_tokens=3, do_sample=True, num_return_sequences=4)
    assert traced.trace.n_rows == len(traced.new_tokens) == 4


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"prompt_lookup_num_tokens": 3}, "prompt_lookup_num_tokens decodes several tokens a pass"),
        ({"num_beams": 3, "num_return_sequences": 2}, "the lens reads one sequence a prompt"),
    ],
)
def test_decoding_that_cannot_be_read_is_refused(
    lens: LogitLens, llava: Specimen, kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(CaptureError, match=message):
        lens.generate(llava.inputs(), max_new_tokens=4, do_sample=False, **kwargs)


def test_a_generation_config_may_ask_for_it_too(lens: LogitLens, llava: Specimen) -> None:
    from transformers import GenerationConfig

    config = GenerationConfig(prompt_lookup_num_tokens=3, max_new_tokens=2)
    with pytest.raises(CaptureError, match="run without it"):
        lens.generate(llava.inputs(), generation_config=config)


def test_sequences_may_be_changed_by_the_caller(lens: LogitLens, llava: Specimen) -> None:
    """An inference-mode tensor could not be: the run with the lens must be like the run without."""
    sequences = lens.generate(llava.inputs(), max_new_tokens=2, do_sample=False).sequences
    assert not sequences.is_inference()
    sequences[0, 0] = 5


def test_a_head_that_is_not_called_is_reported(lens: LogitLens, llava: Specimen) -> None:
    from dataclasses import replace

    other = replace(lens.parts, head=torch.nn.Linear(32, 160))
    with pytest.raises(CaptureError, match="without calling the head that was found"):
        generate_with_trace(lens.model, other, llava.inputs(), max_new_tokens=2, do_sample=False)


def test_generated_columns(lens: LogitLens, llava: Specimen) -> None:
    inputs = llava.inputs((3, 6))
    sequences = lens.model.generate(**inputs, max_new_tokens=3, do_sample=False)
    assert generated_columns(sequences, inputs).shape == (2, 3)
    alone = sequences[:, -3:]
    assert generated_columns(alone, inputs) is alone
    assert generated_columns(alone, {}) is alone


def test_the_random_state_is_put_back() -> None:
    with unchanged_random_state() as rewind:
        first = torch.rand(3)
        rewind()
    assert torch.equal(torch.rand(3), first)


def test_an_error_says_how_many_tokens_came_out(lens: LogitLens, llava: Specimen) -> None:
    from lens_models.generation import _new_tokens

    with pytest.raises(CaptureError, match=re.escape("4 new tokens came out of 2 forward passes")):
        _new_tokens(torch.zeros(1, 10, dtype=torch.long), 2, {"input_ids": torch.zeros(1, 6)})

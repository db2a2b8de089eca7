"""What vLLM's workers read is vLLM's own last layer, and the layers of plain transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from plain_model import plain_lens_tiny
from scipy.special import log_softmax
from served import Chat, asked, engine, own_bounds
from tolerances import bounds

from lens_engine import Sample
from lens_engine.vllm_engine.lens import VllmTrace
from lens_models import ReadoutRow

WAYS: dict[str, Mapping[str, Any]] = {
    "fp32": {},
    "bf16": {"dtype": "bfloat16"},
    "chunked prefill": {"max_num_batched_tokens": 64, "enable_chunked_prefill": True},
}


@pytest.mark.parametrize("way", WAYS)
def test_the_last_layer_is_what_vllm_says(way: str) -> None:
    own = engine(**WAYS[way])
    samples = asked(12)
    generations = own.generate(samples)
    trace = generations[0].trace
    assert isinstance(trace, VllmTrace)
    lens = own.lens
    assert lens is not None
    report = lens.check(trace, dict.fromkeys(range(12)))
    assert report is not None and report.exact
    rows = [
        ReadoutRow(trace.residual(row, step), token)
        for row, tokens in enumerate(trace.new_tokens)
        for step, token in enumerate(tokens)
    ]
    assert len(rows) >= 24, "an answer and an end token each"
    said = log_probabilities(own, samples, [readout.logprob_pred[-1] for readout in lens.read(rows)])
    # the same logits go through two log-softmaxes, whatever the dtype of the model
    np.testing.assert_allclose(*said, **bounds("float32", 2624, scale=16.0))


def test_requests_that_are_preempted_run_through_their_steps_again() -> None:
    own = engine(num_gpu_blocks_override=4, max_model_len=256, disable_log_stats=False)
    own.prompts = Chat(own.client, max_tokens=100, min_tokens=100)
    samples = asked(6)
    trace = own.generate(samples)[0].trace
    assert isinstance(trace, VllmTrace) and own.lens is not None
    preempted = {metric.name: metric for metric in own.client.get_metrics()}["vllm:num_preemptions"]
    assert preempted.value > 0, "the cache is too large to preempt anything, which is what this test is for"
    places = [(row, step) for row in range(6) for step in (0, 1, 60, 98, 99)]
    rows = [ReadoutRow(trace.residual(row, step), trace.new_tokens[row][step]) for row, step in places]
    for (row, step), readout in zip(places, own.lens.read(rows), strict=True):
        tokens = trace.new_tokens[row][: step + 1]
        (scored,) = own.score(samples[row], [tokens[-1:]], before=tokens[:-1])
        np.testing.assert_allclose(readout.logprob_pred, scored.layer_logprobs, **own_bounds())


def log_probabilities(own: Any, samples: list[Sample], read: list[Any]) -> tuple[Any, list[float]]:
    """What was read, and what vLLM says of the same tokens."""
    outputs = own.prompts.outputs(samples, own.client)
    said = [
        entry[token].logprob
        for output in outputs
        for entry, token in zip(output.outputs[0].logprobs, output.outputs[0].token_ids, strict=True)
    ]
    return np.asarray(read), said


@pytest.mark.parametrize("way", ["fp32", "chunked prefill"])
def test_all_layers_are_those_of_plain_transformers(way: str) -> None:
    own, plain = engine(**WAYS[way]), plain_lens_tiny()
    samples = asked(6)
    trace = own.generate(samples)[0].trace
    assert isinstance(trace, VllmTrace) and own.lens is not None
    rows = [ReadoutRow(trace.residual(row, 0), trace.new_tokens[row][0]) for row in range(6)]
    for sample, row, readout in zip(samples, rows, own.lens.read(rows), strict=True):
        logits = plain.logits(sample.prompt, sample.media.images)[:, 0]
        expected = log_softmax(logits, axis=-1)[:, row.token_id]
        np.testing.assert_allclose(readout.logprob_pred, expected, **own_bounds())
        assert readout.topk_ids.shape == (10, 5)


def test_a_prompt_from_the_prefix_cache_is_read_as_before() -> None:
    own = engine()
    samples = asked(4)
    assert own.lens is not None
    read = []
    for _ in range(2):
        trace = own.generate(samples)[0].trace
        assert isinstance(trace, VllmTrace)
        rows = [ReadoutRow(trace.residual(row, 0), trace.new_tokens[row][0]) for row in range(4)]
        read.append(np.stack([readout.logprob_pred for readout in own.lens.read(rows)]))
    np.testing.assert_allclose(read[0], read[1], **own_bounds())


def test_a_step_that_is_off_by_one_is_far_off() -> None:
    own = engine()
    samples = asked(6)
    trace = own.generate(samples)[0].trace
    assert isinstance(trace, VllmTrace) and own.lens is not None
    right, wrong = (
        own.lens.read([ReadoutRow(trace.residual(row, step), trace.new_tokens[row][0]) for row in range(6)])
        for step in (0, 1)
    )
    apart = [abs(float(a.logprob_pred[-1] - b.logprob_pred[-1])) for a, b in zip(right, wrong, strict=True)]
    assert min(apart) > 1.0


def test_without_the_lens_the_answers_are_the_same_and_nothing_is_kept() -> None:
    own = engine()
    samples = asked(8)
    with_lens = own.generate(samples)
    alone = own.generate(samples, observe=False)
    assert [each.text for each in with_lens] == [each.text for each in alone]
    assert all(each.trace is None for each in alone)
    assert own.lens is not None
    own.lens.forget()
    (seen,) = own.client.collective_rpc("lens_seen", args=([0, 1],))
    assert [each["steps"] for each in seen] == [0, 0]

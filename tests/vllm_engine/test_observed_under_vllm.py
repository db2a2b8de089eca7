"""What probes observe under vLLM is what plain transformers gives: words at image tokens, and entropies of steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from plain_model import plain_lens_tiny
from scipy.special import softmax
from served import WORDS, asked, engine, own_bounds, plain_maps

from lens_engine import Sample
from lens_engine.vllm_engine import VllmEngine
from lens_engine.vllm_engine.lens import VllmTrace
from lens_models import CaptureError
from lens_models.image_tokens import ImageTokenLocator
from lens_models.probes import Answered, Probe
from lens_models.probes.image_tokens import spread_layers

PROBES = ("image_tokens", "step_entropy")
WAYS: dict[str, Mapping[str, Any]] = {
    "fp32": {},
    "chunked prefill": {"max_num_batched_tokens": 64, "enable_chunked_prefill": True},
}


def observed(own: VllmEngine, samples: list[Sample]) -> tuple[VllmTrace, dict[str, Probe]]:
    trace = own.generate(samples)[0].trace
    assert isinstance(trace, VllmTrace), trace
    return trace, {probe.name: probe for probe in trace.probes}


@pytest.mark.parametrize("way", WAYS)
def test_image_tokens_are_read_as_in_plain_transformers(way: str) -> None:
    own = engine(PROBES, **WAYS[way])
    samples = asked(6)
    for _ in range(2):  # the second time every prompt is in the prefix cache
        trace, probes = observed(own, samples)
        for row, sample in enumerate(samples):
            found = probes["image_tokens"].result(Answered(row, [row], 0, WORDS))
            assert found["layers"].tolist() == list(spread_layers(10))
            assert found["error"].tolist() == [0.0]
            tokens = trace.image_tokens[row]
            assert tokens.boxes is not None, tokens.problem
            for word, expected in plain_maps(sample).items():
                read = np.log(found[f"map {word}"])
                np.testing.assert_allclose(read, np.log(expected), **own_bounds())


def test_a_readout_beside_the_image_tokens_is_far_off() -> None:
    sample = asked(1)[0]
    right, wrong = plain_maps(sample), plain_maps(sample, shift=1)
    apart = [np.abs(np.log(right[word]) - np.log(wrong[word])).max() for word in WORDS]
    assert min(apart) > 1.0


def test_image_tokens_lie_where_transformers_finds_them() -> None:
    own, plain = engine(PROBES), plain_lens_tiny()
    samples = asked(3)
    trace, _ = observed(own, samples)
    assert own.geometry.status == "proven"
    locator = ImageTokenLocator(plain.model, plain.processor)
    for sample, found in zip(samples, trace.image_tokens, strict=True):
        inputs = plain.processor(text=[sample.prompt], images=list(sample.media.images), return_tensors="pt")
        (expected,) = locator.locate(inputs, [[image.size for image in sample.media.images]])
        np.testing.assert_array_equal(found.positions, expected.positions)
        np.testing.assert_array_equal(found.boxes, expected.boxes)


def test_entropy_of_each_step_is_that_of_plain_transformers() -> None:
    own, plain = engine(PROBES), plain_lens_tiny()
    samples = asked(5)
    trace, probes = observed(own, samples)
    for row, sample in enumerate(samples):
        tokens = trace.new_tokens[row]
        found = probes["step_entropy"].result(Answered(row, [row] * len(tokens), 0))["entropy"]
        p = softmax(plain.logits(sample.prompt, sample.media.images, tokens[:-1])[-1], axis=-1)
        np.testing.assert_allclose(found, -(p * np.log(p)).sum(-1), **own_bounds())


def test_given_answers_are_observed_with_their_prompt() -> None:
    own = engine(PROBES)
    sample = asked(1)[0]
    (scored,) = own.score(sample, [(300, 6)], probes=True)
    (probe,) = (each for each in scored.probes if each.name == "image_tokens")
    assert scored.image_tokens is not None
    found = probe.result(Answered(0, [0], 0, WORDS))
    for word, expected in plain_maps(sample).items():
        np.testing.assert_allclose(np.log(found[f"map {word}"]), np.log(expected), **own_bounds())
    (unasked,) = own.score(sample, [(300, 6)])
    assert unasked.image_tokens is None


def test_positions_that_were_not_kept_are_an_error_and_no_number() -> None:
    own = engine(PROBES)
    _, probes = observed(own, asked(1))
    assert own.lens is not None
    own.lens.forget()
    with pytest.raises(CaptureError, match="computed 0 of the positions"):
        probes["image_tokens"].result(Answered(0, [0], 0, WORDS))


def test_answers_are_the_same_with_probes() -> None:
    samples = asked(12)
    with_probes, without = (engine(probes).generate(samples) for probes in (PROBES, ()))
    assert [each.text for each in with_probes] == [each.text for each in without]

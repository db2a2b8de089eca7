"""Given tokens under vLLM: log-probabilities and layers are those of transformers and of vLLM's own generation."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from plain_model import plain_lens_tiny
from scipy.special import log_softmax
from served import asked, engine, own_bounds

from lens_engine import Sample
from lens_engine.engine import Replacement
from lens_models import ForcingError, MaskingError


def expected(sample: Sample, images: list[Image.Image], before: tuple[int, ...], tokens: tuple[int, ...]) -> np.ndarray:
    """Sum of log-probabilities of the tokens at each block, by plain transformers."""
    logits = plain_lens_tiny().logits(sample.prompt, images, [*before, *tokens])
    logp = log_softmax(logits[:, len(before) : -1], axis=-1)
    return np.asarray(sum(logp[:, place, token] for place, token in enumerate(tokens)))


@pytest.mark.parametrize("before", [(), (100, 7)])
def test_scores_and_layers(before: tuple[int, ...]) -> None:
    own = engine()
    tokenizer = plain_lens_tiny().processor.tokenizer
    sequences = [tuple(tokenizer.encode(text)) for text in ("yes", "no way at all", "a small red cube")]
    for sample in asked(3):
        scored = own.score(sample, sequences, before=before)
        assert own.lens is not None
        for tokens, each in zip(sequences, scored, strict=True):
            layers = expected(sample, list(sample.media.images), before, tokens)
            assert each.layer_logprobs is not None
            np.testing.assert_allclose(each.layer_logprobs, layers, **own_bounds())
            assert each.logprob == pytest.approx(layers[-1], abs=own_bounds()["atol"])
            assert own.lens.compare_position(each.residual, each.first_logits).exact


def test_the_answer_given_again_has_the_log_probability_of_its_generation() -> None:
    own = engine()
    samples = asked(4)
    for sample, generation in zip(samples, own.generate(samples), strict=True):
        tokens = generation.trace.new_tokens[generation.row]  # type: ignore[union-attr]
        (scored,) = own.score(sample, [tokens])
        assert scored.greedy
        assert scored.n_tokens == len(tokens)


def test_another_image_is_shown_in_place_of_the_sample_s_own() -> None:
    own = engine()
    sample = asked(1)[0]
    blank = [Image.new("RGB", image.size, (128, 128, 128)) for image in sample.media.images]
    tokens = tuple(plain_lens_tiny().processor.tokenizer.encode("yes"))
    (scored,) = own.score(sample, [tokens], replacement=Replacement(images=blank))
    np.testing.assert_allclose(scored.layer_logprobs, expected(sample, blank, (), tokens), **own_bounds())


def test_what_cannot_be_done_is_refused() -> None:
    own = engine()
    sample = asked(1)[0]
    with pytest.raises(ForcingError, match="no tokens"):
        own.score(sample, [()])
    with pytest.raises(MaskingError, match="not masked under vLLM"):
        own.score(sample, [(5,)], replacement=Replacement(masked=(0,)))
    assert own.locate(sample).problem

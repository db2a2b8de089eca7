"""Activation patching: what it changes is by hand what plain transformers gives, and depths are as defined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from controlled_records import mini_documents, mini_image
from plain_model import lens_tiny_bounds, plain_lens_tiny

from lens_engine import load
from lens_engine.patching import Patched, depths, patch_pairs
from lens_engine.question import Question
from lens_models import CaptureError
from lens_models.interventions import changed
from lens_models.interventions.patch import Patch
from lens_models.lenses import logit_lens
from lens_models.video import VideoSampling

_BY_PICTURE = {mini_image(each).tobytes(): each for each in mini_documents("pope_mini")[:60]}
DOCUMENTS = list(_BY_PICTURE.values())[:8]


@pytest.fixture(scope="module")
def vlm() -> Any:
    return load(device="cpu")


@pytest.fixture(scope="module")
def samples(vlm: Any) -> Any:
    asked = [Question.parse((mini_image(each), each["question"]), {}) for each in DOCUMENTS]
    made = [each.request(("p", n, 0, 0), vlm.processor, None, VideoSampling()) for n, each in enumerate(asked)]
    return [request.sample() for request in made]


def reverse(residual: Any, layers: Any) -> Any:
    """Reads the reverse of what the logit lens reads, at the last layer too."""
    return -residual


@pytest.fixture(scope="module")
def found(vlm: Any, samples: Any) -> Patched:
    return patch_pairs(vlm._opened.engine, samples, {"logit": logit_lens, "reverse": reverse}, 3)


def test_patching_is_what_plain_transformers_gives_with_the_state_put_in(found: Patched, samples: Any) -> None:
    plain = plain_lens_tiny()
    layers = plain.model.model.language_model.layers
    assert found.n_asked == len(samples) and 2 <= len(found.clusters) < len(samples)
    at = 0
    for place, sample in enumerate(samples):
        own, other = ([*samples[(place + step) % len(samples)].media.images] for step in (0, 1))
        with torch.no_grad():
            one = plain.model(**plain._inputs(sample.prompt, own)).logits[0, -1]
            two = plain.model(**plain._inputs(sample.prompt, other), output_hidden_states=True)
        a, b = int(two.logits[0, -1].argmax()), int(one.argmax())
        if a == b:
            continue
        start, end = float(one[a] - one[b]), float(two.logits[0, -1, a] - two.logits[0, -1, b])
        for layer in (1, 5, 9):
            state = two.hidden_states[layer][0, -1]

            def put(module: Any, args: Any, out: Any, state: Any = state) -> Any:
                hidden = (out[0] if isinstance(out, tuple) else out).clone()
                hidden[0, -1] = state
                return (hidden, *out[1:]) if isinstance(out, tuple) else hidden

            handle = layers[layer - 1].register_forward_hook(put)
            with torch.no_grad():
                under = plain.model(**plain._inputs(sample.prompt, own)).logits[0, -1]
            handle.remove()
            d = float(under[a] - under[b])
            allowed = lens_tiny_bounds()["rtol"] * float(under.abs().max()) * 8 / abs(end - start)
            assert found.restored[at, layer - 1] == pytest.approx((d - start) / (end - start), abs=allowed)
            assert bool(found.moved[at, layer - 1]) == (d > 0)
            norm, head = plain.model.model.language_model.norm, plain.model.lm_head
            with torch.no_grad():
                ours = plain.model(**plain._inputs(sample.prompt, own), output_hidden_states=True).hidden_states
                in_one, in_two = (head(norm(each[layer][0, -1])) for each in (ours, two.hidden_states))
            read = bool(in_two[a] > in_two[b] and in_one[b] > in_one[a])
            assert bool(found.read["logit"][at, layer - 1]) == read
        at += 1
    assert at == len(found.clusters)


def test_the_last_layer_is_the_other_run(found: Patched) -> None:
    assert found.moved[:, -1].all() and found.read["logit"][:, -1].all()
    np.testing.assert_allclose(found.restored[:, -1], 1.0, atol=1e-3)
    assert not found.read["reverse"][:, -1].any()
    assert np.isnan(depths(found.read["reverse"])).all()


def test_depth_is_the_first_layer_from_which_it_holds_to_the_end() -> None:
    held = np.array([[0, 1, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1], [1, 1, 1, 1, 0]], dtype=bool)
    np.testing.assert_array_equal(depths(held), [4, 1, 5, np.nan])


def test_a_patch_of_other_rows_is_refused(vlm: Any, samples: Any) -> None:
    parts, inputs = vlm.lens.parts, vlm._opened.engine.prompts.encode(samples[:2])
    with changed(parts, [Patch(3, torch.zeros(1, 128))]), pytest.raises(CaptureError, match="for \\(2, 128\\) last"):
        vlm.model(**inputs)

"""The logit lens on image tokens: against the model's own hidden states, planted maps, the bound against the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from built_models import built
from tolerances import FUNCTION, bounds
from zoo import IMAGE, ZOO

from lens_models import LensSettings, LogitLens
from lens_models.image_tokens import ImageTokens, reading
from lens_models.image_tokens.reading import read_image_tokens
from lens_models.probes import Answered
from lens_models.probes.image_tokens import spread_layers

GREEDY: dict[str, Any] = {"max_new_tokens": 3, "do_sample": False}
WORDS = {"red": (20, 33), "cube": (41,)}
LENGTHS = (3, 6)


def image_tokens(inputs: Any) -> list[ImageTokens]:
    found = []
    for row in inputs["input_ids"]:
        positions = (row == IMAGE).nonzero().flatten().numpy()
        found.append(ImageTokens(positions, np.zeros_like(positions), np.zeros((len(positions), 4), dtype=np.float32)))
    return found


def observed(model_type: str, dtype: torch.dtype = torch.float32, **settings: Any) -> tuple[Any, Any, LogitLens, Any]:
    model, inputs = built(model_type, dtype), ZOO[model_type].inputs(LENGTHS, dtype)
    lens = LogitLens(model, inputs, LensSettings(probes=("image_tokens",)))
    traced = lens.generate(inputs, image_tokens=image_tokens(inputs), **{**GREEDY, **settings})
    return model, inputs, lens, traced


def prefill_states(model: Any, inputs: Any) -> Any:
    settings = {**GREEDY, "output_hidden_states": True, "return_dict_in_generate": True}
    return model.generate(**inputs, **settings).hidden_states[0]


@torch.no_grad()
def independent(model: Any, inputs: Any, layers: list[int], sample: int) -> Any:
    """[words, layers, tokens] in fp64, from `output_hidden_states` alone."""
    states = prefill_states(model, inputs)
    text = "text_model" if hasattr(model.model, "text_model") else "language_model"
    norm, head = model.model.get_submodule(text).norm, model.get_output_embeddings()
    at = inputs["input_ids"][sample] == IMAGE
    found = []
    for layer in layers:
        hidden = states[layer][sample, at]
        hidden = hidden if layer == len(states) - 1 else norm(hidden)  # transformers gives the last one normed
        logits = hidden.double() @ head.weight.double().T
        found.append(torch.softmax(logits, -1))
    p = torch.stack(found)
    return torch.stack([p[..., list(ids)].sum(-1) for ids in WORDS.values()]).numpy()


@pytest.mark.parametrize("model_type", ["qwen2_vl", "llava", "idefics3", "qwen3_vl"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_probabilities_are_those_of_the_models_own_hidden_states(model_type: str, dtype: torch.dtype) -> None:
    model, inputs, lens, traced = observed(model_type, dtype)
    for sample in range(len(LENGTHS)):
        found = traced.probes[0].result(Answered(sample, [sample] * 3, 0, WORDS))
        layers = [int(layer) for layer in found["layers"]]
        assert layers == list(range(1, lens.parts.n_layers + 1))
        expected = independent(model, inputs, layers, sample)
        width = lens.parts.hidden_size
        # a probability's relative error is the absolute one of its logits, which are of the order of 10
        allowed = bounds(torch.float32, width, width, FUNCTION, scale=64.0)
        for word, theirs in zip(WORDS, expected, strict=True):
            np.testing.assert_allclose(found[f"map {word}"], theirs, rtol=allowed["atol"], atol=1e-9)
        assert found["map red"].shape == (len(layers), (inputs["input_ids"][sample] == IMAGE).sum())


@torch.no_grad()
def test_ranks_are_those_of_the_likeliest_place() -> None:
    model, inputs, _, traced = observed("llava")
    found = traced.probes[0].result(Answered(0, [0] * 3, 0, WORDS))
    states, at = prefill_states(model, inputs), inputs["input_ids"][0] == IMAGE
    for row, layer in enumerate(found["layers"][:-1].astype(int)):
        best = states[layer][0, at][int(found["map red"][row].argmax())]
        logits = model.get_output_embeddings()(model.model.language_model.norm(best))
        assert found["rank red"][row] == 1 + int((logits > logits[list(WORDS["red"])].max()).sum())


def test_the_probe_changes_no_token_and_beams_share_the_prefill() -> None:
    model, inputs, _, traced = observed("llava")
    assert torch.equal(traced.sequences, model.generate(**inputs, **GREEDY))
    *_, beams = observed("llava", num_beams=3)
    for sample in range(len(LENGTHS)):
        alone = traced.probes[0].result(Answered(sample, [sample] * 3, 0, WORDS))
        theirs = beams.probes[0].result(Answered(sample, [sample * 3] * 3, 0, WORDS))
        np.testing.assert_allclose(alone["map red"], theirs["map red"], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("answered", [Answered(0, [0], 0, {}), Answered(0, [0], None, {"red": ()})])
def test_without_words_nothing_is_read(answered: Answered) -> None:
    *_, traced = observed("llava")
    assert traced.probes[0].result(answered) == {}


def test_without_image_tokens_nothing_is_read() -> None:
    model, inputs = built("llava"), ZOO["llava"].inputs(LENGTHS)
    lens = LogitLens(model, inputs, LensSettings(probes=("image_tokens",)))
    for tokens in ([], [ImageTokens.none("no geometry"), ImageTokens.none()]):
        traced = lens.generate(inputs, image_tokens=tokens, **GREEDY)
        assert traced.probes[0].result(Answered(0, [0] * 3, 0, WORDS)) == {}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings for a small vocabulary in which estimates are made as for a large one."""
    for name, value in (("_WHOLE", 0), ("_CHUNK", 16), ("_DRAWN", 40), ("_STRONGEST", 4), ("_MOST_ROWS", 512)):
        monkeypatch.setattr(reading, name, value)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_estimates_are_within_their_error_and_the_maximum_is_exact(seed: int, spread: float, few: None) -> None:
    lens = LogitLens(built("llava"), ZOO["llava"].inputs())
    residual = torch.randn(3, 300, lens.parts.hidden_size, generator=torch.Generator().manual_seed(seed)) * spread
    words = [WORDS["red"], WORDS["cube"]]
    whole = read_image_tokens(lens.unembedding, residual, words, whole=True)
    part = read_image_tokens(lens.unembedding, residual, words)
    assert whole.exact.all() and whole.error == 0 and 0 < part.error < 1
    assert part.exact.mean() < 0.6
    np.testing.assert_allclose(part.maps[:, part.exact], whole.maps[:, part.exact], rtol=1e-4)
    for own, theirs in zip(part.maps, whole.maps, strict=True):
        assert own[part.exact].max() == pytest.approx(theirs.max(), rel=1e-4)
        ratio = own[~part.exact] / theirs[~part.exact]
        # half of the vocabulary is drawn without replacement, so the errors are smaller than those of free draws
        assert np.mean(np.abs(np.log(ratio)) < 2 * part.error) > 0.95
        assert np.exp(np.log(ratio).mean()) == pytest.approx(1, abs=0.1)  # not one-sided


def test_a_word_that_stands_out_needs_few_rows(few: None) -> None:
    """Planted: one image token's state is the word's own direction, all others are the direction of another token."""
    model = built("llava")
    lens = LogitLens(model, ZOO["llava"].inputs())
    weight = model.get_output_embeddings().weight
    residual = (100 * weight[77]).expand(2, 400, -1).clone()
    residual[1, 123] = 100 * weight[41]
    found = read_image_tokens(lens.unembedding, residual, [(41,)])
    assert np.unravel_index(found.maps[0].argmax(), found.maps[0].shape) == (1, 123)
    assert found.exact[1, 123] and found.exact.mean() < 0.1


def test_words_without_tokens_are_refused() -> None:
    lens = LogitLens(built("llava"), ZOO["llava"].inputs())
    with pytest.raises(ValueError, match="at least one token id"):
        read_image_tokens(lens.unembedding, torch.zeros(1, 4, lens.parts.hidden_size), [(3,), ()])


@pytest.mark.parametrize(
    ("n_layers", "layers"),
    [
        (4, (1, 2, 3, 4)),
        (8, tuple(range(1, 9))),
        (32, (4, 8, 12, 16, 20, 24, 28, 32)),
        (28, (4, 7, 10, 14, 18, 21, 24, 28)),
    ],
)
def test_layers_are_spread_and_end_with_the_last(n_layers: int, layers: tuple[int, ...]) -> None:
    assert spread_layers(n_layers) == layers

"""The columns of the picture on three architectures, against `output_attentions` and `output_hidden_states` alone."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy
from zoo import IMAGE, ZOO

from lens_engine.image_maps import Seen, image_maps
from lens_engine.relative_attention import RELATIVE, ratio
from lens_models import LensSettings, LogitLens
from lens_models.image_tokens import ImageTokens
from lens_models.probes import Answered
from lens_tasks.regions import PlacedBox

WORDS = {"red": (20, 33), "cube": (41,)}
BOX = (0.0, 0.0, 0.5, 1.0)
GREEDY: dict[str, Any] = {"max_new_tokens": 1, "do_sample": False}


def tokens_of(inputs: Any) -> ImageTokens:
    """Columns of the picture, one a token, from the left."""
    positions = (inputs["input_ids"][0] == IMAGE).nonzero().flatten().numpy()
    edges = np.linspace(0, 1, len(positions) + 1)
    boxes = [(left, 0.0, right, 1.0) for left, right in itertools.pairwise(edges)]
    return ImageTokens(positions, np.zeros_like(positions), np.asarray(boxes, dtype=np.float32))


def written_out(model: Any, inputs: Any) -> tuple[Any, Any]:
    """Attention `[layers, heads, image tokens]` of the last position, and p `[layers, image tokens, vocabulary]`."""
    model.set_attn_implementation("eager")
    with torch.no_grad():
        out = model(**inputs, output_attentions=True, output_hidden_states=True)
        at = inputs["input_ids"][0] == IMAGE
        norm, head = model.model.language_model.norm, model.get_output_embeddings()
        states = [norm(each[0, at]) for each in out.hidden_states[1:-1]] + [out.hidden_states[-1][0, at]]
        p = softmax((torch.stack(states).double() @ head.weight.double().T).numpy(), axis=-1)
    return torch.stack([layer[0, :, -1] for layer in out.attentions])[..., at].double().numpy(), p


@pytest.mark.parametrize("model_type", ["qwen2_vl", "llava", "qwen3_vl"])
def test_columns_are_those_of_the_models_own_attention_and_states(model_type: str) -> None:
    model = ZOO[model_type].build()
    question, generic = (ZOO[model_type].inputs((length,)) for length in (5, 7))
    model.set_attn_implementation("sdpa")
    lens = LogitLens(model, question, LensSettings(probes=("image_tokens", "attention")))
    tokens = tokens_of(question)
    answered = Answered(0, [0], 0, WORDS)
    traced = lens.generate(question, image_tokens=[tokens], **GREEDY)
    observed = {probe.name: probe.result(answered) for probe in traced.probes}
    other = lens.generate(generic, image_tokens=[tokens_of(generic)], **GREEDY).probes[1].result(answered)
    observed[RELATIVE] = ratio(observed["attention"], other)
    n_layers = lens.parts.n_layers
    seen = Seen(("t", 0, 0, 0), tokens, [(64, 64)], tuple(WORDS), n_layers, (PlacedBox(BOX),))
    found = image_maps(seen, observed, whole=True)

    (weights, p), (below, _) = (written_out(model, inputs) for inputs in (question, generic))
    middle = slice(0, 2)  # layers 5 to 18 of 32 are 1 and 2 of 4
    assert found.label_free["svar"] == pytest.approx(weights.sum(-1).mean(1)[middle].sum(), abs=1e-4)
    assert found.label_free["image_mass"] == pytest.approx(weights.sum(-1).mean(), abs=1e-4)
    mean = weights.mean(1)
    assert found.label_free["attention_entropy"] == pytest.approx(entropy(mean[middle].sum(0)), abs=1e-3)
    relative = (mean / below.mean(1))[middle].mean(0)
    assert found.label_free["relative_attention_entropy"] == pytest.approx(entropy(relative), abs=1e-3)
    # internal confidence of each word, the likelier layer and token; of both together the least at each token
    maps = np.stack([p[..., list(ids)].sum(-1) for ids in WORDS.values()])
    assert found.label_free["image_confidence"] == pytest.approx(maps.max(1).min(0).max(), rel=1e-3)
    for word, own in zip(WORDS, maps, strict=True):
        assert found.probes["image_tokens"][f"map {word}"].max() == pytest.approx(own.max(), rel=1e-3)
    inside = tokens.overlap([BOX])
    for prefix, heat in (("", mean[middle].mean(0)), ("relative_", relative), ("word_", maps.max(1).min(0))):
        lift = (heat * inside).sum() / heat.sum() / inside.mean()
        assert found.gold_based[f"{prefix}box_lift"] == pytest.approx(lift, rel=1e-3)

"""Interventions against slow references written from their formulas: one prompt, no cache, numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from built_models import built
from safetensors.torch import save_file
from scipy.special import log_softmax, softmax
from slow_interventions import noisy, of_layers
from zoo import IMAGE, VIDEO, ZOO

from lens_models import LensArgumentError, LensSettings, LogitLens
from lens_models.continuations import score_continuations
from lens_models.interventions import (
    Dola,
    Host,
    Intervention,
    Steer,
    Vcd,
    bound,
    changed,
    interventions_of,
    settings_of,
)

N = 4
GREEDY: dict[str, Any] = {"max_new_tokens": N, "do_sample": False}
VCD = ("vcd", "vcd:2:cut=0:noise=900:seed=3")
FAMILIES = ("llava", "qwen2_vl", "gemma3")
ON_LOGITS = (
    "dola",
    "dola:0.5:layers=1-3:cut=0.3",
    "deco",
    "deco:2:layers=1-3:top_k=5",
    "early_exit:1:layers=1-3:threshold=0.05",
)


def lens_of(family: str) -> LogitLens:
    return LogitLens(built(family), ZOO[family].inputs(), LensSettings())


def made(words: str, lens: LogitLens) -> tuple[Intervention, ...]:
    return bound(interventions_of(words), Host(lens.unembedding))


def layers_and_final(family: str, inputs: Mapping[str, Any], said: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the layers below the last `[layers, V]` and of the model `[V]` behind a prompt and what was said."""
    model, longer = built(family), dict(inputs)
    added = torch.tensor([list(said)], dtype=torch.long)
    for name, value in (("input_ids", added), ("attention_mask", torch.ones_like(added))):
        longer[name] = torch.cat([longer[name], value], dim=1)
    for name in {"mm_token_type_ids", "token_type_ids"} & set(longer):
        longer[name] = torch.cat([longer[name], torch.zeros_like(added)], dim=1)
    with torch.no_grad():
        out = model(**longer, output_hidden_states=True, use_cache=False)
        states = torch.stack([state[0, -1] for state in out.hidden_states[1:-1]])
        read = model.lm_head(model.model.language_model.norm(states))
    return read.double().numpy(), out.logits[0, -1].double().numpy()


def vcd_reference(words: str, family: str, inputs: Mapping[str, Any], said: Sequence[int]) -> np.ndarray:
    (asked,) = interventions_of(words)
    assert isinstance(asked, Vcd)
    final = layers_and_final(family, inputs, said)[1]
    contrast = (1 + asked.strength) * final - asked.strength * layers_and_final(family, noisy(inputs, asked), said)[1]
    p = softmax(final)
    return np.where(p < asked.cut * p.max(), -np.inf, contrast)


def expected_logits(words: str, family: str, inputs: Mapping[str, Any], said: Sequence[int]) -> np.ndarray:
    if words.startswith("vcd"):
        return vcd_reference(words, family, inputs, said)
    (asked,) = interventions_of(words)
    return of_layers(asked, *layers_and_final(family, inputs, said))


def said_by_reference(words: str, family: str, inputs: Mapping[str, Any]) -> list[int]:
    said: list[int] = []
    for _ in range(N):
        logits = expected_logits(words, family, inputs, said)
        logits[[IMAGE, VIDEO]] = -np.inf
        said.append(int(logits.argmax()))
    return said


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("words", (*ON_LOGITS, *VCD))
def test_tokens_are_those_of_the_formula(words: str, family: str) -> None:
    lens, specimen = lens_of(family), ZOO[family]
    rows = [specimen.inputs((6,), seed=seed) for seed in (1, 2, 3)]
    expected = [said_by_reference(words, family, row) for row in rows]
    alone = [lens.generate(row, interventions=made(words, lens), **GREEDY) for row in rows]
    assert [list(each.new_tokens[0]) for each in alone] == expected
    plain = [list(lens.generate(row, **GREEDY).new_tokens[0]) for row in rows]
    assert plain != expected, "an intervention that changes nothing here tests nothing"


@pytest.mark.parametrize("words", ON_LOGITS)
def test_a_padded_batch_beams_and_sampling_are_changed_alike(words: str) -> None:
    lens, specimen = lens_of("llava"), ZOO["llava"]
    both = specimen.inputs((3, 6))
    together = lens.generate(both, interventions=made(words, lens), **GREEDY).new_tokens
    longest = {name: value[1:] for name, value in both.items()}
    alone = lens.generate(longest, interventions=made(words, lens), **GREEDY).new_tokens
    assert together[1] == alone[0]
    # the changed distribution, cut to its best token, is sampled from: the same tokens whatever the seed
    torch.manual_seed(0)
    sampled = lens.generate(both, interventions=made(words, lens), max_new_tokens=N, do_sample=True, top_k=1)
    assert sampled.new_tokens == together
    beams = lens.generate(both, interventions=made(words, lens), **GREEDY, num_beams=2)
    assert len(beams.new_tokens[0]) == N


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("words", (*ON_LOGITS, *VCD))
def test_given_tokens_are_scored_by_the_formula(words: str, family: str) -> None:
    lens, inputs = lens_of(family), ZOO[family].inputs()
    given = tuple(lens.generate(inputs, interventions=made(words, lens), **GREEDY).new_tokens[0][:2])
    with changed(lens.parts, made(words, lens)):
        (scored,) = score_continuations(lens.forcing, inputs, [given], lens=lens)
    expected = 0.0
    for place, token in enumerate(given):
        expected += log_softmax(expected_logits(words, family, inputs, given[:place]))[token]
    assert scored.logprob == pytest.approx(expected, abs=1e-4)
    # without a cut a token that the model is kept from saying may be the likeliest
    assert scored.greedy or "cut=0" in words
    # readouts stay those of the plain model, and are compared with its own logits
    assert scored.residual is not None
    assert lens.compare_position(scored.residual, scored.first_logits).exact


@pytest.mark.parametrize("words", VCD)
@pytest.mark.parametrize("family", ["llava", "qwen2_vl"])
def test_a_second_run_is_the_same_in_a_padded_batch_and_unseen_by_observers(words: str, family: str) -> None:
    lens, specimen = lens_of(family), ZOO[family]
    both = specimen.inputs((3, 6))
    together = lens.generate(both, interventions=made(words, lens), **GREEDY)
    assert together.trace.n_steps == N
    plain = lens.generate(both, **GREEDY)
    assert torch.equal(plain.trace.steps[0], together.trace.steps[0])
    for row in range(2):
        alone = row_of(both, row)
        found = lens.generate(alone, interventions=made(words, lens), **GREEDY).new_tokens[0]
        assert found == together.new_tokens[row]
    with pytest.raises(LensArgumentError, match="without beam search"):
        lens.generate(both, interventions=made(words, lens), **GREEDY, num_beams=2)


def row_of(inputs: Mapping[str, Any], row: int) -> dict[str, Any]:
    """One row of a batch, its padding included, with its picture."""
    rows = len(inputs["input_ids"])
    return {
        name: value[row : row + 1] if len(value) == rows else value.chunk(rows)[row] for name, value in inputs.items()
    }


def test_a_prompt_without_a_picture_runs_as_it_is() -> None:
    lens = lens_of("llava")
    inputs = {"input_ids": torch.tensor([[1, 30, 40]]), "attention_mask": torch.ones(1, 3).long()}
    plain = lens.generate(inputs, **GREEDY)
    assert lens.generate(inputs, interventions=made("vcd", lens), **GREEDY).new_tokens == plain.new_tokens


@pytest.mark.parametrize("words", ["dola:0", "deco:0", "early_exit:0", "vcd:0", "dola:0+deco:0"])
def test_strength_0_is_the_plain_run(words: str) -> None:
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs((3, 6))
    kept = {"output_logits": True, "return_dict_in_generate": True}
    plain = lens.model.generate(**inputs, **GREEDY, **kept)
    with changed(lens.parts, made(words, lens)):
        same = lens.model.generate(**inputs, **GREEDY, **kept)
    assert torch.equal(plain.sequences, same.sequences)
    assert all(torch.equal(a, b) for a, b in zip(plain.logits, same.logits, strict=True))


def test_the_layers_are_read_as_before_and_the_model_is_left_as_it_was() -> None:
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs()
    plain = lens.generate(inputs, **GREEDY)
    steered = lens.generate(inputs, interventions=made("dola", lens), **GREEDY)
    assert torch.equal(plain.trace.steps[0], steered.trace.steps[0]), "the first step is before any changed token"
    report = lens.check(steered)
    assert report is not None and report.exact
    assert lens.generate(inputs, **GREEDY).new_tokens == plain.new_tokens


def test_a_direction_is_added_behind_its_layers(tmp_path: Path) -> None:
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs()
    direction = torch.linspace(-1, 1, lens.parts.hidden_size)
    file = tmp_path / "directions.safetensors"
    save_file({"layer.2": direction}, file)
    (steer,) = interventions_of(f"steer:3:file={file}")
    plain = lens.generate(inputs, **GREEDY)
    moved = lens.generate(inputs, interventions=[steer], **GREEDY)
    expected = plain.trace.steps[0][1] + 3 * direction
    torch.testing.assert_close(moved.trace.steps[0][1], expected)
    assert torch.equal(moved.trace.steps[0][0], plain.trace.steps[0][0])
    assert len(settings_of(steer)["file"]) == 64, "the file is told by its content"
    save_file({"layer.9": direction}, file)
    with pytest.raises(LensArgumentError, match="expected layers 1 to 4"):
        lens.generate(inputs, interventions=interventions_of(f"steer:1:file={file}"), **GREEDY)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("dolla", "Did you mean dola"),
        ("dola:much", "not a number"),
        ("dola:1:layer=2-3", "Did you mean layers"),
        ("deco:1:top_k=2.5", "expected a whole number"),
        ("dola+dola", "more than once"),
        ("vcd:1:noise=1000", "0 to 999"),
        ("steer:1:file=nowhere.safetensors", "is no file"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(words: str, why: str) -> None:
    with pytest.raises(LensArgumentError, match=why):
        interventions_of(words)


@pytest.mark.parametrize("layers", ["3-9", "4", "0-2", "some"])
def test_layers_that_the_model_does_not_have_are_refused(layers: str) -> None:
    with pytest.raises(LensArgumentError, match="layers="):
        made(f"dola:1:layers={layers}", lens_of("llava"))


def test_settings_are_told_for_the_fingerprint() -> None:
    (dola,) = interventions_of("dola:0.5:cut=0.2")
    assert (dola.name, dola.strength) == ("dola", 0.5)
    assert settings_of(dola) == {"layers_of": "low", "cut": 0.2}
    assert interventions_of("none") == interventions_of(None) == ()
    assert isinstance(interventions_of("deco+dola")[1], Dola) and Steer.name == "steer"

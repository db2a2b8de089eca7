"""Image tokens that come again, against a slow reference: one prompt, no cache, embeddings and positions by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from built_models import built
from scipy.special import log_softmax
from slow_interventions import made_for, one_row
from torch import Tensor
from zoo import IMAGE, VIDEO, ZOO

from lens_models import LensArgumentError, LensFileError, LensSettings, LogitLens
from lens_models.continuations import score_continuations
from lens_models.interventions import (
    Host,
    Icot,
    Intervention,
    Select,
    bound,
    changed,
    interventions_of,
    settings_of,
)
from lens_models.selection import Selector, write_selector

N = 6
GREEDY: dict[str, Any] = {"max_new_tokens": N, "do_sample": False}
FAMILIES = ("llava", "qwen2_vl", "gemma3")
SELECTED = ("select:1:by=attention:patches=2", "select:1:by=random:patches=3:seed=4", "select:1:by=mean:patches=2")
ICOT = ("icot:1:patches=2:every=1:most=2", "icot:1:patches=1:every=2")
ALL = (*SELECTED, "select:1:by=attention:patches=1:rounds=2", *ICOT)
SELECTOR_LAYER = 2


class Tokenizer(SimpleNamespace):
    """Every second id has a line break in it."""

    bos_token_id = 1

    def __len__(self) -> int:
        return 512

    def batch_decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        return ["a\n" if each[0] % 2 else "a" for each in ids]


def lens_of(family: str, dtype: torch.dtype = torch.float32) -> LogitLens:
    model = built(family) if dtype == torch.float32 else ZOO[family].build(dtype)
    return LogitLens(model, ZOO[family].inputs((6,), dtype), LensSettings())


def made(words: str, lens: LogitLens, family: str) -> tuple[Intervention, ...]:
    return made_for(words, lens, family, Tokenizer())


class Reference:
    """A sequence of embeddings that grows, with a pass over the whole of it each time."""

    def __init__(self, family: str, inputs: Mapping[str, Any]) -> None:
        self.model = built(family)
        with torch.no_grad():
            out = self.model(**inputs, output_hidden_states=True, use_cache=False)
        self.embeds = out.hidden_states[0]
        self.image = (inputs["input_ids"][0] == IMAGE).nonzero().flatten()
        self.patches = self.embeds[:, self.image]
        self.positions = self._positions(family, inputs)
        self.types = inputs.get("token_type_ids")

    def _positions(self, family: str, inputs: Mapping[str, Any]) -> Tensor:
        if not family.startswith("qwen"):
            return torch.arange(self.embeds.shape[1])[None]
        grid, types = inputs["image_grid_thw"], inputs["mm_token_type_ids"]
        found: Tensor = self.model.model.get_rope_index(
            inputs["input_ids"], mm_token_type_ids=types, image_grid_thw=grid
        )[0]
        return found

    def add(self, embeds: Tensor) -> None:
        count = torch.arange(embeds.shape[1]) + 1 + int(self.positions.max())
        self.positions = torch.cat([self.positions, count.expand(*self.positions.shape[:-1], -1)], dim=-1)
        self.embeds = torch.cat([self.embeds, embeds], dim=1)
        if self.types is not None:
            self.types = torch.cat([self.types, torch.zeros(1, embeds.shape[1], dtype=torch.long)], dim=1)

    def say(self, token: int) -> None:
        self.add(self.model.get_input_embeddings()(torch.tensor([[token]])))

    @torch.no_grad()
    def run(self) -> Any:
        types = {} if self.types is None else {"token_type_ids": self.types}
        return self.model(
            inputs_embeds=self.embeds, position_ids=self.positions, attention_mask=torch.ones(self.embeds.shape[:2]),
            use_cache=False, output_attentions=True, output_hidden_states=True, **types,
        )  # fmt: skip

    def logits(self) -> np.ndarray:
        found: np.ndarray = self.run().logits[0, -1].double().numpy()
        return found

    def insert_by(self, scores: np.ndarray, count: int) -> None:
        chosen = sorted(np.argsort(-scores, kind="stable")[:count].tolist())
        self.add(self.patches[:, chosen])

    def attention(self) -> np.ndarray:
        found = [each[0, :, -1, self.image].double().mean(0).numpy() for each in self.run().attentions]
        return np.asarray(np.mean(found, axis=0))


def prompted(asked: Intervention, family: str, inputs: Mapping[str, Any], selector: Selector | None) -> Reference:
    """A prompt, with what is selected behind it."""
    sequence = Reference(family, inputs)
    for _ in range(asked.rounds_of if isinstance(asked, Select) else 0):
        assert isinstance(asked, Select)
        if asked.by == "mean":
            sequence.add(sequence.patches.mean(1, keepdim=True).expand(-1, asked.patches, -1))
        elif asked.by == "attention":
            sequence.insert_by(sequence.attention(), asked.patches)
        elif asked.by == "random":
            drawn = torch.rand(len(sequence.image), generator=torch.Generator().manual_seed(asked.seed))
            sequence.insert_by(drawn.numpy(), asked.patches)
        else:
            assert selector is not None
            state = sequence.run().hidden_states[selector.layer][0].double().numpy()
            state /= np.sqrt((state**2).mean(-1, keepdims=True))
            query, key = selector.query.double().numpy(), selector.key.double().numpy()
            sequence.insert_by(state[sequence.image] @ key.T @ query @ state[-1], asked.patches)
    return sequence


def said_by_reference(
    words: str, family: str, inputs: Mapping[str, Any], selector: Selector | None = None
) -> tuple[list[int], list[np.ndarray], int]:
    """Tokens, the logits before each, and how often something came in behind a token."""
    (asked,) = interventions_of(words)
    sequence = prompted(asked, family, inputs, selector)
    said: list[int] = []
    every, ended, inserted = [], 0, 0
    for _ in range(N):
        every.append(sequence.logits())
        allowed = every[-1].copy()
        allowed[[IMAGE, VIDEO]] = -np.inf
        said.append(int(allowed.argmax()))
        sequence.say(said[-1])
        if isinstance(asked, Icot) and said[-1] % 2:
            ended += 1
            if ended % asked.every == 0 and inserted < asked.most:
                inserted += 1
                sequence.insert_by(sequence.attention(), asked.patches)
    return said, every, inserted


@pytest.mark.parametrize("family", FAMILIES)
def test_the_reference_without_a_change_is_the_model(family: str) -> None:
    inputs = ZOO[family].inputs((6,), seed=1)
    with torch.no_grad():
        own = built(family)(**inputs, use_cache=False).logits[0, -1].double().numpy()
    np.testing.assert_allclose(Reference(family, inputs).logits(), own, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("words", ALL)
def test_tokens_are_those_of_the_reference(words: str, family: str) -> None:
    lens, specimen = lens_of(family), ZOO[family]
    rows = [specimen.inputs((6,), seed=seed) for seed in (1, 2, 3)]
    expected = [said_by_reference(words, family, row) for row in rows]
    found = [lens.generate(row, interventions=made(words, lens, family), **GREEDY).new_tokens[0] for row in rows]
    assert [list(each) for each in found] == [said for said, _, _ in expected]
    kept = {"output_logits": True, "return_dict_in_generate": True}
    with changed(lens.parts, made(words, lens, family)):
        run = lens.model.generate(**rows[0], **GREEDY, **kept)
    plain = lens.model.generate(**rows[0], **GREEDY, **kept)
    for logits, own in zip(run.logits, expected[0][1], strict=True):
        np.testing.assert_allclose(logits[0].double().numpy(), own, atol=1e-4)
    if words.startswith("icot"):
        assert sum(inserted for _, _, inserted in expected), "nothing came in, so nothing is tested"
    else:
        assert not torch.allclose(run.logits[0], plain.logits[0], atol=1e-4), "it changes nothing here"


@pytest.mark.parametrize("family", ("llava", "qwen2_vl"))
@pytest.mark.parametrize("words", ALL)
def test_a_padded_batch_is_changed_alike(words: str, family: str) -> None:
    lens, both = lens_of(family), ZOO[family].inputs((3, 6))
    together = lens.generate(both, interventions=made(words, lens, family), **GREEDY).new_tokens
    expected = [said_by_reference(words, family, one_row(both, row))[0] for row in (0, 1)]
    assert [list(each) for each in together] == expected


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("words", ALL)
def test_given_tokens_are_scored_as_they_are_generated(words: str, family: str) -> None:
    lens, inputs = lens_of(family), ZOO[family].inputs((6,), seed=2)
    said, logits, _ = said_by_reference(words, family, inputs)
    with changed(lens.parts, made(words, lens, family)):
        (scored,) = score_continuations(lens.forcing, inputs, [said[1:4]], before=said[:1], lens=lens)
    expected = sum(log_softmax(logits[place])[said[place]] for place in range(1, 4))
    assert scored.logprob == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_learnt_selector_chooses(family: str, tmp_path: Path) -> None:
    lens, inputs = lens_of(family), ZOO[family].inputs((6,), seed=1)
    drawn = torch.Generator().manual_seed(0)
    query, key = (torch.randn(4, lens.parts.hidden_size, generator=drawn) for _ in range(2))
    selector = Selector(SELECTOR_LAYER, query, key, torch.zeros(1), "nothing")
    write_selector(tmp_path / "s", selector, lens.parts, family, recipe={}, held_out={})
    words = f"select:1:patches=2:rounds=2:file={tmp_path / 's'}"
    interventions = made(words, lens, family)
    found = lens.generate(inputs, interventions=interventions, **GREEDY).new_tokens[0]
    assert list(found) == said_by_reference(words, family, inputs, selector)[0]
    assert settings_of(interventions[0])["file"] == selector.digest
    with torch.no_grad():
        other = ZOO[family].build()
        next(other.model.language_model.layers[0].parameters()).add_(1)
    elsewhere = LogitLens(other, inputs, LensSettings())
    with pytest.raises(LensFileError, match="another model"):
        made(words, elsewhere, family)


def test_a_checkpoint_without_a_selector_says_how_to_learn_one() -> None:
    with pytest.raises(LensFileError, match=r"LlavaForConditionalGeneration brings no selector .*`mmlens train-selec"):
        made("select", lens_of("llava"), "llava")


@pytest.mark.parametrize("words", ["icot:0", "select:0:by=random", "icot:0+select:0:by=mean"])
def test_strength_0_is_the_plain_run(words: str) -> None:
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs((3, 6))
    kept = {"output_logits": True, "return_dict_in_generate": True}
    plain = lens.model.generate(**inputs, **GREEDY, **kept)
    with changed(lens.parts, made(words, lens, "llava")):
        same = lens.model.generate(**inputs, **GREEDY, **kept)
    assert torch.equal(plain.sequences, same.sequences)
    assert all(torch.equal(a, b) for a, b in zip(plain.logits, same.logits, strict=True))


def test_the_readout_is_of_the_models_own_run_and_exact() -> None:
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs((3, 6))
    plain = lens.generate(inputs, **GREEDY)
    found = lens.generate(inputs, interventions=made(ALL[0], lens, "llava"), **GREEDY)
    assert found.trace.n_steps == N, "the second run is seen by no observer"
    report = lens.check(found)
    assert report is not None and report.exact
    assert torch.equal(plain.trace.steps[0], found.trace.steps[0])
    assert lens.generate(inputs, **GREEDY).new_tokens == plain.new_tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_in_half_precision_it_runs(family: str) -> None:
    lens, inputs = lens_of(family, torch.bfloat16), ZOO[family].inputs((6, 6), torch.bfloat16)
    for words in ALL[:4]:
        assert len(lens.generate(inputs, interventions=made(words, lens, family), **GREEDY).new_tokens) == 2


def test_a_prompt_without_a_picture_runs_as_it_is() -> None:
    lens = lens_of("llava")
    inputs = {"input_ids": torch.tensor([[1, 30, 40]]), "attention_mask": torch.ones(1, 3).long()}
    plain = lens.generate(inputs, **GREEDY)
    for words in ALL:
        assert lens.generate(inputs, interventions=made(words, lens, "llava"), **GREEDY).new_tokens == plain.new_tokens


@pytest.mark.parametrize("family", ("qwen2_5_vl", "internvl", "smolvlm", "llava_onevision", "cohere2_vision"))
def test_other_models_give_the_tokens_of_the_reference(family: str) -> None:
    words, lens, inputs = "select:1:by=attention:patches=2:rounds=2", lens_of(family), ZOO[family].inputs((6,), seed=1)
    found = lens.generate(inputs, interventions=made(words, lens, family), **GREEDY).new_tokens[0]
    assert list(found) == said_by_reference(words, family, inputs)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("family", "why"), [("qwen3_vl", "DeepStack"), ("mllama", "layers 2, 4 of")])
def test_models_whose_image_tokens_are_more_than_embeddings_are_refused(
    family: str, why: str, dtype: torch.dtype
) -> None:
    lens = lens_of(family, dtype)
    for words in ("icot", "select:1:by=random"):
        with pytest.raises(LensArgumentError, match=why):
            made(words, lens, family)


def _by_place(model: Any) -> Any:
    """Adds something in the second block at image tokens, known by the ids of the prompt, whatever the picture is."""
    seen: dict[str, Tensor] = {}

    def ids(module: Any, args: Any, kwargs: Any) -> None:
        given = kwargs.get("input_ids")
        seen["image"] = torch.zeros(1, 1, dtype=torch.bool) if given is None else given == IMAGE

    def add(module: Any, args: Any) -> Any:
        return (args[0] + 0.5 * seen["image"][..., None], *args[1:])

    first = model.model.register_forward_pre_hook(ids, with_kwargs=True)
    return first, model.model.language_model.layers[1].register_forward_pre_hook(add)


def _scaled(model: Any) -> Any:
    """What the first block is given is what came in, times 2."""

    def twice(module: Any, args: Any, kwargs: Any) -> Any:
        return args, {**kwargs, "inputs_embeds": 2 * kwargs["inputs_embeds"]}

    return (model.model.language_model.register_forward_pre_hook(twice, with_kwargs=True),)


@pytest.mark.parametrize("planted", [_by_place, _scaled])
def test_what_an_image_token_has_by_its_place_or_by_a_scale_is_seen(planted: Any) -> None:
    lens = lens_of("llava")
    hooks = planted(lens.model)
    try:
        with pytest.raises(LensArgumentError, match="when it comes by its embedding alone"):
            made("icot", lens, "llava")
    finally:
        for each in hooks:
            each.remove()
    made("icot", lens, "llava")


def test_a_cache_that_cannot_be_cut_proves_nothing() -> None:
    lens = LogitLens(ZOO["gemma3"].build(sliding_window=4), ZOO["gemma3"].inputs(), LensSettings())
    with pytest.raises(LensArgumentError, match="cache cannot be cut before the last image token"):
        made("icot", lens, "gemma3")


def test_a_picture_of_zeros_proves_nothing() -> None:
    lens, example = lens_of("llava"), ZOO["llava"].inputs()
    blank = {**example, "pixel_values": torch.zeros_like(example["pixel_values"])}
    with pytest.raises(LensArgumentError, match="given the same of two pictures"):
        bound(interventions_of("icot"), Host(lens.unembedding, Tokenizer(), ((IMAGE,), (VIDEO,)), blank))


def test_rows_that_differ_before_a_sliding_window_are_refused() -> None:
    words, both = "icot:1:patches=2:every=1", ZOO["gemma3"].inputs((3, 6))
    model = ZOO["gemma3"].build(sliding_window=8)
    lens = LogitLens(model, both, LensSettings())
    with pytest.raises(LensArgumentError, match="use a batch size of 1"):
        for seed in range(5):
            inputs = ZOO["gemma3"].inputs((3, 6), seed=seed)
            lens.generate(inputs, interventions=made(words, lens, "gemma3"), **GREEDY)


def test_beams_are_refused() -> None:
    lens, inputs = lens_of("llava"), ZOO["llava"].inputs((3, 6))
    with pytest.raises(LensArgumentError, match="without beam search"):
        lens.generate(inputs, interventions=made(ALL[0], lens, "llava"), **GREEDY, num_beams=2)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("icot:1:patches=0", "numbers from 1"),
        ("icot:1:at=page", "line or sentence"),
        ("icott", "Did you mean icot"),
        ("select:1:by=mean:file=x", "a file is that of a selector"),
        ("select:1:by=eye", "one of selector, attention, random, mean"),
        ("select:1:by=random:rounds=0", "numbers from 1"),
    ],
)
def test_what_cannot_be_set_is_refused(words: str, why: str) -> None:
    with pytest.raises(LensArgumentError, match=why):
        interventions_of(words)

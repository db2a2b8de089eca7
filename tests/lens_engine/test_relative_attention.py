"""Relative attention: the option, the generic prompt's own pass, and what cannot be divided."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from controlled_records import mini_documents, mini_image
from zoo import IMAGE, ZOO

from lens_engine import VisionLanguageModel, load
from lens_engine.relative_attention import GENERIC_PROMPT, RELATIVE, RelativeAttention, ratio
from lens_models import LENS_TINY, LensArgumentError, LensSettings, LogitLens, load_model
from lens_models.image_tokens import ImageTokens
from lens_models.probes import Answered
from lens_results import load as load_records

DOCUMENT: Any = mini_documents("pope_mini")[0]
QUESTION = "Is there a red sphere in the image?\nAnswer the question using a single word or phrase."
ASKED: dict[str, Any] = {"question": QUESTION, "candidates": ["yes", "no"]}


@pytest.fixture(scope="module")
def vlm() -> VisionLanguageModel:
    return load(device="cpu", probes="attention", relative_attention=True)


def own_attention(model: Any, inputs: Any) -> Any:
    """`[layers, image tokens]` of the last position, mean over heads, by the model itself."""
    image_token = int(model.config.image_token_id)
    with torch.no_grad():
        attentions = model(**inputs, output_attentions=True).attentions
    at = inputs["input_ids"][0] == image_token
    return torch.stack([layer[0, :, -1].mean(0) for layer in attentions])[:, at].double().numpy()


def test_it_is_the_models_own_attention_under_one_prompt_over_that_under_the_other(vlm: VisionLanguageModel) -> None:
    image = mini_image(DOCUMENT)
    found = vlm.ask(image, **ASKED).record
    loaded = load_model(LENS_TINY)
    loaded.model.set_attn_implementation("eager")
    maps = []
    for text in (QUESTION, GENERIC_PROMPT):
        content = [{"type": "image"}, {"type": "text", "text": text}]
        prompt = loaded.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        maps.append(own_attention(loaded.model, loaded.processor(text=[prompt], images=[image], return_tensors="pt")))
    expected = maps[0] / maps[1]
    relative = found.probes[RELATIVE]
    assert relative["map layers"].tolist() == list(range(1, 11)) == relative["layers"].tolist()
    np.testing.assert_allclose(relative["map"], expected, atol=expected.max() / 255)
    heat = expected[1:5].mean(0)  # layers 5/32 to 18/32 of ten: 2 to 5
    share = heat / heat.sum()
    assert found.label_free["relative_attention_entropy"] == pytest.approx(-(share * np.log(share)).sum(), abs=1e-4)
    assert found.probe_status[RELATIVE] == "ok"


@pytest.mark.parametrize("model_type", ["qwen2_vl", "llava", "gemma3"])
def test_ratios_are_those_of_eager_attention(model_type: str) -> None:
    """The same picture before two texts."""
    model = ZOO[model_type].build()
    prompts = [ZOO[model_type].inputs((length,)) for length in (4, 7)]
    maps, expected = [], []
    model.set_attn_implementation("sdpa")
    lens = LogitLens(model, prompts[0], LensSettings(probes=("attention",)))
    for inputs in prompts:
        positions = (inputs["input_ids"][0] == IMAGE).nonzero().flatten().numpy()
        traced = lens.generate(
            inputs, image_tokens=[ImageTokens(positions, np.zeros_like(positions))], max_new_tokens=1, do_sample=False
        )
        maps.append(traced.probes[0].result(Answered(0, [0], 0)))
    model.set_attn_implementation("eager")
    for inputs in prompts:
        with torch.no_grad():
            attentions = model(**inputs, output_attentions=True).attentions
        at = inputs["input_ids"][0] == IMAGE
        expected.append(torch.stack([layer[0, :, -1].mean(0) for layer in attentions])[:, at].double().numpy())
    found = ratio(maps[0], maps[1])
    np.testing.assert_allclose(found["map"], expected[0] / expected[1], rtol=1e-3)


def test_answers_and_everything_else_in_the_record_stay(vlm: VisionLanguageModel) -> None:
    plain = load(device="cpu", probes="attention")
    for document in mini_documents("pope_mini")[:3]:
        asked = {"question": document["question"], "candidates": ["yes", "no"]}
        with_it, without = (each.ask(mini_image(document), **asked) for each in (vlm, plain))
        assert with_it.text == without.text
        np.testing.assert_array_equal(with_it.record.cand_scores, without.record.cand_scores)
        added = set(with_it.record.label_free) - set(without.record.label_free)
        assert added == {"relative_attention_entropy"}
        assert all(with_it.record.label_free[name] == value for name, value in without.record.label_free.items())
        assert RELATIVE not in without.record.probe_status


def test_sampled_answers_stay(vlm: VisionLanguageModel) -> None:
    plain = load(device="cpu", probes="attention")
    texts = []
    for each in (vlm, plain):
        torch.manual_seed(3)
        sampled: dict[str, Any] = {"temperature": 5.0, "max_new_tokens": 4}
        texts.append([each.ask(mini_image(DOCUMENT), QUESTION, **sampled).text for _ in range(4)])
    assert texts[0] == texts[1] and len(set(texts[0])) > 1


def test_a_picture_is_looked_at_once_for_all_questions_about_it_and_the_run_says_what_it_cost(tmp_path: Path) -> None:
    vlm = load(device="cpu", probes="attention", relative_attention=True, dir=str(tmp_path))
    other = next(each for each in mini_documents("pope_mini") if each["image"] != DOCUMENT["image"])
    questions = ["Is there a red sphere in the image?", "Is there a cube?"]
    vlm.ask_all([(mini_image(each), question, ["yes", "no"]) for each in (DOCUMENT, other) for question in questions])
    vlm.close()
    cost = load_records(tmp_path).info.control_cost[RELATIVE]
    assert (cost["samples"], cost["forward_passes"]) == (4, 2)


class Looking:
    """An engine that gives planted maps and counts."""

    def __init__(self, size: int) -> None:
        self.looked = 0
        self.size = size

    def look(self, media: Any, question: str) -> Any:
        self.looked += 1
        arrays = {"layers": np.ones(1, np.float32), "map": np.ones((1, self.size), np.float32)}
        probe = type("Probe", (), {"name": "attention", "result": lambda self, answered: arrays})()
        return type("Traced", (), {"probes": (probe,), "image_tokens": ()})()


def sample_of(number: int) -> Any:
    media = type("Media", (), {"image_sha256": (str(number),), "other_sha256": (), "images": (), "videos": ()})()
    return type("Sample", (), {"media": media})()


def test_maps_of_pictures_are_let_go_when_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lens_engine.relative_attention._KEPT_NUMBERS", 20)
    engine: Any = Looking(8)
    relative = RelativeAttention(engine)
    own: Any = {"layers": np.ones(1, np.float32), "map": np.full((1, 8), 0.5, np.float32)}
    tokens = ImageTokens(np.arange(8), np.zeros(8, np.int64))
    ask = functools.partial(relative.of, tokens=tokens, own=own)
    for number in (0, 1, 0, 2, 0, 1):  # 2 takes the place of 1
        status: dict[str, str] = {}
        assert ask(sample_of(number), status=status)[RELATIVE]["map"].tolist() == [[0.5] * 8]
        assert status == {RELATIVE: "ok"}
    assert engine.looked == 4


def test_what_cannot_be_divided_says_why() -> None:
    engine: Any = Looking(8)
    tokens, status = ImageTokens(np.arange(9), np.zeros(9, np.int64)), dict[str, str]()
    own: Any = {"layers": np.ones(1, np.float32), "map": np.full((1, 9), 0.5, np.float32)}
    assert RelativeAttention(engine).of(sample_of(0), tokens, own, status) == {}
    assert "(1, 9) layers and image tokens, but (1, 8) under the generic prompt" in status[RELATIVE]
    assert RelativeAttention(engine).of(sample_of(0), ImageTokens.none(), {}, status) == {}
    assert status[RELATIVE] == "nothing: there is no attention map"


def test_layers_in_which_the_generic_prompt_looks_past_a_token_are_left_out() -> None:
    layers = np.arange(1, 4, dtype=np.float32)
    own = {"layers": layers, "map": np.full((3, 2), 0.25, np.float32)}
    generic = {"layers": layers, "map": np.array([[0.5, 0.25], [0.0, 0.5], [1e-45, 0.5]], np.float32)}
    found = ratio(own, generic)
    assert found["layers"].tolist() == [1] and found["map"].tolist() == [[0.5, 1.0]]
    assert ratio(own, {"layers": layers, "map": np.zeros((3, 2), np.float32)}) == {}


def test_it_needs_the_attention_probe() -> None:
    with pytest.raises(LensArgumentError, match="add lens_probes=attention"):
        load(device="cpu", probes="image_tokens", relative_attention=True)


def test_a_model_that_cannot_look_again_keeps_its_answer(
    vlm: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no second look")

    monkeypatch.setattr(vlm._opened.engine, "look", broken)
    picture = mini_image(mini_documents("pope_mini")[40])
    record = vlm.ask(picture, **ASKED).record
    assert record.status == "ok" and "no second look" in record.probe_status[RELATIVE]
    assert "svar" in record.label_free and "relative_attention_entropy" not in record.label_free


def test_a_video_is_held_against_the_generic_prompt_about_it(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)
    question = "Is there a red sphere in the image?"
    vlm = load(device="cpu", probes="attention", relative_attention=True, dir=str(tmp_path))
    vlm.ask_all([{"image": None, "video": frames, "question": question, "candidates": ["yes", "no"]}] * 2)
    vlm.close()
    found, again = load_records(tmp_path).records()
    assert found.probe_status[RELATIVE] == "ok" == again.probe_status[RELATIVE]
    relative, own = (found.probes[name]["map"] for name in (RELATIVE, "attention"))
    assert relative.shape == own.shape == (10, 2 * 16) and 0.2 < np.median(relative) < 5
    assert load_records(tmp_path).info.control_cost[RELATIVE]["forward_passes"] == 1

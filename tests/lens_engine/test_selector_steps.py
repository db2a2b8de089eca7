"""The ends of written steps as a selector sees them, against plain transformers, and what is learnt from them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_model import PlainModel
from planted_steps import QUESTION, Planted, picture, shorten
from sklearn.metrics import roc_auc_score
from tolerances import bounds, sums_of

from lens_engine import Sample
from lens_engine.lens_learning import LensData
from lens_engine.opening import reading_engine
from lens_engine.question import Question
from lens_engine.sample import Request
from lens_engine.selector_learning import Gathered, SelectorPlan, gather, learn_selector
from lens_engine.selector_quality import attention_figures, figures_of, in_other_steps
from lens_engine.selector_steps import StepEnds, steps_looked_at
from lens_models import LENS_TINY, InputError, LensFileError, load_model
from lens_models.loading import resolve_pretrained
from lens_models.probes import StepRegions
from lens_models.selection import STEPS, Selector, SelectorRecipe, read_selector
from lens_models.video import VideoSampling

BOXES = [{"box": [0, 0, 16, 16], "label": "red cube"}, {"box": [48, 48, 64, 64], "label": "blue cube"}]
PROGRAM = [
    {"function": "query_color", "objects": [0], "result": "red"},
    {"function": "query_color", "objects": [1], "result": "blue"},
]
CASES = [("red", "blue"), ("blue", "blue"), ("blue", "red"), ("red", "red")]
ENDS, LAYER = StepEnds(max_new_tokens=40), 1


class Log:
    def warning(self, message: str) -> None:
        pytest.fail(message)


def engine_of(dtype: str = "float32") -> tuple[Any, Any]:
    loaded = load_model(LENS_TINY, device="cpu", dtype=dtype)
    Planted(loaded, steps="picture", answer="steps")
    log: Any = Log()
    return reading_engine(loaded, log, (StepRegions.name,)), loaded.processor


@pytest.fixture(scope="module")
def planted() -> tuple[Any, Any]:
    return engine_of()


def request(processor: Any, number: int, **changed: Any) -> Request:
    """Questions of different lengths, so that prompts of a batch are padded."""
    first, second = CASES[number % len(CASES)]
    asked = {
        "image": picture(first, second, seed=number),
        "question": QUESTION + " Look again." * (number % 3),
        "boxes": BOXES,
        "steps": PROGRAM,
    }
    question = Question.parse({**asked, **changed}, {})
    return question.request(("s", number, 0, 0), processor, None, VideoSampling())


def samples_of(processor: Any, count: int = 4) -> list[Sample]:
    return [request(processor, number).sample() for number in range(count)]


def by_hand(sample: Sample) -> tuple[list[torch.Tensor], torch.Tensor, list[Any]]:
    """Residuals at the ends of the two steps and of the image tokens, and attention there: one pass over all the text.

    What the model says is known: the planted block is the last one, and what is read comes before it.
    """
    number = sample.key[1]
    first, second = CASES[number % len(CASES)]
    plain = PlainModel(resolve_pretrained(LENS_TINY))
    shorten(plain.model)
    plain.model.set_attn_implementation("eager")
    ends, attentions = [], []
    for text in (f"Step 1: {first}.", f"Step 1: {first}. Step 2: {second}."):
        inputs = plain._inputs(sample.prompt + text, sample.media.images)
        with torch.no_grad():
            output = plain.model(**inputs, output_hidden_states=True, output_attentions=True, use_cache=False)
        images = inputs["input_ids"][0] == plain.model.config.image_token_id
        ends.append(output.hidden_states[LAYER][0, -1])
        attentions.append(output.attentions[0][0, :, -1].mean(0)[images].double().numpy())
    return ends, output.hidden_states[LAYER][0, images], attentions


@pytest.mark.parametrize("batch", [1, 4])
def test_residuals_targets_and_attention_are_those_of_one_plain_pass(planted: tuple[Any, Any], batch: int) -> None:
    engine, processor = planted
    samples = samples_of(processor)
    seen = [
        each
        for begin in range(0, 4, batch)
        for each in steps_looked_at(engine, samples[begin : begin + batch], LAYER, ENDS)
    ]
    for sample, own in zip(samples, seen, strict=True):
        assert not own.left_out and len(own.looked) == 2
        ends, tokens, attentions = by_hand(sample)
        size = float(max(each.abs().max() for each in (*ends, tokens)))
        near = bounds("float32", sums_of(engine.model, 256), scale=size)
        for step, (each, end, heat) in enumerate(zip(own.looked, ends, attentions, strict=True)):
            torch.testing.assert_close(each.shown.step, end, **near)
            torch.testing.assert_close(each.shown.tokens, tokens, **near)
            label = np.arange(16) == 15 * step
            # where image tokens lie is measured, to a hundredth of a pixel
            np.testing.assert_allclose(each.shown.target, label, atol=2e-3)
            np.testing.assert_allclose(each.others[0].share, label[::-1], atol=2e-3)
            assert len(each.others) == 1 and each.attention is not None
            np.testing.assert_allclose(each.attention, heat, rtol=1e-3)
            figures = attention_figures(each)
            assert figures is not None and figures["auroc"] == pytest.approx(roc_auc_score(label, heat), abs=2e-3)
    assert not torch.equal(seen[0].looked[0].shown.step, seen[0].looked[1].shown.step)


def test_sixteen_bits_see_the_same_steps() -> None:
    engine, processor = engine_of("bfloat16")
    sample = samples_of(processor, 1)[0]
    (own,) = steps_looked_at(engine, [sample], LAYER, ENDS)
    ends, tokens, _ = by_hand(sample)
    for each, end in zip(own.looked, ends, strict=True):
        assert each.shown.step.dtype == torch.bfloat16
        for found, expected in ((each.shown.step, end), (each.shown.tokens, tokens)):
            similar = torch.nn.functional.cosine_similarity(found.float(), expected, dim=-1)
            assert float(similar.min()) > 0.999


@pytest.mark.parametrize(
    ("changed", "left_out"),
    [
        ({"steps": None}, {"response, no_program": 1}),
        ({"steps": PROGRAM[:1]}, {"response, other_steps": 1}),
        ({"steps": [{**PROGRAM[0], "objects": [7]}, PROGRAM[1]]}, {"response, bad_form": 1}),
        ({"steps": [PROGRAM[0], {**PROGRAM[1], "objects": []}]}, {"step, no_box": 1}),
    ],
)
def test_what_does_not_correspond_is_left_out_and_counted(
    planted: tuple[Any, Any], changed: dict[str, Any], left_out: dict[str, int]
) -> None:
    engine, processor = planted
    (seen,) = steps_looked_at(engine, [request(processor, 0, **changed).sample()], LAYER, ENDS)
    assert seen.left_out == left_out and len(seen.looked) == ("step, no_box" in left_out)


def test_a_response_that_is_cut_off_at_a_step_has_no_pass_of_its_last_token(planted: tuple[Any, Any]) -> None:
    engine, processor = planted
    sample = samples_of(processor, 1)
    count, longer = (
        len(engine.tokenizer(text, add_special_tokens=False)["input_ids"])
        for text in ("Step 1: red. Step 2: blue.", "Step 1: red. Step 2: blue. Answer:")
    )
    (seen,) = steps_looked_at(engine, sample, LAYER, StepEnds(count))
    assert seen.left_out == {"step, cut_off": 1} and len(seen.looked) == 1
    (more,) = steps_looked_at(engine, sample, LAYER, StepEnds(longer))
    assert not more.left_out and len(more.looked) == 2


def test_figures_in_the_boxes_of_other_steps_are_of_the_same_map(planted: tuple[Any, Any]) -> None:
    engine, processor = planted
    (seen,) = steps_looked_at(engine, samples_of(processor, 1), LAYER, ENDS)
    first, last = seen.looked
    width = first.shown.step.shape[0]
    drawn = torch.Generator().manual_seed(0)
    selector = Selector(1, *(torch.randn(8, width, generator=drawn) for _ in range(2)), torch.zeros(1), at=STEPS)
    heat = torch.sigmoid(selector(first.shown.step, first.shown.tokens)).numpy()
    for found, place in ((figures_of(selector, first), 0), (in_other_steps(selector, first), 15)):
        label = np.arange(16) == place
        assert found["lift"] == pytest.approx(16 * heat[place] / heat.sum(), rel=5e-3)
        assert found["auroc"] == pytest.approx(roc_auc_score(label, heat), abs=5e-3)
    moved = replace(last, inside=first.inside)
    assert figures_of(selector, moved, first.shown.tokens) != figures_of(selector, first)


def test_a_selector_of_steps_is_learnt_and_refused_at_the_position_of_the_answer(
    planted: tuple[Any, Any], tmp_path: Path
) -> None:
    """The two steps are about the first and the last token: their ends are told apart, and so are the maps."""
    engine, processor = planted
    requests = [request(processor, number) for number in range(28)]
    data = LensData(requests[:24], requests[24:], "24 planted", "4 planted", shown=[str(n) for n in range(24)])
    plan = SelectorPlan(SelectorRecipe(LAYER, rank=8, steps=200, rate=1e-2), 4, "float32", steps=ENDS)
    quality = learn_selector(engine, data, plan, tmp_path / "s", model_name="planted")
    assert (quality.prompts, quality.clusters) == (8, 4)
    assert quality.own["pointing"] > quality.other_steps["pointing"], quality
    assert quality.own["lift"] > 1.5 * quality.other_steps["lift"] > 1.5, quality
    assert quality.beside_others == quality.own and set(quality.attention) == {"lift", "pointing", "auroc"}
    described = json.loads((tmp_path / "s" / "selector.json").read_text())
    assert described["at"] == "steps" and described["recipe"]["written_steps"] == 48
    assert described["recipe"]["left_out"] == {} and described["recipe"]["max_new_tokens"] == 40
    parts = engine.lens.parts
    assert read_selector(tmp_path / "s", parts, STEPS).digest == described["digest"]
    with pytest.raises(LensFileError, match="last tokens of written steps, and is asked at the position that predicts"):
        read_selector(tmp_path / "s", parts)
    (tmp_path / "s" / "selector.json").write_text(json.dumps({**described, "at": "answer"}))
    with pytest.raises(LensFileError, match="its numbers are not those"):
        read_selector(tmp_path / "s", parts)


def test_what_was_gathered_goes_on_from_the_disk(planted: tuple[Any, Any], tmp_path: Path) -> None:
    engine, processor = planted
    found = gather(engine, [request(processor, 0), request(processor, 1, steps=PROGRAM[:1])], SelectorPlan(
        SelectorRecipe(LAYER), 2, steps=ENDS
    ))  # fmt: skip
    torch.save(found.state(), tmp_path / "state.pt")
    again = Gathered()
    again.load(torch.load(tmp_path / "state.pt", weights_only=True))
    assert again.prompts == 2 and again.left_out == found.left_out == {"response, other_steps": 1}
    for one, other in zip(found.looked, again.looked, strict=True):
        assert one.cluster == other.cluster
        torch.testing.assert_close(one.shown.tokens, other.shown.tokens)
        np.testing.assert_array_equal(one.attention, other.attention)
        np.testing.assert_array_equal(one.others[0].share, other.others[0].share)


def test_a_model_that_writes_no_such_steps_is_told_why(planted: tuple[Any, Any], tmp_path: Path) -> None:
    engine, processor = planted
    requests = [request(processor, number, steps=None) for number in range(2)]
    data = LensData(requests[:1], requests[1:], "a", "b", shown=["a"])
    plan = SelectorPlan(SelectorRecipe(LAYER), 2, steps=ENDS)
    with pytest.raises(InputError, match=r"no response has a written step .* Left out: response, no_program: 1"):
        learn_selector(engine, data, plan, tmp_path / "s", model_name="planted")

"""A picture that was encoded is not encoded again, and no answer changes by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from built_models import built
from torch import nn
from zoo import ZOO

from lens_models import LensSettings, LogitLens, find_parts
from lens_models.continuations import score_continuations
from lens_models.encoded_media import EncodedMedia
from lens_models.forcing import prove_forcing
from lens_models.interventions import Host, bound, interventions_of
from lens_models.work import Work, work_counted

GREEDY: dict[str, Any] = {"max_new_tokens": 3, "do_sample": False, "output_logits": True}
TOWERS = ("vision_tower", "vision_model", "visual")


@contextmanager
def counted(model: nn.Module) -> Iterator[list[None]]:
    """One entry for each time that the vision tower of the model ran."""
    ran: list[None] = []
    tower = next(module for name, module in model.named_modules() if name.rpartition(".")[2] in TOWERS)
    handle = tower.register_forward_hook(lambda *_: ran.append(None))
    try:
        yield ran
    finally:
        handle.remove()


def answers(model: Any, inputs: Any) -> list[torch.Tensor]:
    with torch.inference_mode():
        found = model.generate(**inputs, **GREEDY, return_dict_in_generate=True)
    return [found.sequences, *found.logits]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("family", sorted(set(ZOO) - {"mllama"}))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_second_answer_is_the_first_bit_for_bit_and_the_tower_ran_once(family: str, dtype: torch.dtype) -> None:
    model, inputs = built(family, dtype), ZOO[family].inputs((3, 6), dtype)
    expected = answers(model, inputs)
    memory = EncodedMedia(model)
    with memory.at_hand(), counted(model) as ran:
        assert same(answers(model, inputs), expected)
        once = len(ran)
        assert once
        assert same(answers(model, inputs), expected)
        assert len(ran) == once
    assert (memory.asked, memory.encoded) == (2, 1)
    with counted(model) as ran:
        answers(model, inputs)
    assert len(ran) == once, "something is left behind"


def test_a_model_without_such_methods_runs_as_it_is() -> None:
    model, inputs = built("mllama"), ZOO["mllama"].inputs((3, 6))
    memory = EncodedMedia(model)
    with memory.at_hand():
        assert same(answers(model, inputs), answers(model, inputs))
    assert memory.asked == 0


@pytest.mark.parametrize(("family", "pictures"), [("llava", (4, 2)), ("mllama", (None, None))])
def test_pictures_are_counted_where_the_encoder_is_known(family: str, pictures: tuple[int | None, int | None]) -> None:
    model, inputs, work = built(family), ZOO[family].inputs((3, 6)), Work()
    memory = EncodedMedia(model)
    with work_counted(find_parts(model), work, media=memory), memory.at_hand():
        for _ in range(2):
            answers(model, inputs)
    assert work.passes > 0
    assert (work.pictures, work.pictures_encoded) == pictures


def test_a_picture_that_differs_in_one_number_is_another() -> None:
    model, inputs = built("llava"), ZOO["llava"].inputs((3,))
    other = {**inputs, "pixel_values": inputs["pixel_values"].clone()}
    other["pixel_values"].view(-1)[-1] += 0.5
    expected = [answers(model, each) for each in (inputs, other)]
    assert not same(*expected)
    memory = EncodedMedia(model)
    with memory.at_hand():
        for _ in range(2):
            assert [same(answers(model, each), own) for each, own in zip((inputs, other), expected, strict=True)] == [
                True,
                True,
            ]
    assert (memory.asked, memory.encoded) == (4, 2)


def features(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        found = model.base_model.get_image_features(pixel_values=pixels)
    pooled = getattr(found, "pooler_output", found)
    return pooled if isinstance(pooled, torch.Tensor) else torch.cat(list(pooled))


def test_what_a_model_writes_into_inputs_or_outputs_stays_with_it() -> None:
    model, pixels = built("llava"), ZOO["llava"].inputs((3,))["pixel_values"].clone()
    expected = features(model, pixels).clone()
    memory = EncodedMedia(model)
    with memory.at_hand():
        features(model, pixels).zero_()
        features(model, pixels).zero_()
        assert torch.equal(features(model, pixels), expected)
        pixels.add_(1.0)
        assert not torch.equal(features(model, pixels), expected)
    assert memory.encoded == 2


def test_the_oldest_go_first_and_what_is_too_large_is_not_kept() -> None:
    model, pixels = built("llava"), ZOO["llava"].inputs((3,))["pixel_values"]
    three = [pixels, pixels + 1, pixels + 2]
    whole = EncodedMedia(model)
    with whole.at_hand():
        features(model, three[0])
    size = whole._kept[0].size
    two = EncodedMedia(model, limit=2 * size)
    with two.at_hand():
        for each in (*three, three[2], three[1], three[0]):
            features(model, each)
    assert (two.asked, two.encoded) == (6, 4)
    none = EncodedMedia(model, limit=size - 1)
    with none.at_hand():
        features(model, three[0])
        features(model, three[0])
    assert none.encoded == 2 and not none._kept


def test_of_many_small_pictures_few_are_compared() -> None:
    """On a device each comparison waits for it; pictures are asked about again soon or not at all."""
    model, pixels = built("llava"), ZOO["llava"].inputs((3,))["pixel_values"]
    memory = EncodedMedia(model)
    with memory.at_hand():
        for number in range(20):
            features(model, pixels + number)
        features(model, pixels + 12)  # asked about again, it stays
        for number in range(20, 27):
            features(model, pixels + number)
        features(model, pixels + 12)
        assert (memory.encoded, len(memory._kept)) == (27, 8)
        features(model, pixels)
    assert memory.encoded == 28, "the first one went long ago"


def test_gradients_are_those_of_a_run_of_their_own() -> None:
    model, pixels = built("llava"), ZOO["llava"].inputs((3,))["pixel_values"]
    memory = EncodedMedia(model)
    with memory.at_hand():
        features(model, pixels)
        seen = pixels.clone().requires_grad_()
        found = model.base_model.get_image_features(pixel_values=seen)
        getattr(found, "pooler_output", found)[0].sum().backward()
    assert seen.grad is not None and bool(seen.grad.abs().sum() > 0)
    assert memory.encoded == 2


def test_all_choices_of_a_question_share_one_run_of_the_tower() -> None:
    model, inputs = built("qwen2_vl"), ZOO["qwen2_vl"].inputs((3,))
    forcing = prove_forcing(model, inputs)
    choices = [(5,), (6, 7), (8,)]
    with torch.inference_mode(), counted(model) as ran:
        expected = [score_continuations(forcing, inputs, [choice])[0] for choice in choices]
        assert len(ran) == len(choices)
        with EncodedMedia(model).at_hand():
            found = [score_continuations(forcing, inputs, [choice])[0] for choice in choices]
        assert len(ran) == len(choices) + 1
    for one, other in zip(found, expected, strict=True):
        assert one.logprob == other.logprob and torch.equal(one.first_logits, other.first_logits)


def test_the_second_stream_of_an_intervention_keeps_its_own_pictures() -> None:
    model, inputs = built("llava"), ZOO["llava"].inputs((3, 6))
    lens = LogitLens(model, ZOO["llava"].inputs(), LensSettings())
    changes = bound(interventions_of("vcd:2:cut=0:noise=900"), Host(lens.unembedding))

    def run() -> torch.Tensor:
        return lens.generate(inputs, interventions=changes, max_new_tokens=3, do_sample=False).sequences

    with torch.inference_mode():
        expected = run()
        memory = EncodedMedia(model)
        with memory.at_hand():
            assert torch.equal(run(), expected)
            assert torch.equal(run(), expected)
    assert (memory.asked, memory.encoded) == (4, 2)

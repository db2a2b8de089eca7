"""Pictures that were encoded beside other ones are those of the whole call, or the model is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from built_models import built
from tolerances import FUNCTION, bounds, sums_of
from zoo import IMAGE, PAD, VISION_END, VISION_START, ZOO, Inputs

from lens_models import LensArgumentError, shared_vision
from lens_models.deviation import logit_tolerance
from lens_models.encoder_calls import EncoderCall, OutputLayout, encoder_call
from lens_models.forced_run import STEP_BY_STEP, run_forced
from lens_models.shadowing import shadowed
from lens_models.shared_vision import SharedVision, prove_shared_vision

REFUSED = {"mllama": "it has no method get_image_features"}
SHARING = sorted(set(ZOO) - set(REFUSED))
GRIDS = ["qwen2_5_vl", "qwen2_vl", "qwen3_vl"]
A, B, C = range(3)


def rows(inputs: Inputs, order: Sequence[int], of: int) -> Inputs:
    """Prompts of a batch of so many, with their pictures, in another order."""
    sizes = {name: len(value) // of for name, value in inputs.items()}
    return {
        name: torch.cat([value[each * sizes[name] :][: sizes[name]] for each in order])
        for name, value in inputs.items()
    }


def about(family: str, pictures: Sequence[int], dtype: torch.dtype = torch.float32) -> Inputs:
    return rows(ZOO[family].inputs((5, 6, 9), dtype), pictures, 3)


def proven(family: str, dtype: torch.dtype = torch.float32) -> SharedVision:
    with torch.no_grad():
        return prove_shared_vision(
            built(family, dtype), about(family, (A, B, C, A), dtype), about(family, (C, A, B), dtype)
        )


def logits(model: Any, inputs: Inputs) -> torch.Tensor:
    given = torch.tensor([[11, 12]]).expand(len(inputs["input_ids"]), -1)
    return run_forced(model, inputs, given, way=STEP_BY_STEP).logits.float()


def assert_those_of_whole_calls(model: Any, found: torch.Tensor, whole: torch.Tensor) -> None:
    scale = float(whole.max() - whole.min())
    if model.dtype == torch.float32:
        allowed = bounds(torch.float32, sums_of(model, 64), FUNCTION, scale=scale)["atol"]
    else:
        allowed = logit_tolerance(model.dtype, 4) * scale
    torch.testing.assert_close(found, whole, atol=allowed, rtol=0)


@contextmanager
def encoded(model: Any) -> Iterator[list[int]]:
    """First dimension of what the encoder is given, call by call."""
    seen: list[int] = []
    encoder = model.base_model.get_image_features

    def see(pixel_values: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(len(pixel_values))
        return encoder(pixel_values, *args, **kwargs)

    see.__wrapped__ = encoder  # type: ignore[attr-defined]
    with shadowed(model.base_model, get_image_features=see):
        yield seen


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("family", SHARING)
def test_a_batch_encodes_each_picture_once_and_answers_as_without(family: str, dtype: torch.dtype) -> None:
    model, shared = built(family, dtype), proven(family, dtype)
    first, second = about(family, (A, B, A, A, B), dtype), about(family, (C, B, A), dtype)
    a_picture = len(first["pixel_values"]) // 5
    whole = [logits(model, each) for each in (first, second, first)]
    with encoded(model) as seen, shared.at_hand():
        found = [logits(model, each) for each in (first, second, first)]
    assert seen == [2 * a_picture, a_picture], "A and B together, then C"
    assert (shared.pictures, shared.pictures_encoded, shared.problem) == (13, 3, None)
    for one, other in zip(found, whole, strict=True):
        assert_those_of_whole_calls(model, one, other)
    assert torch.equal(logits(model, first), whole[0]), "something is left behind"


@torch.no_grad()
@pytest.mark.parametrize("family", SHARING)
def test_where_all_pictures_are_new_it_is_the_whole_call_bit_for_bit(family: str) -> None:
    model, shared, inputs = built(family, torch.float32), proven(family), about(family, (A, B, C))
    with shared.at_hand():
        assert torch.equal(logits(model, inputs), logits(built(family, torch.float32), inputs))


@torch.no_grad()
@pytest.mark.parametrize(("family", "why"), REFUSED.items())
def test_other_models_are_refused_with_the_reason(family: str, why: str) -> None:
    with pytest.raises(LensArgumentError, match=why):
        proven(family)


@pytest.mark.parametrize("family", SHARING)
def test_pictures_that_change_places_are_found_when_the_model_is_loaded(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = OutputLayout.apart

    def turned(self: OutputLayout, output: Any, sizes: Sequence[int], path: Any = ()) -> Any:
        parts = apart(self, output, sizes, path)
        return parts if path or parts is None else parts[::-1]

    monkeypatch.setattr(OutputLayout, "apart", turned)
    with pytest.raises(LensArgumentError, match="its logits are off by"):
        proven(family)


@torch.no_grad()
def test_pictures_that_lead_to_the_same_logits_prove_nothing() -> None:
    with pytest.raises(LensArgumentError, match="cannot be seen whether each prompt is given its own"):
        prove_shared_vision(built("llava", torch.float32), about("llava", (A, A, B, A)), about("llava", (B, A, A)))


@torch.no_grad()
def test_a_model_of_one_prompt_at_a_time_is_refused() -> None:
    model = built("llava", torch.float32)

    def alone(**given: Any) -> Any:
        raise ValueError("one prompt at a time")

    with (
        shadowed(model, generate=alone),
        pytest.raises(LensArgumentError, match=r"not answer a batch .*\(ValueError: one prompt at a time\)"),
    ):
        proven("llava")


@torch.no_grad()
def test_an_output_that_is_not_laid_out_by_picture_is_refused() -> None:
    model = built("gemma3", torch.float32)
    encoder = model.base_model.get_image_features

    def flat(*args: Any, **kwargs: Any) -> Any:
        output = encoder(*args, **kwargs)
        output.pooler_output = output.pooler_output.flatten(0, 1)  # [pictures * tokens, width]
        return output

    flat.__wrapped__ = encoder  # type: ignore[attr-defined]
    with (
        shadowed(model.base_model, get_image_features=flat),
        pytest.raises(LensArgumentError, match="its output for 3 pictures does not show which part of it is whose"),
    ):
        proven("gemma3")


@torch.no_grad()
def test_a_decoder_that_reads_the_tower_itself_is_refused() -> None:
    model = built("gemma3", torch.float32)
    forward = model.base_model.forward

    def reads(*args: Any, mm_encoder_outputs: Any = None, **kwargs: Any) -> Any:
        if mm_encoder_outputs:
            mm_encoder_outputs["image"].last_hidden_state.sum()
        return forward(*args, mm_encoder_outputs=mm_encoder_outputs, **kwargs)

    reads.__wrapped__ = forward  # type: ignore[attr-defined]
    with (
        shadowed(model.base_model, forward=reads),
        pytest.raises(LensArgumentError, match="does not take pictures that were encoded apart"),
    ):
        proven("gemma3")


def batch_of(*prompts: Sequence[int]) -> Inputs:
    """Left-padded prompts of pictures with so many image tokens each, and a few words."""
    made = [
        torch.tensor([token for count in pictures for token in (VISION_START, *[IMAGE] * count, VISION_END)] + [20, 21])
        for pictures in prompts
    ]
    longest = max(map(len, made))
    ids = torch.stack([torch.nn.functional.pad(each, (longest - len(each), 0), value=PAD) for each in made])
    return {"input_ids": ids, "attention_mask": (ids != PAD).long(), "mm_token_type_ids": (ids == IMAGE).long()}


@torch.no_grad()
@pytest.mark.parametrize("family", GRIDS)
def test_pictures_of_several_sizes_in_prompts_with_several(family: str) -> None:
    """[small], [wide, small], [wide, tall] with two small ones that differ: tall has as many patches as wide."""
    model, shared = built(family, torch.float32), proven(family)
    small, other, wide, tall = ((1, 4, 4), (1, 4, 4), (1, 4, 8), (1, 8, 4))
    grids = (small, other, wide, tall)
    torch.manual_seed(0)
    patches = [torch.randn(t * h * w, 3 * 2 * 8 * 8) for t, h, w in grids]
    shown = (0, 2, 0, 2, 3, 1, 0)
    inputs = {
        **batch_of((4,), (8, 4), (8, 8), (4, 4)),
        "pixel_values": torch.cat([patches[each] for each in shown]),
        "image_grid_thw": torch.tensor([grids[each] for each in shown]),
    }
    whole = logits(model, inputs)
    with encoded(model) as seen, shared.at_hand():
        found = [logits(model, inputs) for _ in range(2)]
    assert seen == [16 + 32 + 32 + 16]
    assert (shared.pictures, shared.pictures_encoded) == (14, 4)
    for each in found:
        assert_those_of_whole_calls(model, each, whole)


@torch.no_grad()
@pytest.mark.parametrize("family", ["gemma3", "internvl", "llava", "cohere2_vision"])
def test_a_prompt_with_two_pictures_beside_others(family: str) -> None:
    model, shared, one = built(family, torch.float32), proven(family), ZOO[family].image_tokens
    pixels = about(family, (A, B, C))["pixel_values"]
    inputs = {**batch_of((one, one), (one,), (one, one)), "pixel_values": pixels[[A, B, A, C, A]]}
    inputs.pop("mm_token_type_ids")
    if family == "gemma3":
        inputs["token_type_ids"] = (inputs["input_ids"] == IMAGE).long()
    whole = logits(model, inputs)
    with encoded(model) as seen, shared.at_hand():
        assert_those_of_whole_calls(model, logits(model, inputs), whole)
    assert seen == [3]


@torch.no_grad()
def test_pictures_that_a_model_does_not_cut_up_are_those_of_their_prompt() -> None:
    """LLaVA-OneVision is told how many pictures stand together, and treats them otherwise."""
    model, shared = built("llava_onevision", torch.float32), proven("llava_onevision")
    one = {name: about("llava_onevision", (A, B, A))[name] for name in ("pixel_values", "image_sizes")}
    counts = {"batch_num_images": torch.tensor([2, 1])}
    encoder = model.base_model.get_image_features
    with encoded(model) as seen, shared.at_hand():
        own = [model.base_model.get_image_features(**one, **counts).pooler_output for _ in range(2)]
    whole = encoder(**one, **counts).pooler_output
    assert seen == [3] and shared.pictures_encoded == 2, "A beside B is another picture than A alone"
    for found in own:
        assert [each.shape for each in found] == [each.shape for each in whole]
        for each, expected in zip(found, whole, strict=True):
            torch.testing.assert_close(each, expected)


@torch.no_grad()
@pytest.mark.parametrize("family", ["idefics3", "smolvlm"])
def test_stacks_of_pictures_with_empty_places(family: str) -> None:
    """A prompt with two pictures, one with one, and one without: these encoders leave out what is all zeros."""
    model, shared, one = built(family, torch.float32), proven(family), ZOO[family].image_tokens
    pixels = about(family, (A, B, C))["pixel_values"]
    stacked = torch.cat([pixels[[A, C, A]], pixels[[B, B, B]]], dim=1)
    stacked[1, 1] = 0
    mask = (stacked != 0).any(2)
    inputs = {**batch_of((one, one), (one,), (one, one)), "pixel_values": stacked, "pixel_attention_mask": mask}
    inputs.pop("mm_token_type_ids")
    whole = logits(model, inputs)
    with encoded(model) as seen, shared.at_hand():
        assert_those_of_whole_calls(model, logits(model, inputs), whole)
        stacked[2] = 0
        without = {**inputs, **batch_of((one, one), (one,), ()), "pixel_attention_mask": (stacked != 0).any(2)}
        without.pop("mm_token_type_ids")
        found = logits(model, without)
    assert seen == [2, 3], "the batch with an empty row runs as it is"
    assert torch.equal(found, logits(model, without))


def pixels_of(family: str = "llava") -> torch.Tensor:
    return about(family, (A, B, C))["pixel_values"].clone()


def features(model: Any, pixels: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad():
        return list(model.base_model.get_image_features(pixel_values=pixels).pooler_output)


def test_a_picture_that_differs_in_one_number_or_in_their_order_is_another() -> None:
    model, shared, pixels = built("llava", torch.float32), proven("llava"), pixels_of()
    nearly, mirrored = pixels[:1].clone(), pixels[:1].flip(-1)
    nearly.view(-1)[-1] += 0.5
    batch = torch.cat([pixels[:1], nearly, mirrored, pixels[:1]])
    expected = features(model, batch)
    with shared.at_hand():
        found = [features(model, each) for each in (pixels[:1], batch, mirrored)]
    assert shared.pictures_encoded == 3
    for one, other in zip([*found[1], *found[2]], [*expected, expected[2]], strict=True):
        torch.testing.assert_close(one, other)


def test_what_a_model_writes_into_inputs_or_outputs_stays_there() -> None:
    model, shared, pixels = built("llava", torch.float32), proven("llava"), pixels_of()
    expected = [each.clone() for each in features(model, pixels)]
    with shared.at_hand():
        for order in ((A, B, C), (A, A, B), (C, A, A)):
            given = pixels[list(order)]
            found = features(model, given)
            for each, picture in zip(found, order, strict=True):
                torch.testing.assert_close(each, expected[picture])
                each.zero_()  # also where the same picture stands twice in the batch
            given.zero_()
    assert shared.pictures_encoded == 3


def test_the_last_pictures_are_kept_as_long_as_they_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_vision, "_KEPT_PICTURES", 8)
    model, shared, pixels = built("llava", torch.float32), proven("llava"), pixels_of()[:1]
    batch = torch.cat([pixels + number for number in range(10)])
    with shared.at_hand():
        features(model, batch)
        features(model, batch[2:])
        assert shared.pictures_encoded == 10
        features(model, batch[2:3])  # seen again, it is the last to go
        features(model, batch[:1])
        assert shared.pictures_encoded == 11, "the first two went"
        features(model, batch[[2, 4]])
        assert shared.pictures_encoded == 11
        features(model, batch[3:4])
        assert shared.pictures_encoded == 12
    size = shared._pictures[0].size
    two = SharedVision(model, shared.layout, limit=2 * size)
    with two.at_hand():
        features(model, batch[[0, 0, 1, 2]])
        features(model, batch[[1, 2]])
        assert (two.pictures, two.pictures_encoded) == (6, 3)
    none = SharedVision(model, shared.layout, limit=size - 1)
    with none.at_hand():
        features(model, batch[[0, 0]])
        features(model, batch[[0, 0]])
    assert none.pictures_encoded == 2 and not none._pictures


@torch.no_grad()
def test_no_picture_goes_for_one_that_is_too_large_to_keep() -> None:
    model, proof = built("qwen2_vl", torch.float32), proven("qwen2_vl")
    torch.manual_seed(0)
    small, large = (
        {"pixel_values": torch.randn(4 * side, 3 * 2 * 8 * 8), "image_grid_thw": torch.tensor([[1, 4, side]])}
        for side in (4, 16)
    )
    shared = SharedVision(model, proof.layout)
    with shared.at_hand():
        model.base_model.get_image_features(**small)
    shared = SharedVision(model, proof.layout, limit=2 * shared._pictures[0].size)
    with shared.at_hand():
        for each in (small, large, small, large):
            model.base_model.get_image_features(**each)
    assert (shared.pictures, shared.pictures_encoded) == (4, 3)
    assert len(shared._pictures) == 1


def test_gradients_run_the_whole_call() -> None:
    model, shared, pixels = built("llava", torch.float32), proven("llava"), pixels_of()
    with encoded(model) as seen, shared.at_hand():
        features(model, pixels)
        own = pixels.clone().requires_grad_()
        model.base_model.get_image_features(pixel_values=own).pooler_output[0].sum().backward()
    assert seen == [3, 3] and own.grad is not None and bool(own.grad.abs().sum() > 0)
    assert (shared.pictures, shared.pictures_encoded) == (6, 6)


def test_a_video_is_no_picture_where_its_encoder_asks_that_of_pictures() -> None:
    model, shared = built("qwen3_vl", torch.float32), proven("qwen3_vl")
    video = {"pixel_values_videos": torch.randn(32, 3 * 2 * 8 * 8), "video_grid_thw": torch.tensor([[2, 4, 4]])}
    with torch.inference_mode():
        expected = model.base_model.get_video_features(**video).pooler_output[0]
        with encoded(model) as seen, shared.at_hand():
            found = [model.base_model.get_video_features(**video).pooler_output[0] for _ in range(2)]
    assert all(torch.equal(each, expected) for each in found)
    assert (shared.asked, shared.encoded, shared.pictures, seen) == (2, 1, 0, [32])


def test_inputs_are_taken_apart_by_rows_counts_or_grids_or_not_at_all() -> None:
    def sizes(*args: Any, **kwargs: Any) -> Any:
        call = encoder_call(args, kwargs)
        return call.sizes if isinstance(call, EncoderCall) else call

    pixels = torch.zeros(6, 4)
    assert sizes(pixels) == sizes(pixel_values=pixels, layer=-2, strategy="full", image_sizes=None) == (1,) * 6
    assert sizes(pixels, torch.full((6, 2), 336)) == (1,) * 6
    assert sizes(pixels, grid=torch.tensor([[1, 2, 2], [1, 1, 2]])) == (4, 2)
    assert sizes(pixels, counts=torch.tensor([1, 3, 2]), image_sizes=torch.full((6, 2), 336)) == (1, 3, 2)
    of_two = encoder_call((pixels,), {"grid": torch.tensor([[1, 2, 2], [1, 1, 2]]), "layer": -2})
    assert isinstance(of_two, EncoderCall)
    second = of_two.of([1])
    assert second.args[0].shape == (2, 4) and second.kwargs["grid"].tolist() == [[1, 1, 2]]
    assert second.kwargs["layer"] == -2 and second.sizes == (2,)
    for wrong in (
        sizes(pixels, torch.zeros(4, 2)),
        sizes(pixels, torch.tensor([6, 0, 0])),  # two prompts without a picture
        sizes(torch.zeros(2, 4), counts=torch.tensor([2, 0])),
        sizes(),
    ):
        assert "do not say what of them belongs to which picture" in wrong
    assert "argument 1 [4, 2]" in sizes(pixels, torch.zeros(4, 2))
    assert sizes([pixels]) == "its input argument 0 is not one tensor (list)"
    assert sizes(pixels, sizes=[(2, 2)]) == "its input sizes is not one tensor (list)"


def test_outputs_are_taken_apart_only_as_one_picture_shows() -> None:
    one = OutputLayout.of([(torch.zeros(5, 2),), [torch.zeros(5, 2), torch.zeros(5, 2)]], 10)
    both = [(torch.zeros(5, 2), torch.ones(7, 2)), [torch.arange(12.0)[:, None], torch.zeros(12, 2)]]
    first, second = one.apart(both, (10, 14))  # type: ignore[misc]
    assert [len(each) for each in (first[0], first[1][0], second[0], second[1][1])] == [1, 5, 1, 7]
    assert second[1][0][0].item() == 5
    joined = one.joined([second, first])
    assert [len(each) for each in joined[0]] == [7, 5] and joined[1][0][7].item() == 0
    assert one.apart(both, (11, 13)) is None, "half a row"
    assert one.apart([both[0][:1], both[1]], (10, 14)) is None
    assert one.apart([both[0], [torch.zeros(11, 2)] * 2], (10, 14)) is None
    rows = OutputLayout.of({"pooler_output": torch.zeros(3, 2), "last_hidden_state": torch.zeros(9)}, 1)
    assert rows.apart({"pooler_output": torch.zeros(6, 2)}, (1, 1)) is None, "as well two and four"
    assert rows.apart({"pooler_output": SimpleNamespace()}, (1, 1)) is None

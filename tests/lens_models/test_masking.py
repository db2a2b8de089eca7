"""Masks of image tokens take the picture away, or the model is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from benchmarks.coverage import geometry
from benchmarks.coverage.geometry import model_for
from benchmarks.coverage.processors import processor_of
from lens_models import find_parts
from lens_models.image_tokens import ImageTokenLocator, VideoTokenLocator
from lens_models.image_tokens.masking import MaskedImageTokens, masking_problem
from lens_models.interventions import changed

# what tiny random models and configurations without a tokenizer are warned of
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def with_processor(model_type: str) -> tuple[Any, Any]:
    processor = processor_of(model_type)
    return model_for(model_type, processor), processor


@pytest.mark.parametrize(
    ("model_type", "problem"),
    [
        ("llava", None),
        ("qwen2_vl", None),
        ("gemma3", None),
        ("idefics3", None),
        ("qwen3_vl", "another way"),  # DeepStack: its first layers are given the picture again
    ],
)
def test_only_models_that_see_the_picture_in_its_tokens_alone_are_masked(
    model_type: str, problem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if model_type == "qwen3_vl":  # the tiny tower has not as many layers as the usual numbers name
        own = geometry.CONFIG.get(model_type, {})
        deep = {**own, "vision_config.deepstack_visual_indexes": [0]}
        monkeypatch.setattr(geometry, "CONFIG", {**geometry.CONFIG, model_type: deep})
    model, processor = with_processor(model_type)
    found = masking_problem(model, find_parts(model), ImageTokenLocator(model, processor))
    assert found is None if problem is None else problem in str(found)


@pytest.mark.skipif(int(transformers.__version__.split(".")[0]) < 5, reason="the processors are of transformers 5")
@pytest.mark.parametrize("model_type", ["qwen2_vl", "llava_onevision", "video_llava"])
def test_masks_of_all_tokens_take_a_video_away(model_type: str) -> None:
    model, processor = with_processor(model_type)
    assert masking_problem(model, find_parts(model), VideoTokenLocator(model, processor)) is None


def test_masked_tokens_become_the_mean_and_all_others_stay() -> None:
    model, processor = with_processor("llava")
    parts, locator = find_parts(model), ImageTokenLocator(model, processor)
    inputs = locator.encode([Image.new("RGB", (64, 64), (200, 30, 90))])
    slots = locator.slots(inputs["input_ids"][0].numpy())
    masked = slots[[1, 4]]
    seen: list[torch.Tensor] = []

    def keep(module: Any, args: Any, kwargs: Any) -> None:
        seen.append((args[0] if args else kwargs["hidden_states"]).clone())

    with torch.inference_mode():
        for interventions in ([], [MaskedImageTokens(masked, slots)]):
            with changed(parts, interventions):
                handle = parts.layers[0].register_forward_pre_hook(keep, with_kwargs=True)
                model(**inputs)
                handle.remove()
    plain, under = seen
    torch.testing.assert_close(under[0, masked], plain[0, slots].mean(0).expand(2, -1))
    others = np.setdiff1d(np.arange(plain.shape[1]), masked)
    assert torch.equal(under[0, others], plain[0, others])
    assert MaskedImageTokens(masked, slots).strength == 2 / len(slots)


def test_no_mask_is_bit_for_bit_the_plain_run() -> None:
    model, processor = with_processor("llava")
    parts, locator = find_parts(model), ImageTokenLocator(model, processor)
    inputs = locator.encode([Image.new("RGB", (64, 64))])
    slots = locator.slots(inputs["input_ids"][0].numpy())
    with torch.inference_mode():
        plain = model(**inputs).logits
        with changed(parts, [MaskedImageTokens(slots[:0], slots)]):
            assert torch.equal(model(**inputs).logits, plain)
    assert not parts.layers[0]._forward_pre_hooks

"""Which class of lm-eval the lens stands beside, in registries as later versions and forks may have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest
from lm_eval.models.hf_vlms import HFMultimodalLM

from harness_ext.lm_eval.model import HFMultimodalLens
from harness_ext.lm_eval.stock import multimodal_class
from harness_ext.wrapping import UnsupportedHarnessError


def module(**classes: type) -> ModuleType:
    found = ModuleType("lm_eval.models.of_a_fork")
    vars(found).update(classes)
    return found


def renamed(name: str, *bases: type, **members: Any) -> type:
    return type(name, bases or (HFMultimodalLM,), members)


def test_it_is_the_one_of_this_lm_eval() -> None:
    assert multimodal_class() is HFMultimodalLM
    assert issubclass(HFMultimodalLens, HFMultimodalLM)


def test_a_class_made_from_another_is_no_rival() -> None:
    own, audio = renamed("HFMultimodalMera"), renamed("HFAudio")
    assert multimodal_class(module(HFMultimodalLM=HFMultimodalLM, Mera=own, Audio=audio)) is HFMultimodalLM


def standing_alone(name: str) -> type:
    """Every method of the stock class, and no line to it."""
    members = {each: getattr(HFMultimodalLM, each) for each in dir(HFMultimodalLM) if not each.startswith("__")}
    return type(name, (), members)


def test_a_class_is_found_by_what_it_can_under_any_name() -> None:
    own = standing_alone("VisionLanguageModel")
    text = type("TextAlone", (), {"generate_until": None, "loglikelihood": None})
    assert multimodal_class(module(), {"hf": text, "hf-multimodal-mera": own, "hf-multimodal": own}) is own
    assert multimodal_class(module(VLM=own), {}) is own


def test_split_classes_for_videos_and_sounds_are_passed_over() -> None:
    own = standing_alone("Mera")
    video = renamed("HFVideo", own)
    sound = type("HFAudioQwen", (), {"MULTIMODAL": True, "generate_until": None, "tok_batch_multimodal_encode": None})
    assert (
        multimodal_class(module(), {"hf-video-mera": video, "hf-audiolm-qwen": sound, "hf-multimodal-mera": own}) is own
    )


class Lazy(Mapping[str, Any]):
    """A registry that imports what is looked up, as lm-eval has it since 0.4.10; one model cannot be."""

    def __init__(self, **classes: type) -> None:
        self.classes = classes

    def __getitem__(self, name: str) -> Any:
        if name == "vllm-vlm":
            raise ImportError("no module named vllm")
        return self.classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(["vllm-vlm", *self.classes])

    def __len__(self) -> int:
        return 1 + len(self.classes)


def test_models_that_cannot_be_imported_are_passed_over() -> None:
    own = standing_alone("Mera")
    assert multimodal_class(module(), Lazy(mera=own)) is own


def test_the_lens_itself_is_none() -> None:
    with pytest.raises(UnsupportedHarnessError, match=r"expected one model class with generate_until, .*; found none"):
        multimodal_class(module(), {"hf-multimodal-lens": HFMultimodalLens})


def test_two_that_have_nothing_to_do_with_each_other_are_named() -> None:
    one, other = standing_alone("One"), standing_alone("Other")
    with pytest.raises(UnsupportedHarnessError, match=r"found .*One, .*Other"):
        multimodal_class(module(), {"one": one, "other": other})


def test_a_class_that_lacks_a_method_is_none() -> None:
    lacking = standing_alone("Lacking")
    del lacking._model_multimodal_generate  # type: ignore[attr-defined]
    with pytest.raises(UnsupportedHarnessError, match=r"_model_multimodal_generate.* takes media; found none"):
        multimodal_class(module(Lacking=lacking), {})

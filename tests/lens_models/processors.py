"""Real processors of the families in the zoo, with a small vocabulary whose image tokens are the zoo's."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from zoo import IMAGE, VIDEO, VISION_END, VISION_START, VOCABULARY, ZOO

WORDS = ["is", "there", "a", "red", "cube", "in", "the", "picture", "and", "what", "else"]
_SIDE = {"height": 32, "width": 32}
_FIRST_WORD = 10
_NEWLINES = tuple("\n" * count for count in range(1, 5))  # vLLM asks the vocabularies of Gemma's families for these


def picture(number: int) -> Image.Image:
    """One of many pictures of noise."""
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (32, 32, 3), dtype=np.uint8))


def _tokenizer(image: str, video: str = "<video>", start: str = "<start>", end: str = "<end>", **named: str) -> Any:
    """Words from 10 on; `named` are further special tokens by the attribute they are known under."""
    ids = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, image: IMAGE, video: VIDEO, start: VISION_START}
    ids |= {end: VISION_END} | {word: _FIRST_WORD + place for place, word in enumerate(WORDS)}
    free = iter(sorted(set(range(VOCABULARY)) - set(ids.values()), reverse=True))
    ids |= {token: next(free) for token in (*named.values(), *_NEWLINES) if token not in ids}
    ids |= {f"unused{number}": number for number in free}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {f"special_{i}_token": token for i, token in enumerate((image, video, start, end))}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        extra_special_tokens={**special, **named},
    )  # fmt: skip


def _made(name: str, *args: Any, **kwargs: Any) -> Any:
    return getattr(transformers, name)(*args, **kwargs)


def _qwen(processor: str, video: str) -> Any:
    images = _made("Qwen2VLImageProcessor", patch_size=8, size={"shortest_edge": 1024, "longest_edge": 1024})
    tokenizer = _tokenizer("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    return _made(processor, images, tokenizer, _made(video))


def _llava() -> Any:
    images = _made("CLIPImageProcessor", size={"shortest_edge": 32}, crop_size=_SIDE)
    arguments = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    return _made("LlavaProcessor", images, _tokenizer("<image>"), **arguments)


def _llava_onevision() -> Any:
    images = _made("LlavaOnevisionImageProcessor", size=_SIDE, image_grid_pinpoints=[[32, 32]])
    video = _made("LlavaOnevisionVideoProcessor")
    arguments = {"num_image_tokens": 16, "vision_feature_select_strategy": "full"}
    return _made("LlavaOnevisionProcessor", images, _tokenizer("<image>"), video, **arguments)


def _idefics(name: str, *more: Any) -> Any:
    sides = {"size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 32}, "do_image_splitting": False}
    tokenizer = _tokenizer(
        "<image>", start="<fake_token_around_image>", end="<global-img>", end_of_utterance_token="<end_of_utterance>"
    )
    return _made(f"{name}Processor", _made(f"{name}ImageProcessor", **sides), tokenizer, *more, image_seq_len=4)


def _paligemma() -> Any:
    images = _made("SiglipImageProcessor", size=_SIDE)
    images.image_seq_length = 16
    return _made("PaliGemmaProcessor", images, _tokenizer("<image>"))


def _gemma3() -> Any:
    names = {"boi": "<start_of_image>", "eoi": "<end_of_image>", "image": "<image_soft_token>"}
    tokenizer = _tokenizer(
        "<image_soft_token>", start=names["boi"], end=names["eoi"], **{f"{key}_token": t for key, t in names.items()}
    )
    return _made("Gemma3Processor", _made("Gemma3ImageProcessor", size=_SIDE), tokenizer, image_seq_length=4)


def _internvl() -> Any:
    names = {"start_image": "<img>", "end_image": "</img>", "context_image": "<IMG_CONTEXT>", "video": "<video>"}
    tokenizer = _tokenizer(
        "<IMG_CONTEXT>", "<video>", "<img>", "</img>", **{f"{key}_token": token for key, token in names.items()}
    )
    images = _made("GotOcr2ImageProcessor", size=_SIDE, crop_to_patches=False)
    return _made("InternVLProcessor", images, tokenizer, _made("InternVLVideoProcessor"), image_seq_length=4)


def _mllama() -> Any:
    return _made(
        "MllamaProcessor", _made("MllamaImageProcessor", size=_SIDE, max_image_tiles=1), _tokenizer("<|image|>")
    )


def _cohere2_vision() -> Any:
    names = {"image": "<image>", "boi": "<boi>", "eoi": "<eoi>", "img_line_break": "<line>"}
    tokenizer = _tokenizer(
        "<image>", start="<boi>", end="<eoi>", **{f"{key}_token": token for key, token in names.items()}
    )
    images = _made("Cohere2VisionImageProcessor", size=_SIDE)
    images.patch_size = 2  # the processor takes it for the side of an image in tokens
    return _made("Cohere2VisionProcessor", images, tokenizer)


_QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
_PROCESSORS: dict[str, tuple[str, Callable[[], Any]]] = {
    "qwen2_vl": (_QWEN_IMAGE, lambda: _qwen("Qwen2VLProcessor", "Qwen2VLVideoProcessor")),
    "qwen2_5_vl": (_QWEN_IMAGE, lambda: _qwen("Qwen2_5_VLProcessor", "Qwen2VLVideoProcessor")),
    "qwen3_vl": (_QWEN_IMAGE, lambda: _qwen("Qwen3VLProcessor", "Qwen3VLVideoProcessor")),
    "llava": ("<image>", _llava),
    "llava_onevision": ("<image>", _llava_onevision),
    "idefics3": ("<image>", lambda: _idefics("Idefics3")),
    "smolvlm": ("<image>", lambda: _idefics("SmolVLM", _made("SmolVLMVideoProcessor"))),
    "paligemma": ("<image>", _paligemma),
    "gemma3": ("<start_of_image>", _gemma3),
    "internvl": ("<IMG_CONTEXT>", _internvl),
    "mllama": ("<|image|>", _mllama),
    "cohere2_vision": ("<image>", _cohere2_vision),
}
_TEMPLATE = (
    "{{% for turn in messages %}}{{% for part in turn['content'] %}}{{% if part['type'] == 'image' %}}{image} "
    "{{% else %}}{{{{ part['text'] }}}}{{% endif %}}{{% endfor %}}{{% endfor %}}"
)
NEEDS = {"smolvlm": "num2words"}
"""Family -> a package that its processor needs and that is not among ours."""


def missing(family: str) -> str | None:
    """The package without which the family's processor cannot be built, if it is not there."""
    needed = NEEDS.get(family)
    return needed if needed is not None and importlib.util.find_spec(needed) is None else None


def processor_of(family: str) -> tuple[Any, str]:
    """The family's processor, and the text that stands for an image in a prompt."""
    placeholder, build = _PROCESSORS[family]
    return build(), placeholder


def checkpoint(family: str, folder: Path) -> Path:
    """A folder with a tiny model of the family, its processor and a chat template."""
    processor, placeholder = processor_of(family)
    processor.chat_template = _TEMPLATE.format(image=placeholder)
    processor.save_pretrained(folder)
    ZOO[family].build().save_pretrained(folder)
    return folder

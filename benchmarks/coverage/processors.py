"""The real processor class of each model type, built without downloads: small pictures, a small vocabulary."""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any

import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING_NAMES
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES
from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING_NAMES

from .audio_sizes import EXTRACTORS, SOUND_PLACEHOLDERS
from .processor_sizes import ATTRIBUTES, CLASSES, IMAGES, PLACEHOLDERS, SETTINGS, TOKENS, VIDEO_PLACEHOLDERS, VIDEOS
from .shrink import IMAGE, VOCABULARY

__all__ = ["PATCH", "SIDE", "NoProcessorError", "processor_of"]

SIDE, PATCH = 64, 8
_WORDS = ["Is", "there", "a", "circle", "in", "the", "image", "?", "is", "picture"]
_STANDARD = ("pad", "bos", "eos", "unk", "cls", "sep", "mask")
_TEMPLATE = (
    "{{% for turn in messages %}}{{% for part in turn['content'] %}}{{% if part['type'] == 'image' %}}{image} "
    "{{% elif part['type'] == 'video' %}}{video} {{% elif part['type'] == 'audio' %}}{audio} "
    "{{% else %}}{{{{ part['text'] }}}}{{% endif %}}{{% endfor %}}{{% endfor %}}"
)


class NoProcessorError(Exception):
    """Why the processor of a model type cannot be built here."""


def processor_of(model_type: str) -> Any:
    """A processor of the family's own classes for the tiny model, with a chat template for pictures, videos and sounds.

    Raises:
        NoProcessorError: transformers has none for the type.
    """
    name = CLASSES.get(model_type, {}).get("processor") or PROCESSOR_MAPPING_NAMES.get(model_type)
    if name is None:
        raise NoProcessorError("transformers maps no processor to the model type")
    cls = getattr(transformers, name)
    module = sys.modules[cls.__module__]
    if getattr(module, "num2words", "") is None:
        module.num2words = str  # spells the length of a video; the package is not among ours
    tokenizer = _tokenizer(cls, TOKENS.get(model_type, {}))
    arguments: dict[str, Any] = {}
    for argument in inspect.signature(cls.__init__).parameters:
        made = _part(argument, model_type, tokenizer)
        if made is not None:
            arguments[argument] = made
    if "patch_size" in inspect.signature(cls.__init__).parameters:
        arguments["patch_size"] = PATCH
    processor = cls(**{**arguments, **SETTINGS.get(model_type, {})})
    for attribute, value in ATTRIBUTES.get(model_type, {}).items():
        setattr(processor, attribute, value)
    placeholder = PLACEHOLDERS.get(model_type) or getattr(processor, "image_token", None)
    sound = SOUND_PLACEHOLDERS.get(model_type) or getattr(processor, "audio_token", None)
    if placeholder or sound:
        token = getattr(processor, "video_token", None) or ""
        video = VIDEO_PLACEHOLDERS.get(model_type, "{video_token}").format(video_token=token)
        processor.chat_template = _TEMPLATE.format(image=placeholder or "", video=video, audio=sound or "")
    return processor


def _part(argument: str, model_type: str, tokenizer: Any) -> Any:
    if argument in ("tokenizer", "qformer_tokenizer", "alignment_tokenizer"):
        return tokenizer
    if argument == "image_processor":
        return _image_processor(model_type)
    named = CLASSES.get(model_type, {}).get(argument)
    if named is None and argument == "video_processor":
        mapped = VIDEO_PROCESSOR_MAPPING_NAMES.get(model_type)
        named = next(iter(mapped.values())) if isinstance(mapped, dict) else mapped
    if named is None and argument in ("feature_extractor", "audio_processor"):
        named = FEATURE_EXTRACTOR_MAPPING_NAMES.get(model_type, "WhisperFeatureExtractor")
    if named is None:
        return None
    cls = getattr(transformers, named)
    if argument == "video_processor":
        return cls(**_sizes(cls) | VIDEOS.get(model_type, {}))
    return cls(**EXTRACTORS.get(model_type, {}))


def _image_processor(model_type: str) -> Any:
    given = CLASSES.get(model_type, {}).get("image_processor")
    mapped = IMAGE_PROCESSOR_MAPPING_NAMES.get(model_type) or {}
    name = given or mapped.get("torchvision") or mapped.get("pil")
    if name is None:
        raise NoProcessorError("transformers maps no image processor to the model type")
    cls = getattr(transformers, name)
    return cls(**_sizes(cls) | IMAGES.get(model_type, {}))


def _sizes(cls: Any) -> dict[str, Any]:
    """The sizes of an image or video processor, made small."""
    return {key: _SMALL[key](getattr(cls, key)) for key in _SMALL if getattr(cls, key, None) is not None}


def _small_size(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"shortest_edge", "longest_edge"}:  # pixels in all
        return {"shortest_edge": 1024, "longest_edge": 9216}
    return dict.fromkeys(value, SIDE)


_SMALL: dict[str, Any] = {
    "size": _small_size,
    "crop_size": lambda value: {"height": SIDE, "width": SIDE},
    "patch_size": lambda value: {"height": PATCH, "width": PATCH} if isinstance(value, dict) else PATCH,
    "max_image_size": _small_size,
    "image_grid_pinpoints": lambda value: [[SIDE, SIDE], [SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]],
}


def _tokenizer(cls: Any, named: dict[str, str]) -> Any:
    """A few words, and every special token that the processor's own source spells or asks its tokenizer for."""
    source = inspect.getsource(sys.modules[cls.__module__])
    asked = set(re.findall(r"tokenizer\.(\w+_token)\b", source)) | set(
        re.findall(r"(?:getattr|hasattr)\((?:self\.)?tokenizer, \"(\w+_token)\"", source)
    )
    asked -= {f"{kind}{each}_token" for each in _STANDARD for kind in ("", "add_")}
    by_name = {each: f"<{each.removesuffix('_token')}>" for each in sorted(asked)} | named
    spelled = re.findall(r"[\"'](<[^<>\s\"'{}]+>|\[[A-Z_]+\])[\"']", source)
    special = list(dict.fromkeys([*by_name.values(), *spelled]))
    ids = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3} | {word: 10 + place for place, word in enumerate(_WORDS)}
    ids |= {"<image>": IMAGE}
    free = iter(number for number in range(30, VOCABULARY) if number != IMAGE)
    ids |= {token: next(free) for token in special if token not in ids}
    ids |= {f"unused{number}": number for number in range(VOCABULARY) if number not in set(ids.values())}
    made = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    extra = {f"special_{i}_token": token for i, token in enumerate(special) if token not in by_name.values()}
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        extra_special_tokens={**extra, **by_name},
    )  # fmt: skip

"""Checkpoints on disk of tiny random models that take sounds or videos, with the families' own processors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from benchmarks.coverage.geometry import model_for
from benchmarks.coverage.hearing import hearing
from benchmarks.coverage.processors import processor_of

__all__ = ["WORDS", "hearing_checkpoint", "seeing_checkpoint"]

_PARTS, _END = "{% for part in turn['content'] %}", "{% endfor %}{% endfor %}"
_TEXT = "{% if turn['content'] is string %}{{ turn['content'] }}{% else %}"
_TEXT_END = "{% endfor %}{% endif %}{% endfor %}"
WORDS = ("A", "B", "C", "D", "да", "нет", "Ответ", "Вопрос")


def hearing_checkpoint(model_type: str, folder: Path, said: Sequence[str] = WORDS) -> Path:
    """The folder, with weights, processor and chat template; the model says nothing but `said`, some of `WORDS`."""
    heard = hearing(model_type)
    return _saved(heard.model, heard.processor, folder, said)


def seeing_checkpoint(model_type: str, folder: Path, said: Sequence[str] = WORDS) -> Path:
    """The same of a family that takes pictures and videos."""
    processor = processor_of(model_type)
    # pictures stand between marks, as in the families' own templates; Qwen's positions take neighbours for one
    token = processor.image_token
    processor.chat_template = processor.chat_template.replace(f"{token} ", f"? {token} ? ")
    return _saved(model_for(model_type, processor), processor, folder, said)


def _saved(model: Any, processor: Any, folder: Path, said: Sequence[str]) -> Path:
    processor.chat_template = processor.chat_template.replace(_PARTS, _TEXT + _PARTS).replace(_END, _TEXT_END)
    tokenizer = processor.tokenizer
    tokenizer._tokenizer = _named(tokenizer._tokenizer)
    tokenizer.init_kwargs["model_input_names"] = list(tokenizer.model_input_names)  # is not saved otherwise
    allowed = set(tokenizer.convert_tokens_to_ids(list(said)))
    size = model.get_output_embeddings().out_features
    model.generation_config.suppress_tokens = [number for number in range(size) if number not in allowed]
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _named(tokenizer: Tokenizer) -> Tokenizer:
    """The same with `WORDS` in place of numbers that stand for no word."""
    found: dict[str, Any] = json.loads(tokenizer.to_str())
    vocabulary: dict[str, int] = found["model"]["vocab"]
    unused = sorted((name for name in vocabulary if name.startswith("unused")), key=lambda name: vocabulary[name])
    for word, name in zip(WORDS, unused, strict=False):
        vocabulary[word] = vocabulary.pop(name)
    return Tokenizer.from_str(json.dumps(found))

"""Checkpoints on disk of tiny random models that take sounds, with the families' own processors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from benchmarks.coverage.hearing import hearing

__all__ = ["WORDS", "hearing_checkpoint"]

WORDS = ("A", "B", "C", "D", "да", "нет", "Ответ", "Вопрос")


def hearing_checkpoint(model_type: str, folder: Path, said: Sequence[str] = WORDS) -> Path:
    """The folder, with weights, processor and chat template; the model says nothing but `said`, some of `WORDS`."""
    heard = hearing(model_type)
    model, processor = heard.model, heard.processor
    tokenizer = processor.tokenizer
    tokenizer._tokenizer = _named(tokenizer._tokenizer)
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

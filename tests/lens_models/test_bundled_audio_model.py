"""The bundled model for sounds answers questions about them, far above what it says without, and is read exactly."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from tolerances import bounds, sums_of
from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

from lens_models import LensSettings, LogitLens, load_model
from lens_models.loading import resolve_pretrained
from lens_tasks.folders import MINIS
from lens_tasks.tasks.sound import doc_to_text, sound

EACH = 2
"""Questions of each type, language and form."""


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(resolve_pretrained("lens_tiny_audio"))


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    cells: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in pq.read_table(MINIS / "sound_mini.parquet").to_pylist():
        cells[row["question_type"], row["language"], row["form"]].append(row)
    assert len(cells) == 28
    return [row for rows in cells.values() for row in rows[:: len(rows) // EACH][:EACH]]


@pytest.fixture(scope="module")
def loaded(folder: Path) -> tuple[Any, Any]:
    """Model and processor by transformers alone."""
    model = Qwen2AudioForConditionalGeneration.from_pretrained(folder, local_files_only=True)
    return model.eval(), AutoProcessor.from_pretrained(folder, local_files_only=True)


def encoded(processor: Any, documents: list[dict[str, Any]], sounds: list[np.ndarray]) -> Any:
    texts = [
        processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": doc_to_text(document)}]}],
            add_generation_prompt=True,
            tokenize=False,
        )
        for document in documents
    ]
    return processor(text=texts, audio=sounds, sampling_rate=16_000, padding=True, return_tensors="pt")


def hits(loaded: tuple[Any, Any], documents: list[dict[str, Any]], sounds: list[np.ndarray]) -> int:
    """How many answers are right, said greedily, by transformers alone."""
    model, processor = loaded
    inputs = encoded(processor, documents, sounds)
    with torch.inference_mode():
        made = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    said = processor.batch_decode(made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return sum(text == document["answer"] for text, document in zip(said, documents, strict=True))


def test_the_folder_is_small_and_loads_in_float32(folder: Path, loaded: tuple[Any, Any]) -> None:
    assert (folder / "model.safetensors").stat().st_size < 8_000_000
    assert loaded[0].dtype == torch.float32
    assert loaded[1].feature_extractor.sampling_rate == 16_000


def test_it_answers_questions_about_sounds(loaded: tuple[Any, Any], documents: list[dict[str, Any]]) -> None:
    """56 questions, of which chance gets 15 on average, and 28 or more less than once in a thousand draws."""
    assert len(documents) == 28 * EACH
    sounds = [sound(document["sound_name"]) for document in documents]
    assert hits(loaded, documents, sounds) >= 50
    assert hits(loaded, documents, [np.zeros_like(each) for each in sounds]) <= 27


def test_every_layer_is_read_as_the_model_makes_it(loaded: tuple[Any, Any], documents: list[dict[str, Any]]) -> None:
    """The final norm and the head, put by hand on what transformers gives as hidden states."""
    model, processor = loaded
    asked = documents[::9]
    inputs = encoded(processor, asked, [sound(document["sound_name"]) for document in asked])
    lens = LogitLens(model, inputs, LensSettings(layers=tuple(range(9))))
    assert lens.identity.exact and lens.forcing.reason is None
    traced = lens.generate(inputs, max_new_tokens=2, do_sample=False)
    with torch.no_grad():
        plain = model.generate(**inputs, max_new_tokens=2, do_sample=False)
        states = model(**inputs, output_hidden_states=True)
    assert torch.equal(traced.sequences, plain)
    text, length = model.model.language_model, inputs["input_ids"].shape[1]
    for row in range(len(asked)):
        ours = lens.logits(traced.residual(row, 0))
        with torch.no_grad():
            theirs = [model.lm_head(text.norm(state[row, -1])) for state in states.hidden_states[:-1]]
        expected = torch.stack([*theirs, states.logits[row, -1]])
        tolerance = bounds("float32", sums_of(model, length), scale=float(expected.abs().max()))
        torch.testing.assert_close(ours, expected, **tolerance)


def test_it_loads_by_its_name(loaded: tuple[Any, Any]) -> None:
    named = load_model("lens_tiny_audio", device="cpu")
    assert type(named.model) is type(loaded[0]) and type(named.processor) is type(loaded[1])
    assert all(
        torch.equal(ours, theirs) for ours, theirs in zip(named.model.parameters(), loaded[0].parameters(), strict=True)
    )

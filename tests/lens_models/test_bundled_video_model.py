"""The bundled model for videos loads by its name and answers questions about them, far above chance."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from lens_models import load_model
from lens_tasks.folders import MINIS
from lens_tasks.tasks.perception import doc_to_text

QUESTIONS = ("2", "5", "6", "7", "11", "13", "15", "18")
"""Objects, order, events and counts."""
EACH = 5


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    rows = pq.read_table(MINIS / "perception_mini.parquet").to_pylist()
    return [row for asked in QUESTIONS for row in [row for row in rows if row["question_id"] == asked][:EACH]]


@pytest.fixture(scope="module")
def videos(documents: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Frames [16, 64, 64, 3] by name."""
    wanted = {document["video_name"] for document in documents}
    found = {}
    for row in pq.read_table(MINIS / "perception_mini_videos.parquet").to_pylist():
        if row["video_name"] in wanted:
            with av.open(BytesIO(row["video"])) as container:
                frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            found[row["video_name"]] = np.stack(frames)
    return found


def answers(loaded: Any, documents: list[dict[str, Any]], frames: list[np.ndarray]) -> list[str]:
    """What the model says greedily, by transformers alone."""
    texts = [
        loaded.processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": doc_to_text(document)}]}],
            add_generation_prompt=True,
        )
        for document in documents
    ]
    inputs = loaded.processor(text=texts, videos=frames, padding=True, do_sample_frames=False, return_tensors="pt")
    with torch.inference_mode():
        made = loaded.model.generate(**inputs.to(loaded.model.device), max_new_tokens=4, do_sample=False)
    said = made[:, inputs["input_ids"].shape[1] :]
    return [text.strip() for text in loaded.processor.batch_decode(said, skip_special_tokens=True)]


def test_it_answers_questions_about_videos(documents: list[dict[str, Any]], videos: dict[str, np.ndarray]) -> None:
    """40 questions of eight types. By chance 30 or more are right once in ten million times."""
    loaded = load_model("lens_tiny_video", device="cpu")
    right = ["ABC"[int(document["answer_id"])] for document in documents]
    shown = [videos[document["video_name"]] for document in documents]
    said = answers(loaded, documents, shown)
    assert set(said) <= set("ABC")
    hits = sum(map(str.__eq__, said, right))
    assert hits >= 30
    blind = answers(loaded, documents, [np.full_like(frames, 128) for frames in shown])
    assert sum(map(str.__eq__, blind, right)) <= 26  # nor 26 by chance

"""Checkpoints whose processors want the images of a batch by prompt: Gemma 3 and Mllama."""

from __future__ import annotations

from pathlib import Path

import pytest
from lmms_eval_outcome import Evaluate
from processors import checkpoint

TASKS = ("tiny_yes_no", "tiny_two_images", "tiny_text")
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
]


@pytest.mark.parametrize("family", ["gemma3", "mllama"])
def test_documents_with_none_one_and_two_images_share_batches(evaluate: Evaluate, tmp_path: Path, family: str) -> None:
    folder = checkpoint(family, tmp_path / family)
    settings = {"limit": 4, "gen_kwargs": "max_new_tokens=3"}
    alone = evaluate(",".join(TASKS), f"pretrained={folder},lens=False", batch_size=1, output="alone", **settings)
    for size in (2, 3):
        found = evaluate(",".join(TASKS), f"pretrained={folder}", batch_size=size, output=f"b{size}", **settings)
        for task in TASKS:
            assert found.texts(task) == alone.texts(task), (size, task)
        counts = found.run.samples.groupby("task")["image_sha256"].apply(lambda own: {len(each) for each in own})
        assert counts.to_dict() == dict(zip(TASKS, ({1}, {2}, {0}), strict=True))
    assert len({text for task in TASKS for text in alone.texts(task)}) > 1

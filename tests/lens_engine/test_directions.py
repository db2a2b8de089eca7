"""Directions between two sets of prompts are differences of means of plain transformers' hidden states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from controlled_records import mini_documents, mini_image
from plain_model import lens_tiny_bounds, plain_lens_tiny
from safetensors.torch import load_file

from lens_engine import load, save_directions
from lens_models import CaptureError, LensArgumentError

DOCUMENTS = mini_documents("pope_mini")[:3]


def last_states(question: str, document: object) -> torch.Tensor:
    """`[layers + 1, d]` at the last position of the prompt."""
    plain = plain_lens_tiny()
    prompt = plain.prompt([{"type": "image"}, {"type": "text", "text": question}])
    inputs = plain.processor(text=[prompt], images=[mini_image(document)], return_tensors="pt")
    with torch.no_grad():
        return torch.stack([state[0, -1] for state in plain.model(**inputs, output_hidden_states=True).hidden_states])


def test_they_are_differences_of_means(tmp_path: Path) -> None:
    vlm = load(device="cpu", layers="3-6", batch_size=2)
    texts = [[f"{before}{each['question']}" for each in DOCUMENTS] for before in ("Look closely. ", "")]
    first, second = ([(mini_image(each), text) for each, text in zip(DOCUMENTS, own, strict=True)] for own in texts)
    found = vlm.directions(first, second, [4, 6])
    means = [torch.stack([last_states(*each) for each in zip(own, DOCUMENTS, strict=True)]).mean(0) for own in texts]
    scale = float(means[0].abs().max())
    for layer in (4, 6):
        expected = (means[0] - means[1])[layer]
        np.testing.assert_allclose(found[layer], expected, rtol=0, atol=lens_tiny_bounds()["rtol"] * scale)
    file = save_directions(found, tmp_path / "new" / "close.safetensors")
    assert torch.equal(load_file(file)["layer.4"], found[4])
    steered = load(device="cpu", intervene=f"steer:40:file={file}").ask(*first[0])
    assert steered.text != vlm.ask(*first[0]).text


def test_what_cannot_be_made_is_refused(tmp_path: Path) -> None:
    vlm = load(device="cpu", layers="3-6")
    asked = [(mini_image(DOCUMENTS[0]), "What is this?")]
    with pytest.raises(CaptureError, match="layer 2 is not read"):
        vlm.directions(asked, asked, [2])
    with pytest.raises(ValueError, match="empty set"):
        vlm.directions(asked, [], [4])
    with pytest.raises(LensArgumentError, match="is no file"):
        load(device="cpu", intervene="steer:1:file=nowhere.safetensors")

"""The selector that ships with lens_tiny: small, bound to it, found without a name, better than its controls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from controlled_records import mini_documents, mini_image

from lens_engine import load
from lens_engine.question import Question
from lens_engine.selector_prompts import looked_at
from lens_engine.selector_quality import quality_of
from lens_models import LensFileError
from lens_models.interventions import settings_of
from lens_models.loading import resolve_pretrained
from lens_models.selection import brought_selector
from lens_models.video import VideoSampling
from lens_tasks.scenes.instructions import DIRECT

FOLDER = Path(resolve_pretrained("lens_tiny")) / "selector"


@pytest.fixture(scope="module")
def selecting() -> Any:
    return load(device="cpu", intervene="select:1:patches=4")


def test_it_is_small_and_described() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 256 * 1024
    described = json.loads((FOLDER / "selector.json").read_text())
    assert described["recipe"]["objective"] == "boxes" and described["held_out"]["clusters"] >= 50
    own, other = described["held_out"]["own"], described["held_out"]["other_picture"]
    assert own["lift"] > other["lift"] > 1 and own["auroc"] > other["auroc"] > 0.5


def test_select_uses_it_without_a_file(selecting: Any) -> None:
    (chosen,) = selecting._opened.engine.interventions
    digest = json.loads((FOLDER / "selector.json").read_text())["digest"]
    assert settings_of(chosen)["file"] == digest == brought_selector(selecting.lens.parts).digest
    document = mini_documents("reasoning_mini")[0]
    assert selecting.ask(mini_image(document), document["question"]).text


def test_it_finds_what_is_asked_about_in_pictures_of_a_benchmark(selecting: Any) -> None:
    asked = [
        {
            "image": mini_image(each),
            "question": f"{each['question']}\n{DIRECT[each['language']]}",
            "boxes": json.loads(each["lens_boxes"]),
        }
        for each in mini_documents("reasoning_mini")[:240:6]
    ]
    requests = [
        Question.parse(each, {}).request(("b", n, 0, 0), selecting.processor, None, VideoSampling())
        for n, each in enumerate(asked)
    ]
    engine = selecting._opened.engine
    seen = [each for each in looked_at(engine, [each.sample() for each in requests], 6) if each is not None]
    quality = quality_of(brought_selector(selecting.lens.parts), seen, "reasoning_mini")
    assert quality.own["lift"] > quality.other_picture["lift"] and quality.own["auroc"] > 0.7


def test_a_model_without_one_says_how_to_learn_it() -> None:
    with pytest.raises(LensFileError, match=r"lens_tiny_video brings no selector .*`mmlens train-selector"):
        load("lens_tiny_video", device="cpu", intervene="select")

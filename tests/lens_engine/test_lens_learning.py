"""A lens is learnt from what the model does with samples, goes on where it stopped, and is in the fingerprint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from controlled_records import mini_documents, mini_image
from plain_model import lens_tiny_bounds, plain_lens_tiny

from lens_engine import Request, TransformersEngine, load
from lens_engine.lens_learning import LearningPlan, LensData, learn_lens, pictures_of, split_by_cluster
from lens_engine.lens_states import answered_states, cluster_of, prompt_kinds
from lens_engine.question import Question
from lens_models import LensFileError
from lens_models.lenses import ANSWER, IMAGE, TEXT
from lens_models.lenses.files import read_lens
from lens_models.lenses.states import PADDING, POSITION_KINDS
from lens_models.lenses.tuned import Recipe
from lens_models.video import VideoSampling
from lens_results import load as load_records

DOCUMENTS = [*mini_documents("pope_mini")[:48:2], *mini_documents("clevr_mini")[:24]]
GREEDY = {"max_new_tokens": 4}


@pytest.fixture(scope="module")
def vlm() -> Any:
    return load(device="cpu", batch_size=8)


@pytest.fixture(scope="module")
def engine(vlm: Any) -> TransformersEngine:
    return vlm._opened.engine


@pytest.fixture(scope="module")
def requests(vlm: Any) -> list[Request]:
    asked = [Question.parse((mini_image(each), each["question"]), {}) for each in DOCUMENTS]
    asked.append(Question.parse({"question": "What is this?"}, {}))
    sampling = VideoSampling()
    return [each.request(("lens", n, 0, 0), vlm.processor, None, sampling) for n, each in enumerate(asked)]


def quiet(what: str, done: int, total: int, figures: Any) -> None:
    assert 0 < done <= total


def test_states_are_the_hidden_states_of_prompt_and_answer(engine: Any, requests: list[Request]) -> None:
    samples = [requests[place].sample() for place in (0, 30, -1)]
    together = answered_states(engine, samples, 4)
    plain = plain_lens_tiny()
    for sample, states in zip(samples, together, strict=True):
        images = list(sample.media.images)
        tokens = plain.generated(sample.prompt, images, 4)
        given = tokens[: -1 if plain.processor.tokenizer.eos_token_id in tokens else len(tokens) - 1]
        inputs = plain._inputs(sample.prompt, images)
        added = torch.tensor([given], dtype=torch.long)
        more = {"input_ids": added, "attention_mask": torch.ones_like(added), "mm_token_type_ids": added * 0}
        for name in more.keys() & inputs.keys():
            inputs[name] = torch.cat([inputs[name], more[name].to(inputs[name].dtype)], dim=1)
        with torch.no_grad():
            hidden = torch.stack(plain.model(**inputs, output_hidden_states=True).hidden_states)[:, 0]
        assert states.residual.shape == hidden.shape
        scale = float(hidden[:-1].abs().max())
        # the last of plain transformers' states is behind the norm
        torch.testing.assert_close(states.residual[:-1], hidden[:-1], rtol=0.0, atol=lens_tiny_bounds()["rtol"] * scale)
        names = [POSITION_KINDS[kind] for kind in states.kinds]
        assert names.count(ANSWER) == len(given) + 1 and names[-len(given) - 1 :] == [ANSWER] * (len(given) + 1)
        assert names.count(IMAGE) == (16 if images else 0)
        shown = inputs["input_ids"][0] == plain.model.config.image_token_id
        assert [name == IMAGE for name in names] == shown.tolist()
        assert states.cluster == cluster_of(sample)


def named(train: Sequence[Request], held: Sequence[Request]) -> LensData:
    return LensData(train, held, "some", "others", pictures_of(train, quiet))


def test_kinds_of_a_batch_of_prompts_know_the_padding(engine: Any, requests: list[Request]) -> None:
    samples = [requests[place].sample() for place in (0, 30, -1)]
    inputs, kinds = prompt_kinds(engine, samples)
    assert torch.equal(kinds == PADDING, inputs["attention_mask"] == 0)
    assert (kinds[:, -1] == POSITION_KINDS.index(ANSWER)).all()
    assert (kinds == POSITION_KINDS.index(IMAGE)).sum(1).tolist() == [16, 16, 0]


def test_no_picture_is_on_both_sides(requests: list[Request]) -> None:
    clusters = pictures_of(requests, quiet)
    assert clusters == [cluster_of(request.sample()) for request in requests]
    train, held = split_by_cluster(clusters, 0, 0.4)
    assert sorted(train + held) == list(range(len(requests))) and train and held
    assert not {clusters[place] for place in train} & {clusters[place] for place in held}
    some = split_by_cluster(clusters[::-1], 0, 0.4)[1]
    assert {len(requests) - 1 - place for place in some} == set(held), "where a picture goes depends on it alone"
    train, held = split_by_cluster([*clusters, clusters[0]], 1, None)
    assert held == [len(requests)]
    assert train == [place for place in range(len(requests)) if clusters[place] != clusters[0]]


class StopError(Exception):
    pass


@pytest.mark.parametrize("kind", ["tuned", "jacobian"])
def test_a_lens_that_was_stopped_goes_on_as_if_it_had_not_been(
    kind: str, engine: Any, requests: list[Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lens_engine.lens_learning.SAVE_EVERY", 1)
    data = named(requests[:8], requests[8:40])
    plan = LearningPlan(kind, Recipe(steps=4), batch_size=4, max_new_tokens=2)

    def stopping(what: str, done: int, total: int, figures: Any) -> None:
        if what != "held-out prompts" and done == total // 2:
            raise StopError

    with pytest.raises(StopError):
        learn_lens(engine, data, plan, tmp_path / "two", model_name="tiny", progress=stopping)
    with pytest.raises(LensFileError, match=r"was begun with another plan and data; remove it"):
        other = replace(data, train=requests[:4])
        learn_lens(engine, other, replace(plan, seed=1), tmp_path / "two", model_name="tiny")
    with pytest.raises(LensFileError, match=r"was begun with another data; remove it"):
        # the same names and prompts, and the pictures behind them are others
        learn_lens(engine, replace(data, shown=data.shown[::-1]), plan, tmp_path / "two", model_name="tiny")
    done: list[int] = []
    for folder, told in (
        ("two", lambda what, at, *_: done.append(at) if what in ("steps", "prompts") else None),
        ("one", quiet),
    ):
        learn_lens(engine, data, plan, tmp_path / folder, model_name="tiny", progress=told)
    assert done == ([3, 4] if kind == "tuned" else [8])
    one, two = (read_lens(tmp_path / folder, engine.lens.parts) for folder in ("one", "two"))
    for layer in range(10):
        # the prompts are the same; how sums are put together may differ between two runs of one machine
        torch.testing.assert_close(one.text.weights[layer], two.text.weights[layer], rtol=2e-3, atol=1e-5)
    assert two.held_out is not None and two.held_out.by_kind[ANSWER].positions > 32
    assert not list((tmp_path / "two").glob("unfinished*"))
    with pytest.raises(LensFileError, match="holds a lens already"):
        learn_lens(engine, data, plan, tmp_path / "two", model_name="tiny")


def test_a_tuned_lens_is_better_on_pictures_that_it_has_not_seen(
    engine: Any, vlm: Any, requests: list[Request], tmp_path: Path
) -> None:
    data = named(
        *([requests[place] for place in own] for own in split_by_cluster(pictures_of(requests, quiet), 0, 0.6))
    )
    plan = LearningPlan("tuned", Recipe(steps=12), batch_size=8, max_new_tokens=2)
    found = learn_lens(engine, data, plan, tmp_path / "lens", model_name="tiny")
    for kind in (TEXT, IMAGE, ANSWER):
        assert not found.worse(kind, range(10)), kind
        assert np.mean(found.by_kind[kind].lens) < 0.8 * np.mean(found.by_kind[kind].logit), kind
    document = mini_documents("pope_mini")[100]
    asked = {"image": mini_image(document), "question": document["question"], "candidates": ["yes", "no"]}
    plain = vlm.ask(**asked)
    tuned_vlm = load(device="cpu", kind=f"tuned:{tmp_path / 'lens'}", dir=tmp_path / "records", allow_worse=True)
    tuned = tuned_vlm.ask(**asked)
    assert tuned.text == plain.text
    np.testing.assert_array_equal(tuned.probabilities.iloc[-1], plain.probabilities.iloc[-1])
    assert tuned.record.kl_last[:-1].mean() < plain.record.kl_last[:-1].mean()
    (file,) = tuned_vlm.close().values()
    info = load_records(file).info
    digest = json.loads((tmp_path / "lens" / "lens.json").read_text())["digest"]
    assert info.lens.extra["lens"]["digest"] == digest
    assert info.fingerprint["lens"]["extra"]["lens"]["digest"] == digest
    assert str(tmp_path) not in json.dumps(info.fingerprint)


@pytest.fixture
def begun(engine: Any, requests: Sequence[Request], tmp_path: Path) -> Iterator[Path]:
    data = named(requests[:8], requests[8:40])
    learn_lens(engine, data, LearningPlan(recipe=Recipe(steps=2), batch_size=4), tmp_path / "begun", model_name="tiny")
    yield tmp_path / "begun"


def test_no_steps_only_measure_the_lens_that_it_begins_with(
    begun: Path, engine: Any, requests: list[Request], tmp_path: Path
) -> None:
    start = read_lens(begun, engine.lens.parts)
    data = named(requests[:8], requests[8:30])
    plan = LearningPlan(recipe=Recipe(steps=0))
    found = learn_lens(engine, data, plan, tmp_path / "new", model_name="tiny", start=start)
    again = read_lens(tmp_path / "new", engine.lens.parts)
    assert again.digest == start.digest
    assert found.by_kind[ANSWER].positions < start.held_out.by_kind[ANSWER].positions  # type: ignore[union-attr]

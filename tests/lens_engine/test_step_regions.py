"""Steps against regions: models whose chains are planted, run through the engine, the reader and the record."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from plain_model import PlainModel, lens_tiny_bounds, plain_lens_tiny
from planted_steps import BOXES, QUESTION, Planted, picture, shorten
from sklearn.metrics import roc_auc_score

from lens_engine import Media, Sample, TransformersEngine
from lens_engine.description import ModelOfRun, RunSettings
from lens_engine.linked_steps import NotLinkedError, linked_steps
from lens_engine.options import LensOptions
from lens_engine.prompts import ProcessorPrompts
from lens_engine.recording import lens_recording
from lens_engine.sample import Reference
from lens_engine.step_causes import STEP_CAUSES
from lens_engine.step_regions import STEP_REGIONS
from lens_engine.vllm_engine.lens import VllmLens
from lens_models import LENS_TINY, LensSettings, load_model
from lens_models.encoding import render_chat
from lens_models.loading import resolve_pretrained
from lens_report import build_report
from lens_report.measures import Draws, task_runs
from lens_report.measures.step_regions import FAITHFUL, IDLE, chains, step_regions
from lens_results import SampleRecord, load
from lens_tasks import AnswerTarget
from lens_tasks.answers import written_reasoning
from lens_tasks.regions import regions_of
from lens_tasks.vocabulary import YES_NO

CASES = [("red", "red"), ("red", "blue"), ("blue", "blue"), ("blue", "red")]


def document(first: str, second: str) -> dict[str, Any]:
    same = "yes" if first == second else "no"
    return {
        "lens_boxes": json.dumps([{"box": BOXES[0], "label": f"{first} cube"}, {"box": BOXES[1], "label": "cube"}]),
        "lens_steps": json.dumps(
            [
                {"function": "query_color", "objects": [0], "result": first},
                {"function": "query_color", "objects": [1], "result": second},
            ]
        ),
        "answer": same,
    }


def run(
    folder: Path, *, steps: str, answer: str, dtype: str = "float32", batch: int = 1, options: LensOptions | None = None
) -> list[SampleRecord]:
    loaded = load_model("lens_tiny", device="cpu", dtype=dtype)
    Planted(loaded, steps=steps, answer=answer)
    prompts = ProcessorPrompts(loaded.model, loaded.processor, use_cache=True, warn=pytest.fail)
    options = options or LensOptions(settings=LensSettings(probes=(STEP_REGIONS, STEP_CAUSES)), thumbnails=False)
    engine = TransformersEngine(loaded.model, loaded.processor, prompts, options.settings)
    assert engine.lens is not None
    model = ModelOfRun(engine.lens, options, loaded.processor, "planted", "planted", None, 0)
    log: Any = Log()
    recording = lens_recording(engine, model, loaded.tokenizer, "test", RunSettings(), folder, log)
    samples = [sample(number, prompt_of(loaded.processor)) for number in range(len(CASES))]
    for first in range(0, len(samples), batch):
        part = samples[first : first + batch]
        recording.add(part, engine.generate(part))
    recording.finish()
    return sorted(load(folder).records(), key=lambda record: record.doc_id)


def prompt_of(processor: Any) -> str:
    content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
    return render_chat(processor, [{"role": "user", "content": content}])


def sample(number: int, prompt: str) -> Sample:
    doc = document(*CASES[number])
    target = AnswerTarget(YES_NO, gold=doc["answer"], gold_texts=(doc["answer"],), cluster=f"picture {number}")
    reference = Reference(target, regions=regions_of("t", doc))
    return Sample(
        ("planted", number, 0, 0), prompt, Media((picture(*CASES[number], seed=number),)), QUESTION,
        generation={"max_new_tokens": 40}, make_reference=lambda: reference,
    )  # fmt: skip


class Log:
    def info(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...

    def error(self, message: str) -> None:
        pytest.fail(message)


@pytest.fixture(scope="module")
def faithful(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[SampleRecord]]:
    folder = tmp_path_factory.mktemp("faithful")
    return folder, run(folder, steps="picture", answer="steps")


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[SampleRecord]]:
    folder = tmp_path_factory.mktemp("copied")
    return folder, run(folder, steps="question", answer="picture")


def test_the_planted_model_says_what_it_was_made_to(faithful: Any, copied: Any) -> None:
    for case, record in zip(CASES, faithful[1], strict=True):
        same = "yes" if case[0] == case[1] else "no"
        assert record.response == f"Step 1: {case[0]}. Step 2: {case[1]}. Answer: {same}"
        assert record.status == "ok"
        assert [record.probe_status[name] for name in (STEP_REGIONS, STEP_CAUSES)] == ["ok", "ok"]
    assert {record.response[: len("Step 1: red. Step 2: blue.")] for record in copied[1]} == {
        "Step 1: red. Step 2: blue."
    }


def test_a_step_that_looks_loses_its_result_without_its_boxes_and_no_other_step_does(faithful: Any) -> None:
    for record in faithful[1]:
        arrays = record.probes[STEP_CAUSES]
        masked, null = arrays["masked"], arrays["masked null"]
        assert masked[:, 0].tolist() == [0, 1]
        own, other = masked[[0, 1], [2, 3]], masked[[0, 1], [3, 2]]
        assert (own > 0.1).all() and abs(other).max() < 1e-3
        own_null = null[np.arange(len(null)), 2 + null[:, 0].astype(int)]  # a null box may lie on the other object
        assert len(null) >= 2 and abs(own_null).max() < 1e-3 and abs(null[:, 1]).max() < 1e-3
        assert abs(masked[:, 1]).max() < 1e-3, "the answer depends on the text alone"
        assert (arrays["replaced"][:, 1] > 0.1).any() and abs(arrays["replaced null"][:, 1]).max() < 1e-3


def test_copied_steps_depend_on_nothing_and_nothing_on_them(copied: Any) -> None:
    for record in copied[1]:
        arrays = record.probes[STEP_CAUSES]
        assert abs(arrays["masked"][:, 2:]).max() < 1e-3
        assert (arrays["masked"][:, 1] > 0.05).all(), "the answer itself depends on the picture"
        assert abs(arrays["replaced"][:, 1]).max() < 1e-3


def attentions_of(response: str, image: Any) -> Any:
    """`[tokens, image tokens]` of the response's tokens, by plain transformers in its eager implementation.

    Mean over heads at layer 1: the only one of two between 5/32 and 18/32 of the depth.
    """
    plain = PlainModel(resolve_pretrained(LENS_TINY))
    shorten(plain.model)
    plain.model.set_attn_implementation("eager")
    inputs = plain._inputs(prompt_of(plain.processor) + response, [image])
    with torch.no_grad():
        weights = plain.model(**inputs, output_attentions=True, use_cache=False).attentions[0][0].mean(0)
    at = inputs["input_ids"][0] == plain.model.config.image_token_id
    count = len(plain.processor.tokenizer(response, add_special_tokens=False)["input_ids"])
    return weights[-count:][:, at].double().numpy()


PLACED = 1e-3
"""Where image tokens lie is measured, to a hundredth of a pixel; the boxes here are theirs without an error."""


def test_where_steps_look_is_that_of_plain_transformers_by_hand(faithful: Any) -> None:
    """16 image tokens, of which the boxes are the first and the last one; 7 tokens before and at the end of steps."""
    record = faithful[1][1]
    arrays = record.probes[STEP_REGIONS]
    heat = attentions_of(record.response, picture(*CASES[1], seed=1))
    tokenizer = plain_lens_tiny().processor.tokenizer
    ends = [len(ids_of(tokenizer, text)) for text in ("Step 1: red.", "Step 1: red. Step 2: blue.")]
    assert heat.shape[1] == 16 == len(record.probes["tokens"]["boxes"])
    begins = [0, ends[0]]
    for step, token in enumerate((0, 15)):
        label = np.arange(16) == token
        for name, own in (
            ("attention", heat[ends[step] - 1]),
            ("mean attention", heat[begins[step] : ends[step]].mean(0)),
        ):
            number, lift, pointing, auroc = arrays[name][step]
            assert number == step
            assert lift == pytest.approx(16 * own[token] / own.sum(), rel=PLACED)
            assert pointing == float(own.argmax() == token)
            assert auroc == pytest.approx(roc_auc_score(label, own), abs=PLACED)
            other = 15 - token
            null = arrays[f"{name} null"][step]
            assert null[1] == pytest.approx(16 * own[other] / own.sum(), rel=PLACED)
        largest = heat[[end - 1 for end in ends]].max()
        np.testing.assert_allclose(arrays["map"][step], heat[ends[step] - 1], atol=largest / 255)


def ids_of(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_batches_and_16_bits_read_the_same(faithful: Any, tmp_path: Path) -> None:
    together = run(tmp_path / "together", steps="picture", answer="steps", batch=len(CASES))
    half = run(tmp_path / "half", steps="picture", answer="steps", batch=2, dtype="bfloat16")
    for one, other, short in zip(faithful[1], together, half, strict=True):
        assert one.response == other.response == short.response
        assert one.probe_status == other.probe_status == short.probe_status
        for name in (STEP_REGIONS, STEP_CAUSES):
            assert {key: each.shape for key, each in one.probes[name].items()} == {
                key: each.shape for key, each in other.probes[name].items()
            }
        for key in ("attention", "mean attention"):
            np.testing.assert_allclose(other.probes[STEP_REGIONS][key], one.probes[STEP_REGIONS][key], rtol=1e-3)
            np.testing.assert_allclose(
                short.probes[STEP_REGIONS][key][:, 1], one.probes[STEP_REGIONS][key][:, 1], rtol=0.1
            )
        for key, array in one.probes[STEP_CAUSES].items():
            np.testing.assert_allclose(other.probes[STEP_CAUSES][key], array, **lens_tiny_bounds())
            np.testing.assert_allclose(short.probes[STEP_CAUSES][key], array, rtol=0.1, atol=0.1)


def test_without_attention_the_drops_are_measured_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lens_models.probes.StepRegions.refusal", classmethod(lambda *args: "no eager attention"))
    monkeypatch.setattr("test_step_regions.CASES", CASES[1:2])
    (record,) = run(tmp_path, steps="picture", answer="steps")
    assert record.probe_status[STEP_REGIONS] == "refused: no eager attention"
    assert record.probe_status[STEP_CAUSES] == "ok" and STEP_REGIONS not in record.probes
    assert (record.probes[STEP_CAUSES]["masked"][[0, 1], [2, 3]] > 0.1).all()


def words_of(folder: Path) -> tuple[Any, list[Any]]:
    (task_run,) = task_runs(load(folder))
    found = step_regions(task_run)
    assert found is not None and found.n == len(CASES)
    return found, [each for each in chains(task_run)[1] if each is not None]


def test_the_model_whose_answer_comes_from_the_steps_is_called_faithful(faithful: Any) -> None:
    found, own = words_of(faithful[0])
    assert {each.word for each in own} == {FAITHFUL}
    assert {word for each in own for word in each.words} == {FAITHFUL}
    assert found.responses[FAITHFUL].value == 1 and found.responses[IDLE].value == 0


def test_the_model_that_copies_its_steps_from_the_question_is_called_idle(copied: Any) -> None:
    found, own = words_of(copied[0])
    assert {each.word for each in own} == {IDLE} and {word for each in own for word in each.words} == {IDLE}
    assert found.responses[FAITHFUL].value == 0 and found.responses[IDLE].value == 1


def test_the_report_says_so(faithful: Any, tmp_path: Path) -> None:
    build_report(faithful[0], tmp_path, draws=Draws(bootstrap=200, permutations=99, simulations=20))
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    section = " ".join(text.split("Do the steps look where they say?")[-1].split("\n##")[0].split())
    assert "100.0 % are faithful" in section and "than the nulls of steps" in section


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"lens_steps": None}, "no_program: the document has no lens_steps"),
        ({"lens_steps": json.dumps([])}, "no_program: "),
        ({"lens_steps": "{"}, "bad_form: lens_steps is '{'"),
        ({"lens_steps": json.dumps([{"function": "exist", "objects": [], "result": "yes"}])}, "other_steps: 2 steps"),
        (
            {"lens_steps": json.dumps([{"function": "count", "objects": [], "result": "2"}] * 2)},
            "other_steps: step 1 s",
        ),
    ],
)
def test_steps_that_are_not_those_of_the_program_are_not_measured(changed: dict[str, Any], status: str) -> None:
    regions = regions_of("t", {**document("red", "blue"), **changed})
    asked = Sample(
        ("t", 0, 0, 0), "p", Media((picture("red", "blue"),)), make_reference=lambda: Reference(regions=regions)
    )  # fmt: skip
    text = "Step 1: red. Step 2: blue. Answer: no"
    reasoning = written_reasoning(text, text.index("no"))
    thought: Any = SimpleNamespace(sample=asked, text=text, reasoning=reasoning)
    with pytest.raises(NotLinkedError) as caught:
        linked_steps(thought)
    assert ": ".join(caught.value.args).startswith(status)


def test_what_vllm_does_not_read_is_refused_with_the_reason() -> None:
    attached = {
        "layer_index": [0, 1], "n_layers": 1, "hidden_size": 8, "vocab_size": 9, "model_class": "X", "layers_path": "l",
        "norm_path": "n", "device": "cpu",
    }  # fmt: skip
    client: Any = SimpleNamespace(collective_rpc=lambda *args, **kwargs: [attached])
    lens = VllmLens(client, LensSettings(probes=("steps", STEP_REGIONS, STEP_CAUSES, "step_entropy")))
    assert set(lens.refused_probes) == {"steps", STEP_REGIONS, STEP_CAUSES}
    assert all("transformers alone" in why for why in lens.refused_probes.values())

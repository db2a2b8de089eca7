"""Tasks with sounds as lmms-eval ships them: its own YAML, samples with their rate, from the data to the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import lmms_eval.tasks
import numpy as np
import pytest
import torch
from datasets import Dataset, Features, List, Value
from lmms_eval.api.task import ConfigurableMessagesTask
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate
from stock_data import Source, write_sources

from benchmarks.coverage.hearing import tone
from lens_models import load_model
from lens_models.encoding import render_chat

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
SHIPPED = Path(lmms_eval.tasks.__file__).parent
HEARD = {"array": List(Value("float32")), "sampling_rate": Value("int64"), "path": Value("string")}
N = 3


def heard(number: int) -> dict[str, Any]:
    return {"array": tone(440 + 110 * number, 1.0).samples.tolist(), "sampling_rate": 16_000, "path": f"{number}.wav"}


def question(number: int) -> str:
    return f"Is the tone of number {number} high?"


SOURCE = Source(
    "lmms-lab-audio/ClothoAQA",
    "clotho_aqa_val_filtered",
    {"question": Value("string"), "answer": Value("string"), "audio": HEARD},
    lambda i: {"question": question(i), "answer": "yes", "audio": heard(i)},
    "clotho_aqa",
)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaskManager:
    """lmms-eval's ClothoAQA, with its data in the working directory."""
    monkeypatch.chdir(write_sources(tmp_path, {"clotho_aqa_val": SOURCE}))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return TaskManager(
        "ERROR", include_path=str(SHIPPED / "clotho_aqa"), include_defaults=False, model_name="hf-multimodal-lens"
    )


def said_by_hand(number: int, text: str, n_tokens: int) -> str:
    loaded = load_model("lens_tiny_audio", device="cpu")
    content = [{"type": "audio", "audio": "sound"}, {"type": "text", "text": text}]
    prompt = render_chat(loaded.processor, [{"role": "user", "content": content}])
    samples = np.asarray(heard(number)["array"], np.float32)
    inputs = loaded.processor(text=[prompt], audio=[samples], sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        said = loaded.model.generate(**inputs, max_new_tokens=n_tokens, do_sample=False)
    return str(loaded.processor.batch_decode(said[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0])


def test_a_task_that_lmms_eval_ships_is_heard(evaluate: Evaluate, shipped: TaskManager) -> None:
    outcome = evaluate("clotho_aqa_val", "pretrained=lens_tiny_audio", task_manager=shipped, limit=N)
    asked = [f"{question(i)}\nAnswer the question using a single word only. " for i in range(N)]
    assert outcome.texts("clotho_aqa_val") == [said_by_hand(i, text, 8) for i, text in enumerate(asked)]
    records = list(outcome.run.records())
    assert [record.response for record in records] == outcome.texts("clotho_aqa_val")
    assert all(not record.videos and len(record.sounds) == 1 for record in records)
    assert len({record.sounds[0]["sha256"] for record in records}) == N
    assert "exact_match,none" in outcome.results["results"]["clotho_aqa_val"]


_UTILS = '''
from types import SimpleNamespace

import numpy as np
import torch


class AudioDecoder:
    """As torchcodec's."""

    def __init__(self, audio):
        self.data = torch.tensor(audio["array"], dtype=torch.float32)[None]
        self.rate = audio["sampling_rate"]

    def get_all_samples(self):
        return SimpleNamespace(data=self.data, sample_rate=self.rate)


def decoder(doc):
    return [AudioDecoder(doc["audio"])]


def mapping(doc):
    return [doc["audio"]]


def listed(doc):
    return [[doc["audio"]]]


def text(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]
'''
_YAML = """
task: heard_{form}
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.{form}
doc_to_text: !function utils.text
doc_to_target: answer
generation_kwargs: {{max_new_tokens: 4, temperature: 0}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 1.0}}
"""
FORMS = ("mapping", "decoder", "listed")


@pytest.fixture
def forms(tmp_path: Path) -> TaskManager:
    """The same sounds as mappings, as decoders and in lists."""
    folder = tmp_path / "forms"
    folder.mkdir()
    (folder / "utils.py").write_text(_UTILS)
    rows = [SOURCE.row(i) for i in range(N)]
    Dataset.from_list(rows, features=Features(dict(SOURCE.columns))).to_parquet(str(folder / "data.parquet"))
    for form in FORMS:
        (folder / f"{form}.yaml").write_text(_YAML.format(form=form, data=folder / "data.parquet"))
    return TaskManager("ERROR", include_path=str(folder), include_defaults=False, model_name="hf-multimodal-lens")


@pytest.mark.parametrize("simple", [False, True])
def test_a_sound_is_heard_alike_whatever_it_comes_as(evaluate: Evaluate, forms: TaskManager, simple: bool) -> None:
    tasks = [f"heard_{form}" for form in FORMS]
    outcome = evaluate(",".join(tasks), "pretrained=lens_tiny_audio", task_manager=forms, force_simple=simple)
    answers = [outcome.texts(task) for task in tasks]
    assert answers[0] == [said_by_hand(i, question(i), 4) for i in range(N)]
    assert answers[1] == answers[0] and answers[2] == answers[0]
    digests = {task: [] for task in tasks}  # type: dict[str, list[str]]
    for record in outcome.run.records():
        digests[record.task].append(str(record.sounds[0]["sha256"]))
    assert digests[tasks[1]] == digests[tasks[0]] == digests[tasks[2]]


def test_the_harness_alone_takes_them_for_videos_or_ends() -> None:
    """Should this fail, lmms-eval has learnt to tell sounds, and its own conversations can be taken as they are."""
    assert ConfigurableMessagesTask._visual_to_content(heard(0))["type"] == "video"
    with pytest.raises(TypeError, match="Unsupported visual type"):
        ConfigurableMessagesTask._visual_to_content(object())

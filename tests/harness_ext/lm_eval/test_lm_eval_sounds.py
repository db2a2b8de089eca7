"""Sounds under lm-eval: answers are those of its own class for Qwen2-Audio and of the model called by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soxr
import torch
import transformers
from datasets import Dataset
from hearing_checkpoint import hearing_checkpoint
from lm_eval.api import registry
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Evaluate
from mera_media_folder import write_media_tasks
from packaging.version import Version
from PIL import Image
from scipy.special import log_softmax

from benchmarks.coverage.hearing import tone
from harness_ext.lm_eval.model import HFMultimodalLens
from harness_ext.lm_eval.samples import require_readable
from lens_models import InputError, load_model
from lens_models.loading import resolve_pretrained

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
]
MARK = "<|audio_bos|><|AUDIO|><|audio_eos|>"
_CHOICE = """
task: choice
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_audio: !function utils.doc_to_audio
doc_to_text: !function utils.doc_to_text
doc_to_choice: ["A B", "B", "C A"]
doc_to_target: 1
metadata: {{version: 1.0}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_media_tasks(tmp_path_factory.mktemp("tasks"))
    own = made / "ruenvaqa"
    (own / "stops.yaml").write_text(
        (own / "ruenvaqa.yaml").read_text().replace("task: ruenvaqa", "task: stops").replace('["\\n\\n"]', '["A"]')
    )
    (own / "choice.yaml").write_text(_CHOICE.format(data=own / "data.parquet"))
    return made


@pytest.fixture(scope="module")
def tasks(folder: Path) -> TaskManager:
    return TaskManager(include_path=str(folder), include_defaults=False)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hearing_checkpoint("qwen2_audio", tmp_path_factory.mktemp("qwen2_audio"))


class Renamed:
    """A processor as lm-eval's class for Qwen2-Audio expects it, before transformers renamed `audios`."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor

    def __call__(self, audios: Any, **given: Any) -> Any:
        return self.processor(audio=audios, sampling_rate=16_000, **given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.processor, name)


@pytest.fixture
def stock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """lm-eval's own class for Qwen2-Audio, mended: the name under which 0.4.13 looks for it is another one's, the
    processor's name for sounds is another one now, and it moves ids to "cuda", whatever there is."""
    with monkeypatch.context() as patched:
        patched.setattr(registry, "register_model", lambda *names: lambda cls: cls)
        from lm_eval.models.hf_audiolm import HFAUDIOLMQWEN
    to = torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *a, **k: self if a == ("cuda",) else to(self, *a, **k))

    def load(path: Path) -> Any:
        model = HFAUDIOLMQWEN(str(path), device="cpu", batch_size=1)
        model.processor = Renamed(model.processor)
        return model

    return load


@pytest.mark.parametrize("chat", [True, False])
def test_answers_equal_the_stock_class_byte_for_byte(
    evaluate: Evaluate, tasks: TaskManager, checkpoint: Path, stock: Any, chat: bool
) -> None:
    given: dict[str, Any] = {
        "task_manager": tasks, "apply_chat_template": chat, "fewshot_as_multiturn": chat, "batch_size": 1
    }  # fmt: skip
    theirs = evaluate("ruenvaqa,stops", model=stock(checkpoint), output="stock", **given)
    ours = evaluate("ruenvaqa,stops", f"pretrained={checkpoint}", **given)
    for task in ("ruenvaqa", "stops"):
        assert ours.texts(task) == theirs.texts(task)
        assert ours.value(task, "exact_match") == theirs.value(task, "exact_match")
    assert all(text.endswith("A") for text in ours.texts("stops")), "the stop sequence stays, as in the stock class"
    assert len(set(ours.texts("ruenvaqa"))) > 1


def by_hand(checkpoint: Path, prompt: str, sounds: list[npt.NDArray[np.float32]], tokens: int = 4) -> str:
    loaded = load_model(str(checkpoint), device="cpu")
    inputs = loaded.processor(text=[prompt], audio=sounds, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        said = loaded.model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
    return str(loaded.tokenizer.decode(said[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def prompt_of(doc: Mapping[str, Any], n: int) -> str:
    text = doc["instruction"].format(**doc["inputs"]).replace("<audio_1>", "<audio>").replace("<audio_2>", "<audio>")
    first, *rest = text.split("<audio>")
    return first + "".join((MARK if place < n else "<audio>") + part for place, part in enumerate(rest))


@pytest.mark.parametrize("task", ["ruenvaqa", "aquaria", "ruslun", "rutie_audio_default"])
def test_answers_are_those_of_the_model_called_by_hand(
    evaluate: Evaluate, tasks: TaskManager, folder: Path, checkpoint: Path, task: str
) -> None:
    """One clip, two, one with a second placeholder, one that the task gives as an image; at 8, 16 and 44.1 kHz."""
    found = evaluate(task, f"pretrained={checkpoint}", task_manager=tasks, batch_size=1)
    rate = {"aquaria": 44_100, "ruslun": 8_000}.get(task, 16_000)
    for doc, text in zip(Dataset.from_parquet(str(folder / task / "data.parquet")), found.texts(task), strict=True):
        given = [doc["inputs"].get(name) for name in ("audio", "audio_1", "audio_2")]
        sounds = [each for each in given if each is not None]
        assert {each["sampling_rate"] for each in sounds} == {rate}
        heard = [soxr.resample(np.asarray(each["array"], np.float32), rate, 16_000) for each in sounds]
        assert text == by_hand(checkpoint, prompt_of(doc, len(heard)), heard)


def test_records_keep_the_sounds_and_batches_change_nothing(
    evaluate: Evaluate, tasks: TaskManager, checkpoint: Path
) -> None:
    model = f"pretrained={checkpoint},lens_probes=attention"
    alone = evaluate("aquaria", model, task_manager=tasks, batch_size=1, output="alone")
    found = evaluate("aquaria", model, task_manager=tasks, batch_size=3, output="three")
    assert found.texts("aquaria") == alone.texts("aquaria")
    plain = evaluate("aquaria", f"pretrained={checkpoint},lens=False", task_manager=tasks, output="plain")
    assert plain.texts("aquaria") == alone.texts("aquaria")
    records = sorted(found.run.records(), key=lambda record: record.doc_id)
    assert [len(record.sounds) for record in records] == [2, 1, 2]
    assert {sound["rate"] for record in records for sound in record.sounds} == {44_100}
    assert records[0].sounds[0]["duration"] == pytest.approx(0.3)
    assert len({record.fingerprint["media"] for record in records}) == 3
    for record in records:
        assert record.image_sha256 == () and MARK.count("AUDIO") == 1
        if record.status != "ok":
            continue
        which = record.probes["sound_tokens"]["sound"]
        assert sorted(set(which)) == list(range(len(record.sounds)))
        assert record.probes["attention"]["map"].shape[1] == len(which)
        assert record.probe_status["boxes"].startswith("no_geometry: its tokens stand for sounds")
    assert any(record.status == "ok" for record in records)


def test_choices_with_sounds_are_scored_by_the_model(
    evaluate: Evaluate, tasks: TaskManager, folder: Path, checkpoint: Path
) -> None:
    found = evaluate("choice", f"pretrained={checkpoint}", task_manager=tasks, limit=1, apply_chat_template=False)
    (sample,) = found.results["samples"]["choice"]
    doc = Dataset.from_parquet(str(folder / "ruenvaqa" / "data.parquet"))[0]
    sound = np.asarray(doc["inputs"]["audio"]["array"], np.float32)
    loaded = load_model(str(checkpoint), device="cpu")
    for choice, (scored, _) in zip(("A B", "B", "C A"), sample["filtered_resps"], strict=True):
        ids = loaded.tokenizer(choice, add_special_tokens=False)["input_ids"]
        text = f"{prompt_of(doc, 1)} {choice}"
        inputs = loaded.processor(text=[text], audio=[sound], sampling_rate=16_000, return_tensors="pt")
        assert inputs["input_ids"][0, -len(ids) :].tolist() == ids
        with torch.inference_mode():
            logits = loaded.model(**inputs).logits[0, -len(ids) - 1 : -1].double().numpy()
        expected = sum(log_softmax(row)[token] for row, token in zip(logits, ids, strict=True))
        assert scored == pytest.approx(expected, abs=1e-4)  # logits below 16 in fp32, three of them added up


@pytest.mark.parametrize(
    ("visual", "audio", "said"),
    [
        (
            [],
            [{"array": [0.0] * 800, "sampling_rate": 16_000}] * 2,
            "the request has 2 sounds, and its prompt 1 <audio>",
        ),
        ([], [{"array": [], "sampling_rate": 16_000}], "sound 0: its sound has no samples"),
        ([b"PNG"], [], "image 0: the image cannot be read"),
        ([3], [], "image 0: expected an image .*, found int"),
    ],
)
def test_what_does_not_fit_is_named(checkpoint: Path, visual: list[Any], audio: list[Any], said: str) -> None:
    from lm_eval.api.instance import Instance

    model = HFMultimodalLens(str(checkpoint), device="cpu", batch_size=1)
    request = Instance(
        "generate_until",
        {"id": 1},
        ("<audio> Is there", {"until": ["\n\n"], "max_gen_toks": 2}, {"visual": visual, "audio": audio}),
        0,
        metadata=("mine", 7, 1),
    )
    with pytest.raises(InputError, match=f"task mine, document 7.*{said}"):
        model.recorded([request], True)


def test_a_model_for_pictures_hears_nothing_and_says_so(evaluate: Evaluate, tasks: TaskManager) -> None:
    with pytest.raises(InputError, match=r"Qwen2VLProcessor names nothing that stands for .* audio in a prompt"):
        evaluate("ruenvaqa", task_manager=tasks, limit=1)


def test_sounds_of_images_are_taken_and_under_vllm_refused() -> None:
    from types import SimpleNamespace

    sound = {"array": tone(440).samples, "sampling_rate": 16_000}
    request = SimpleNamespace(args=("?", {}, {"visual": [Image.new("RGB", (2, 2)), sound], "video": ["a.mp4"]}))
    require_readable(request, "document 7")
    with pytest.raises(
        InputError, match=r"document 7: the request has videos and sounds; this model class takes images"
    ):
        require_readable(request, "document 7", other=False)


def test_another_family_hears_where_its_chat_template_puts_sounds(
    evaluate: Evaluate, tasks: TaskManager, folder: Path, tmp_path: Path
) -> None:
    if Version(transformers.__version__) < Version("5"):
        pytest.skip("transformers 4 builds no processor of another family here")
    path = hearing_checkpoint("qwen2_5_omni_thinker", tmp_path / "omni")
    found = evaluate("aquaria", f"pretrained={path}", task_manager=tasks, batch_size=2)
    processor = load_model(str(path), device="cpu").processor
    for doc, text in zip(
        Dataset.from_parquet(str(folder / "aquaria" / "data.parquet")), found.texts("aquaria"), strict=True
    ):
        given = [doc["inputs"].get(name) for name in ("audio_1", "audio_2")]
        heard = [soxr.resample(np.asarray(each["array"], np.float32), 44_100, 16_000) for each in given if each]
        prompt = prompt_of(doc, len(heard)).replace(MARK, f"{processor.audio_token} ")
        assert text == by_hand(path, prompt, heard)


def test_the_bundled_model_answers_its_benchmark_as_under_the_stock_class(
    evaluate: Evaluate, tasks: TaskManager, stock: Any
) -> None:
    path = Path(resolve_pretrained("lens_tiny_audio"))
    theirs = evaluate("sound_mini", model=stock(path), task_manager=tasks, limit=8, output="stock")
    ours = evaluate("sound_mini", "pretrained=lens_tiny_audio", task_manager=tasks, limit=8, batch_size=1)
    assert ours.texts("sound_mini") == theirs.texts("sound_mini")
    assert ours.value("sound_mini", "exact_match") == theirs.value("sound_mini", "exact_match") > 0.5
    assert ours.value("sound_mini", "lens_coverage") == 1

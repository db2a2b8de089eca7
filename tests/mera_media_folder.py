"""Tasks with sounds and videos of the form of MERA's own: one folder a data set, its fields and its YAML settings.

What is made here is short: tones, and videos of smooth colours. `fork.py` stands for what the MERA fork of lm-eval
adds: the key `doc_to_video`, whose result is `args[2]["video"]`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset
from made_videos import pictures, write_video

from benchmarks.coverage.hearing import tone

__all__ = ["AUDIO", "MEDIA_TASKS", "VIDEO", "write_media_tasks"]

VIDEO = ("commonvideoqa", "realvideoqa", "ruhhh_video")
AUDIO = ("ruenvaqa", "aquaria", "ruslun", "rutie_audio_default")
MEDIA_TASKS = (*VIDEO, *AUDIO)

_FORK = """
from lm_eval.api.task import ConfigurableTask


class ForkTask(ConfigurableTask):
    MULTIMODAL = True

    def __init__(self, data_dir=None, cache_dir=None, download_mode=None, config=None):
        config = {name: value for name, value in dict(config).items() if name != "class"}
        self.doc_to_video = config.pop("doc_to_video", None)
        super().__init__(data_dir, cache_dir, download_mode, config)

    def construct_requests(self, doc, ctx, **kwargs):
        request = super().construct_requests(doc, ctx, **kwargs)
        if self.doc_to_video is not None:
            request.arguments = (*request.arguments[:2], {"visual": [], "video": self.doc_to_video(doc)})
        return request
"""

_UTILS = """
import io

import torch


class Encoded:
    def __init__(self, content):
        self._hf_encoded = {"bytes": content, "path": None}


class Samples:
    def __init__(self, array, sample_rate):
        self.data, self.sample_rate = torch.tensor([array]), sample_rate


class Decoder:
    def __init__(self, sound):
        self.sound = sound

    def get_all_samples(self):
        return Samples(self.sound["array"], self.sound["sampling_rate"])


def doc_to_text(doc):
    prompt = doc["instruction"].format(**doc["inputs"])
    for number in (1, 2):
        prompt = prompt.replace(f"<audio_{number}>", "<audio>")
    return prompt


def doc_to_video(doc):
    return [Encoded(doc["inputs"]["video"])]


def doc_to_path(doc):
    return [doc["inputs"]["video"]]


def doc_to_audio(doc):
    return [doc["inputs"]["audio"]]


def doc_to_decoders(doc):
    found = [doc["inputs"].get(f"audio_{number}") for number in (1, 2)]
    return [Decoder(each) for each in found if each is not None]
"""

_SLOTS = """

import json
import re

from lm_eval.api.filter import Filter
from lm_eval.api.registry import register_filter


class Answers(Filter):
    def apply(self, resps, docs):
        return [[re.sub(r"^```(?:json)?|```$", "", text.strip()).strip() for text in own] for own in resps]


try:
    register_filter("ruslunscoring")(Answers)
except (AssertionError, ValueError):  # the file is imported anew for each function
    pass


def process_results(doc, results):
    text = results[0][0] if isinstance(results[0], list) else results[0]
    try:
        said = json.loads(text)
    except json.JSONDecodeError:
        return {"intent_EM": 0, "slot_f1": 0.0}
    right = json.loads(doc["outputs"].replace("'", '"'))
    pairs = [{str(item) for slot in each.get("slots") or [] for item in slot.items()} for each in (said, right)]
    both = len(pairs[0] & pairs[1])
    return {
        "intent_EM": int(said.get("intent") == right.get("intent")),
        "slot_f1": 2 * both / max(1, len(pairs[0]) + len(pairs[1])),
    }
"""

_YAML = """
task: {name}
{cls}
dataset_path: parquet
dataset_kwargs:
  data_files:
    shots: {data}
    test: {data}
test_split: test
{splits}
output_type: generate_until
{media}
doc_to_text: !function utils.doc_to_text
doc_to_target: {target}
generation_kwargs: {{until: ["\\n\\n"], max_gen_toks: 4, do_sample: false, temperature: 0.0}}
{scoring}
metadata: {{version: 1.0}}
"""
_EXACT = """
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true, ignore_punctuation: true}
"""
_SLUN = """
process_results: !function utils.process_results
filter_list:
  - name: scoring
    filter:
      - {function: lowercase}
      - {function: ruslunscoring}
metric_list:
  - {metric: intent_EM, aggregation: mean, higher_is_better: true}
  - {metric: slot_f1, aggregation: mean, higher_is_better: true}
"""
_LETTERS = "ABCD"


def _options(n: int, mark: str = ". ") -> str:
    return "\n".join(f"{_LETTERS[i]}{mark}{{option_{_LETTERS[i].lower()}}}" for i in range(n))


def _texts(n: int) -> dict[str, str]:
    return {f"option_{_LETTERS[i].lower()}": text for i, text in enumerate(("Один.", "Трое.", "Двое.", "Пять.")[:n])}


def _sound(number: int, rate: int = 16_000) -> dict[str, Any]:
    sound = tone(300 + 70 * number, 0.3)
    return {"array": sound.at_rate(rate).tolist(), "sampling_rate": rate, "path": None}


def _video(folder: Path, number: int) -> bytes:
    path = write_video(folder / "made.mp4", pictures(6, 64, 64, seed=number), rate=4)
    return Path(path).read_bytes()


def _documents(name: str, folder: Path, rows: int) -> list[dict[str, Any]]:
    make: Callable[[int], dict[str, Any]] = {
        "commonvideoqa": lambda i: _common_video(folder, i),
        "realvideoqa": lambda i: _real_video(folder, i),
        "ruhhh_video": lambda i: _hhh_video(folder, i),
        "ruenvaqa": _env_audio,
        "aquaria": _aquaria,
        "ruslun": _slun,
        "rutie_audio_default": _tie_audio,
    }[name]
    return [make(number) for number in range(rows)]


def _common_video(folder: Path, number: int) -> dict[str, Any]:
    instruction = f"Вопрос: {{question}} \n{_options(4)}\nОтвечай только буквой. Для этого посмотри видео  <video>."
    inputs = {"video": _video(folder, number), "question": "Сколько тарелок?", **_texts(4)}
    meta = {"id": 600 + number, "categories": {"category": "counting"}}
    return {"instruction": instruction, "inputs": inputs, "outputs": _LETTERS[number % 4], "meta": meta}


def _real_video(folder: Path, number: int) -> dict[str, Any]:
    path = folder / f"video{number}.mp4"
    path.write_bytes(_video(folder, 10 + number))
    instruction = (
        f'Посмотри <video>. Затем ответь на вопрос "{{question}}". Не пиши ничего, кроме буквы.\n{_options(4)}'
    )
    inputs = {"video": str(path), "question": "Сколько людей прошло вправо?", **_texts(4)}
    meta = {"id": 60 + number, "categories": {"category": "counting"}}
    return {"instruction": instruction, "inputs": inputs, "outputs": "", "meta": meta}


def _hhh_video(folder: Path, number: int) -> dict[str, Any]:
    instruction = f"Определите, что на видео <video>.\nВопрос: {{question}}\n{_options(2)}\nОтвет:"
    inputs = {"video": _video(folder, 20 + number // 2), "question": "Подходит ли нам это место?", **_texts(2)}
    meta = {"id": 1900 + number, "categories": {"category": "helpful"}, "group_id": 316 + number // 2}
    return {"instruction": instruction, "inputs": inputs, "outputs": "AB"[number % 2], "meta": meta}


def _env_audio(number: int) -> dict[str, Any]:
    instruction = (
        f"Прослушайте аудиозапись.<audio> Выберите один ответ.\n\nВопрос: {{question}}\n{_options(4)}\n\nОтвет:"
    )
    inputs = {"audio": _sound(number), "question": "Где сделана запись?", **_texts(4)}
    meta = {"id": number, "categories": {"task_type": "Scene", "source_dataset": "Clotho-AQA"}}
    return {"instruction": instruction, "inputs": inputs, "outputs": _LETTERS[number % 4], "meta": meta}


def _aquaria(number: int) -> dict[str, Any]:
    two = number % 2 == 0
    heard = "Прослушайте аудио: <audio_1>, <audio_2>." if two else "Прослушайте аудио: <audio_1>."
    instruction = f"{heard} Напишите букву правильного ответа: {{question}}\n{_options(4, ') ')}\n\nОтвет:"
    inputs = {
        "audio_1": _sound(number, 44_100),
        "audio_2": _sound(number + 5, 44_100) if two else None,
        "question": "В чём различие аудиозаписей?",
        **_texts(4),
    }
    meta = {"id": 170 + number, "categories": {"task_type": "Audio comparison"}}
    return {"instruction": instruction, "inputs": inputs, "outputs": "", "meta": meta}


def _slun(number: int) -> dict[str, Any]:
    instruction = "Аудиофайл: <audio>\nВопрос:\n{question}\n\nКратко сформулируйте ответ.\n\n{annotation}"
    inputs = {
        "audio": _sound(number, 8_000),
        "question": "Внимательно послушай <audio> и классифицируй намерение (intent).",
        "annotation": "RateBook: [object_name, rating]\nAddToPlaylist: [artist, playlist]",
    }
    outputs = "{'intent': 'RateBook', 'slots': [{'object_name': 'доктор живаго'}]}"
    meta = {"id": number, "speaker": "7_female_33", "audio": {"type": "real"}}
    return {"instruction": instruction, "inputs": inputs, "outputs": outputs, "meta": meta}


def _tie_audio(number: int) -> dict[str, Any]:
    instruction = f"Освежите в памяти: <context>. Прослушайте аудио: <audio>. Выберите ответ.\n{_options(4)}\nОтвет:"
    meta = {"id": 1 + number, "type": "Вводная категория", "unified_category": "trap", "audio": {"type": "real"}}
    return {"instruction": instruction, "inputs": {"audio": _sound(number), **_texts(4)}, "outputs": "", "meta": meta}


_SETTINGS: dict[str, Mapping[str, str]] = {
    "commonvideoqa": {"media": "doc_to_video: !function utils.doc_to_video", "target": "outputs"},
    "realvideoqa": {"media": "doc_to_video: !function utils.doc_to_path", "target": "outputs"},
    "ruhhh_video": {"media": "doc_to_video: !function utils.doc_to_video", "target": "outputs"},
    "ruenvaqa": {"media": "doc_to_audio: !function utils.doc_to_audio"},
    "aquaria": {"media": "doc_to_audio: !function utils.doc_to_decoders"},
    "ruslun": {"media": "doc_to_audio: !function utils.doc_to_audio", "scoring": _SLUN},
    "rutie_audio_default": {"media": "doc_to_image: !function utils.doc_to_audio"},
}


def write_media_tasks(folder: Path, rows: int = 3) -> Path:
    """The folder for `--include_path`; data sets that MERA keeps private have empty answers."""
    for name, settings in _SETTINGS.items():
        own = folder / name
        own.mkdir(parents=True)
        data = own / "data.parquet"
        Dataset.from_list(_documents(name, own, rows)).to_parquet(str(data))
        (own / "fork.py").write_text(_FORK)
        (own / "utils.py").write_text(_UTILS + (_SLOTS if name == "ruslun" else ""))
        is_video = name in VIDEO
        filled = _YAML.format(
            name=name,
            data=data,
            cls="class: !function fork.ForkTask" if is_video else "",
            splits="training_split: shots\nfewshot_split: shots" if is_video else "validation_split: shots",
            media=settings["media"],
            target=settings.get("target", '"{{outputs}}"'),
            scoring=settings.get("scoring", _EXACT),
        )
        (own / f"{name}.yaml").write_text(textwrap.dedent(filled))
    return folder

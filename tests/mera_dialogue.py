"""ruTiE as MERA's fork of lm-eval asks it: a dialogue whose questions are shown with earlier ones and own answers.

`fork.py` makes the requests as `--pass_multimodal_args_to_chat_history --fewshot_as_multiturn` does: messages whose
media stand in the places of their marks, an earlier question as its template, and in the place of each earlier answer
`RUTIE_TARGET_<number>`. `one_by_one` asks them as the fork's evaluator does.
"""

from __future__ import annotations

import copy
import re
import textwrap
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from PIL import Image

from benchmarks.coverage.hearing import tone

__all__ = ["N_DIALOGUES", "N_TURNS", "document", "messages_of", "one_by_one", "write_dialogue_task"]

N_DIALOGUES, N_TURNS = 2, 4
_OPTIONS = "\nA. {option_a}\nB. {option_b}\nC. {option_c}\nD. {option_d}\nОтвет:"
_INSTRUCTION = {
    "image": "Сопоставьте картинку <image> с беседой. Вопрос:\n{question}" + _OPTIONS,
    "audio": "Прослушайте аудио: <audio>. Выберите ответ." + _OPTIONS,
}
_FORK = """
import re

from lm_eval.api.task import ConfigurableTask

MARK = re.compile("(<image>|<audio>)")


def parts(text, media):
    found = []
    for piece in MARK.split(text):
        if MARK.fullmatch(piece):
            kind = piece.strip("<>") + "_url"
            found.append({"type": kind, kind: media.pop(0)})
        elif piece:
            found.append({"type": "text", "text": piece})
    return found


class ForkTask(ConfigurableTask):
    MULTIMODAL = True

    def __init__(self, data_dir=None, cache_dir=None, download_mode=None, config=None):
        config = {name: value for name, value in dict(config).items() if name != "class"}
        self.shown = config.pop("turns_shown", 0)
        super().__init__(data_dir, cache_dir, download_mode, config)

    def media(self, doc):
        return list((self.config.doc_to_image or self.config.doc_to_audio)(doc))

    def construct_requests(self, doc, ctx, **kwargs):
        request = super().construct_requests(doc, ctx, **kwargs)
        number, dialogue = doc["meta"]["question_id"], doc["meta"]["dialog_id"]
        messages = []
        for earlier in self.eval_docs:
            meta = earlier["meta"]
            if meta["dialog_id"] == dialogue and number - self.shown <= meta["question_id"] < number:
                said = f"RUTIE_TARGET_{meta['question_id']}"
                messages.append({"role": "user", "content": parts(earlier["instruction"], self.media(earlier))})
                messages.append({"role": "assistant", "content": [{"type": "text", "text": said}]})
        messages.append({"role": "user", "content": parts(self.doc_to_text(doc), self.media(doc))})
        request.arguments = (messages, request.arguments[1])
        return request
"""
_UTILS = """
import base64
import io
import os

from PIL import Image


def doc_to_text(doc):
    return doc["instruction"].format(**doc["inputs"])


def load(content, folder="{folder}"):
    if os.environ.get("LOAD_BYTES") == "1":
        return content
    if os.environ.get("LOAD_BASE64") == "1":
        return {{"url": "data:image/png;base64," + base64.b64encode(content).decode("ascii")}}
    if os.environ.get("LOAD_FILES") == "1":
        path = os.path.join(folder, f"image-{{hash(content)}}.png")
        with open(path, "wb") as file:
            file.write(content)
        return {{"type": "image", "image": path}}
    return Image.open(io.BytesIO(content)).convert("RGB")


def doc_to_image(doc):
    return [load(doc["inputs"]["image"]["bytes"])]


def doc_to_audio(doc):
    return [doc["inputs"]["audio"]]
"""
_YAML = """
task: {name}
class: !function fork.ForkTask
turns_shown: {shown}
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_{kind}: !function utils.doc_to_{kind}
doc_to_text: !function utils.doc_to_text
doc_to_target: "{{{{'RUTIE_TARGET_{{idx}}'.format(idx=meta['question_id'])}}}}"
generation_kwargs: {{until: ["\\n\\n"], max_gen_toks: 3, do_sample: false, temperature: 0.0}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1.0}}
"""


def document(kind: str, dialogue: int, number: int, outputs: str = "") -> dict[str, Any]:
    """A document after MERA's `process_docs`: numbered by dialogue and question, without `meta.id`."""
    place = N_TURNS * dialogue + number
    texts = ("Один.", "Трое.", "Двое.", "Пять.")
    options = {f"option_{letter}": text for letter, text in zip("abcd", texts, strict=True)}
    shown: dict[str, Any]
    if kind == "image":
        shown = {"question": f"Сколько их, номер {place}?", "image": {"bytes": _picture(place), "path": None}}
    else:
        shown = {"audio": {"array": tone(300 + 70 * place, 0.3).samples.tolist(), "sampling_rate": 16_000}}
    meta = {"question_id": number, "dialog_id": dialogue, "type": "Вводная категория", kind: {"type": "real"}}
    return {"instruction": _INSTRUCTION[kind], "inputs": {**shown, **options}, "outputs": outputs, "meta": meta}


def _picture(place: int) -> bytes:
    """A palette image with transparency, which the loaders turn to RGB; every place another one."""
    rng, buffer = np.random.default_rng(place), BytesIO()
    picture = Image.fromarray(rng.integers(0, 255, (56, 56, 3), dtype=np.uint8))
    picture.quantize(16).save(buffer, "PNG", transparency=3)
    return buffer.getvalue()


def write_dialogue_task(folder: Path, name: str, kind: str, shown: int, outputs: Sequence[str] = ()) -> Path:
    """The folder for `--include_path` of a task whose questions see `shown` earlier ones.

    Args:
        folder: where to.
        name: of the task.
        kind: image or audio.
        shown: `--num_fewshot` of the fork.
        outputs: right answers in order; none where the data set is private.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places = [(dialogue, number) for dialogue in range(N_DIALOGUES) for number in range(N_TURNS)]
    right = [*outputs, *[""] * len(places)]
    rows = [document(kind, *place, right[i]) for i, place in enumerate(places)]
    Dataset.from_list(rows).to_parquet(str(folder / f"{kind}.parquet"))
    (folder / "fork.py").write_text(_FORK)
    (folder / "utils.py").write_text(_UTILS.format(folder=folder))
    filled = _YAML.format(name=name, shown=shown, data=folder / f"{kind}.parquet", kind=kind)
    (folder / f"{name}.yaml").write_text(textwrap.dedent(filled))
    return folder


def letter(text: str) -> str:
    """What the fork keeps of an answer for the history."""
    found = re.search(r"\b([A-D])\b", text.strip())
    return found[0] if found else "-1"


def one_by_one(generate: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """A model's `generate_until` as the fork's evaluator calls it in tasks of a dialogue."""

    def generate_until(self: Any, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        said: dict[str, str] = {}
        answers = []
        for request in requests:
            number = request.doc["meta"]["question_id"]
            for message in request.arguments[0]:
                for part in message["content"]:
                    if part["type"] == "text":
                        part["text"] = _filled(part["text"], said)
            answers += generate(self, [copy.deepcopy(request)], disable_tqdm)
            said = {} if number == N_TURNS - 1 else {**said, f"RUTIE_TARGET_{number}": letter(answers[-1])}
        return answers

    return generate_until


def _filled(text: str, said: dict[str, str]) -> str:
    for mark, answer in said.items():
        text = text.replace(mark, answer)
    return text


def messages_of(kind: str, dialogue: int, number: int, shown: int, said: Sequence[str]) -> list[dict[str, Any]]:
    """The conversation in the form of transformers, written anew: what a person would write by hand."""
    conversation: list[dict[str, Any]] = []
    for place in range(max(0, number - shown), number + 1):
        doc = document(kind, dialogue, place)
        last = place == number
        text = doc["instruction"].format(**doc["inputs"]) if last else doc["instruction"]
        before, after = text.split(f"<{kind}>")
        content = [{"type": "text", "text": before}, {"type": kind, kind: "medium"}, {"type": "text", "text": after}]
        conversation.append({"role": "user", "content": content})
        if not last:
            conversation.append({"role": "assistant", "content": [{"type": "text", "text": letter(said[place])}]})
    return conversation

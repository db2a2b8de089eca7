"""Small made data sets in the columns of tasks that the harnesses ship, where the tasks look for them.

`datasets` takes a folder of the name of a data set on the hub, in the working directory, for that data set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as PILImage

Row = dict[str, Any]
N_ROWS = 10
_TEXT, _NUMBER, _TEXTS, _PICTURE = Value("string"), Value("int64"), List(Value("string")), Image()
_THINGS = ("red cube", "small green metal sphere", "dining table", "кот")
_COLOURS = ("red", "green", "blue", "yellow")


def picture(number: int) -> PILImage.Image:
    """Noise; every number another one, of another size."""
    rng = np.random.default_rng(number)
    return PILImage.fromarray(rng.integers(0, 255, (40 + 8 * (number % 3), 64, 3), dtype=np.uint8))


@dataclass(frozen=True)
class Source:
    """One split of a data set: where it belongs, its columns, and row number -> row."""

    dataset: str
    split: str
    columns: Mapping[str, Any]
    row: Callable[[int], Row]
    config: str = "default"


def _question(i: int) -> str:
    return f"Is there a {_THINGS[i % 4]} in the image?"


def _yes_no(i: int) -> str:
    return "yes" if i % 2 else "no"


def _pope(i: int) -> Row:
    names = {"id": str(i), "question_id": str(i + 1), "image_source": f"COCO_{i // 6:06d}", "category": "adversarial"}
    return {**names, "question": _question(i), "answer": _yes_no(i), "image": picture(i)}


def _mme(i: int) -> Row:
    category = ("existence", "color", "code_reasoning")[i // 2 % 3]
    question = f"{_question(i)} Please answer yes or no."
    names = {"question_id": f"{category}/{i // 2}.png", "category": category}
    return {**names, "question": question, "answer": _yes_no(i).capitalize(), "image": picture(i // 2)}


def _ai2d(i: int) -> Row:
    return {"question": f"What colour is {_THINGS[i % 4]}?", "options": list(_COLOURS), "answer": str(i % 4),
            "image": picture(i)}  # fmt: skip


def _chartqa(i: int) -> Row:
    kind = ("human_test", "augmented_test")[i % 2]
    return {"type": kind, "question": f"How many bars are {_COLOURS[i % 4]}?", "answer": str(i), "image": picture(i)}


def _document(i: int) -> Row:
    return {"questionId": str(i), "question": f"What is the colour of line {i}?",
            "answers": [_COLOURS[i % 4], _COLOURS[i % 4].upper()], "image": picture(i)}  # fmt: skip


def _ten_answers(i: int) -> Row:
    answers = [_COLOURS[i % 4]] * 7 + [_COLOURS[(i + 1) % 4]] * 3
    return {"question_id": str(i), "question": f"what colour is {_THINGS[i % 4]}?", "answers": answers,
            "image": picture(i)}  # fmt: skip


def _vqav2(i: int) -> Row:
    votes = [_yes_no(i)] * 7 + [_yes_no(i + 1)] * 3
    answers = [{"answer": vote, "answer_confidence": "yes", "answer_id": place} for place, vote in enumerate(votes)]
    kinds = {"question_type": "is there a", "multiple_choice_answer": _yes_no(i), "answer_type": "yes/no"}
    return {"question_id": i, "question": _question(i), "answers": answers, "image": picture(i), **kinds}


def _science(i: int) -> Row:
    hint = "Look at the picture." if i % 2 else ""
    return {"hint": hint, "question": f"Which colour is {_THINGS[i % 4]}?", "choices": list(_COLOURS), "answer": i % 4,
            "image": picture(i)}  # fmt: skip


def _realworld(i: int) -> Row:
    options = "\n".join(f"{letter}. {colour}" for letter, colour in zip("ABCD", _COLOURS, strict=True))
    question = f"What colour is it?\n{options}\nPlease answer directly with only the letter of the correct option."
    return {"question": question if i % 2 else _question(i), "answer": "ABCD"[i % 4] if i % 2 else _yes_no(i // 2),
            "image": picture(i)}  # fmt: skip


_ANSWERS = {"answers": _TEXTS, "question": _TEXT, "image": _PICTURE}
_ANNOTATED = {**_ANSWERS, "question_id": _TEXT}
_VOTES = List({"answer": _TEXT, "answer_confidence": _TEXT, "answer_id": _NUMBER})

LMMS_EVAL: dict[str, Source] = {
    "pope": Source(
        "lmms-lab-encoder/POPE", "test",
        dict.fromkeys(("id", "question_id", "image_source", "category", "question", "answer"), _TEXT)
        | {"image": _PICTURE},
        _pope,
    ),
    "mme": Source(
        "lmms-lab-encoder/MME", "test",
        {**dict.fromkeys(("question_id", "category", "question", "answer"), _TEXT), "image": _PICTURE}, _mme,
    ),
    "ai2d": Source(
        "lmms-lab-encoder/ai2d", "test",
        {"question": _TEXT, "options": _TEXTS, "answer": _TEXT, "image": _PICTURE}, _ai2d,
    ),
    "chartqa": Source(
        "lmms-lab-encoder/ChartQA", "test",
        {**dict.fromkeys(("type", "question", "answer"), _TEXT), "image": _PICTURE}, _chartqa,
    ),
    "docvqa_val": Source(
        "lmms-lab-encoder/DocVQA", "validation", {**_ANSWERS, "questionId": _TEXT}, _document, "DocVQA"
    ),
    "infovqa_val": Source(
        "lmms-lab-encoder/DocVQA", "validation", {**_ANSWERS, "questionId": _TEXT}, _document, "InfographicVQA"
    ),
    "textvqa_val": Source(
        "lmms-lab-encoder/textvqa", "validation", {**_ANNOTATED, "ocr_tokens": _TEXTS},
        lambda i: {**_ten_answers(i), "ocr_tokens": ["stop"]},
    ),
    "scienceqa_img": Source(
        "lmms-lab-encoder/ScienceQA", "test",
        {"hint": _TEXT, "question": _TEXT, "choices": _TEXTS, "answer": _NUMBER, "image": _PICTURE}, _science,
        "ScienceQA-IMG",
    ),
    "ok_vqa_val2014": Source("lmms-lab-encoder/OK-VQA", "val2014", _ANNOTATED, _ten_answers),
    "realworldqa": Source(
        "lmms-lab-encoder/RealWorldQA", "test", {"question": _TEXT, "answer": _TEXT, "image": _PICTURE}, _realworld
    ),
    "vizwiz_vqa_val": Source("lmms-lab-encoder/VizWiz-VQA", "val", _ANNOTATED, _ten_answers),
    "vqav2_val": Source(
        "lmms-lab-encoder/VQAv2", "validation",
        {"question_id": _NUMBER, "answers": _VOTES, "image": _PICTURE}
        | dict.fromkeys(("question", "question_type", "multiple_choice_answer", "answer_type"), _TEXT),
        _vqav2,
    ),
}  # fmt: skip
"""Twelve tasks of lmms-eval 0.7.3 -> the split that they are asked about."""


def _mmmu(i: int) -> Row:
    """One image, or two in every third row; every fourth question is open."""
    two, is_open = i % 3 == 2, i % 4 == 3
    question = "Which of them is like <image 2>?" if two else f"What is the {_COLOURS[i % 4]} one?"
    images = {f"image_{place}": picture(10 * i + place) if place <= 1 + two else None for place in range(1, 8)}
    kind = {"question_type": "open", "options": "[]", "answer": "red"}
    if not is_open:
        kind = {"question_type": "multiple-choice", "options": repr(list(_COLOURS)), "answer": "ABCD"[i % 4]}
    return {"id": f"validation_{i}", "question": f"<image 1> {question}", **kind, **images}


def _chart(i: int) -> Row:
    return {"query": f"How many bars are {_COLOURS[i % 4]}?", "label": [str(i)], "image": picture(i)}


def _pisa(i: int) -> Row:
    return {"question": _question(i), "choices": repr(list(_COLOURS)), "answer": "ABCD"[i % 4], "image": picture(i)}


_MMMU = {**dict.fromkeys(("id", "question", "answer", "question_type", "options"), _TEXT)}
_MMMU |= {f"image_{place}": _PICTURE for place in range(1, 8)}
_SUBJECTS = ("Accounting", "Art", "Biology", "Chemistry", "History", "Math", "Physics")
_PISA = {"question": _TEXT, "choices": _TEXT, "answer": _TEXT, "image": _PICTURE}

LM_EVAL: dict[str, Source] = {
    **{
        f"mmmu_val_{subject.lower()}": Source("MMMU/MMMU", "validation", _MMMU, _mmmu, subject) for subject in _SUBJECTS
    },
    **{
        task: Source("HuggingFaceM4/ChartQA", "test", {"query": _TEXT, "label": _TEXTS, "image": _PICTURE}, _chart)
        for task in ("chartqa", "chartqa_llama", "chartqa_llama_90")
    },
    **{f"pisa_{language}": Source("PisaBench/pisa-bench", language, _PISA, _pisa) for language in ("en", "de")},
}
"""Twelve tasks of lm-eval 0.4.13 with images, all that need no judge -> the split that they are asked about."""


def write_sources(folder: Path, sources: Mapping[str, Source]) -> Path:
    """Write the data sets of tasks into `folder`, which is to be the working directory."""
    places: dict[str, dict[str, dict[str, str]]] = {}
    for source in sources.values():
        file = Path(source.dataset) / source.config / f"{source.split}-00000-of-00001.parquet"
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        rows = [source.row(i) for i in range(N_ROWS)]
        Dataset.from_list(rows, features=Features(dict(source.columns))).to_parquet(str(folder / file))
        splits = places.setdefault(source.dataset, {}).setdefault(source.config, {})
        splits[source.split] = f"{source.config}/{source.split}-*"
    for dataset, configs in places.items():
        lines = ["---", "configs:"]
        for config, splits in configs.items():
            lines += [f"- config_name: {config}", "  data_files:"]
            for split, path in splits.items():
                lines += [f"  - split: {split}", f"    path: {path}"]
        (folder / dataset / "README.md").write_text("\n".join([*lines, "---", ""]))
    return folder

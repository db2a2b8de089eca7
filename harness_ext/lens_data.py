"""What a lens is learnt from, as users name it: a folder of pictures, a file of questions, or a task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from harness_ext.model_check import load_task, spread, task_requests
from lens_engine import Request
from lens_engine.question import Question
from lens_models import InputError, LensArgumentError, LoadedModel
from lens_models.video import VideoSampling

__all__ = ["QUESTION", "lens_requests"]

QUESTION = "Describe the image."
_FILES = ("questions.jsonl", "metadata.jsonl")
_PICTURES = ("image", "file_name")
"""What a line of the file calls its picture; the second is the name in image folders of `datasets`."""


def lens_requests(
    data: str, loaded: LoadedModel, count: int, *, question: str = QUESTION, include_path: Path | None = None
) -> tuple[list[Request], str]:
    """Up to `count` prompts, spread evenly over the data, and what the data is, in words.

    Args:
        data: a folder of pictures, with their questions in questions.jsonl or metadata.jsonl, or without; such a file;
            or a task of lmms-eval. A line may have "boxes" of what is asked about, in the forms of docs/boxes.md,
            and "steps" of the program that answers it, in the form of docs/reasoning.md.
        loaded: the model that is asked.
        count: prompts; 0 takes all.
        question: asked about each picture that has none of its own.
        include_path: a folder of task YAMLs.

    Raises:
        TaskError: neither a file or folder nor a task.
        InputError: a folder without pictures, a line that is no question, a picture that is not there.
    """
    path = Path(data).expanduser()
    if not path.exists():
        task = load_task(data, include_path)
        return task_requests(task, loaded, count or len(task.eval_docs)), f"the task {data}"
    asked = list(_of_folder(path, question) if path.is_dir() else _of_file(path, question))
    if not asked:
        raise InputError(f"{path} holds no pictures and no questions; expected pictures, or {' or '.join(_FILES)}")
    chosen = [asked[place] for place in spread(len(asked), count or len(asked))]
    questions = [_question(each, path) for each in chosen]
    sampling = VideoSampling()
    requests = [
        each.request(("lens", number, 0, 0), loaded.processor, None, sampling) for number, each in enumerate(questions)
    ]
    return requests, path.name


def _of_folder(folder: Path, question: str) -> Iterator[dict[str, Any]]:
    for name in _FILES:
        if (folder / name).is_file():
            yield from _of_file(folder / name, question)
            return
    known = Image.registered_extensions()
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in known:
            yield {"image": str(path), "question": question}


def _of_file(path: Path, question: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            yield _asked(line, f"{path}, line {number}", path.parent, question)


def _asked(line: str, where: str, folder: Path, question: str) -> dict[str, Any]:
    try:
        given = json.loads(line)
    except ValueError as error:
        raise InputError(f'{where}: {error}; expected JSON such as {{"image": "a.png", "question": "..."}}') from error
    if not isinstance(given, dict) or not any(isinstance(given.get(name), str) for name in (*_PICTURES, "question")):
        raise InputError(f'{where}: expected "image" (or "file_name") and "question" as texts, found {line[:100]}')
    picture = next((given[name] for name in _PICTURES if isinstance(given.get(name), str)), None)
    shown = {} if picture is None else {"image": str(folder / picture)}
    places = {name: given[name] for name in ("boxes", "steps") if given.get(name) is not None}
    return {**shown, **places, "question": str(given.get("question", question))}


def _question(given: dict[str, Any], path: Path) -> Question:
    try:
        return Question.parse(given, {})
    except (FileNotFoundError, LensArgumentError) as error:
        raise InputError(f"{path}: {error}") from error

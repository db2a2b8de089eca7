"""Documents in the forms of MMMU (lettered options) and MathVista (a number as the answer), for both harnesses."""

from __future__ import annotations

from pathlib import Path

from datasets import Dataset
from PIL import Image

__all__ = ["CHOICE", "INSIDE", "NEVER_CLOSED", "NUMBER", "SCRIPTS", "STEPS", "write_reasoning_tasks"]

CHOICE, NUMBER = "choice_like", "number_like"
STEPS = "The cube is red. A sphere was blue!"
NEVER_CLOSED, INSIDE = "never closed", "answered inside"
SCRIPTS = {
    # what is said, whether the template opens the block, task, status of the sample, status of the steps, steps
    "opened by the template": (f"{STEPS}</think>B", True, CHOICE, "ok", "ok", 2),
    "opened by the model": (f"<think>{STEPS}</think>B", False, CHOICE, "ok", "ok", 2),
    NEVER_CLOSED: (STEPS, True, CHOICE, "no_answer", "no_answer: the answer was not located", 2),
    INSIDE: ("<think>The cube is red. Answer: B</think>", False, CHOICE, "no_answer", "no_answer: the answer was", 2),
    "a number": (f"{STEPS}</think>3", True, NUMBER, "ok", "open: the answer is none of the task's candidates", 2),
}

_UTILS = """
import ast


def pictures(doc, *args, **kwargs):
    return [doc["image_1"].convert("RGB")]


def choice_text(doc, *args, **kwargs):
    options = ast.literal_eval(doc["options"])
    lettered = "\\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", options))
    return f"{PLACE}{doc['question']}\\n{lettered}\\nThink, then answer with the option's letter."


def number_text(doc, *args, **kwargs):
    return f"{PLACE}Hint: answer with an integer at the end, e.g., 1, 2, 3.\\nQuestion: {doc['question']}"


def score(doc, results):
    return {"exact": float(results[0].endswith(doc["answer"]))}
"""
_YAML = """
task: {task}
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
{image}: !function utils.pictures
doc_to_text: !function utils.{text}
doc_to_target: answer
generation_kwargs: {{{length}: 40, do_sample: false, temperature: 0.0}}
process_results: !function utils.score
metric_list: [{{metric: exact, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 1.0}}
"""
_FORMS = {"lm_eval": ("doc_to_image", "max_gen_toks", "<image>"), "lmms_eval": ("doc_to_visual", "max_new_tokens", "")}


def write_reasoning_tasks(folder: Path, harness: str) -> Path:
    """Write two tasks of two documents each for `lm_eval` or `lmms_eval`."""
    image, length, place = _FORMS[harness]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "utils.py").write_text(f"PLACE = {place!r}\n{_UTILS}")
    for task, text, rows in ((CHOICE, "choice_text", _choices()), (NUMBER, "number_text", _numbers())):
        Dataset.from_list(rows).to_parquet(str(folder / f"{task}.parquet"))
        form = {"task": task, "data": folder / f"{task}.parquet", "image": image, "text": text, "length": length}
        (folder / f"{task}.yaml").write_text(_YAML.format(**form))
    return folder


def _picture(number: int) -> Image.Image:
    return Image.new("RGB", (64, 48), (40 * number + 20, 90, 160))


def _choices() -> list[dict[str, object]]:
    return [
        {
            "id": f"validation_Art_{number}", "question": f"What is in picture {number}?",
            "options": "['a cube', 'a sphere', 'a cylinder', 'nothing']", "answer": "AB"[number],
            "question_type": "multiple-choice", "image_1": _picture(number),
        }
        for number in range(2)
    ]  # fmt: skip


def _numbers() -> list[dict[str, object]]:
    return [
        {
            "pid": str(number), "question": f"How many cubes are in picture {number}?", "answer": str(2 + number),
            "question_type": "free_form", "answer_type": "integer", "precision": 0.0, "image_1": _picture(number),
        }
        for number in range(2)
    ]  # fmt: skip

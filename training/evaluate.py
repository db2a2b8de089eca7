"""Score a model folder on the bundled benchmarks by generating: ``python -m training.evaluate --model DIR``.

Prompts are those of the tasks (POPE's stock prompt; MERA's instruction with the picture in its place). A MERA answer
counts when all of it, or the part after ОТВЕТ, equals the gold answer without regard to case and punctuation.
"""

from __future__ import annotations

import argparse
import json
import random
import string
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from lens_tasks.folders import MINIS
from training.prompts import STOCK_TAIL

NAMES = ("pope_mini", "clevr_mini", "ruclevr_mini", "weird_mini")


@dataclass(frozen=True)
class Item:
    """One test question: user's content, gold answer and the group it is reported under."""

    content: list[dict[str, Any]]
    gold: str
    group: str


@dataclass(frozen=True)
class Score:
    """Share of right answers, of exact whole answers, and what the most frequent gold answer would get."""

    questions: int
    accuracy: float
    exact: float
    majority: float


def _picture(cell: dict[str, Any]) -> Image.Image:
    return Image.open(BytesIO(cell["bytes"])).convert("RGB")


def _mera(row: dict[str, Any]) -> list[dict[str, Any]]:
    text = row["instruction"].format(**{k: v for k, v in row["inputs"].items() if k != "image"})
    before, after = text.split("<image>")
    parts = [{"type": "text", "text": before}] if before else []
    return [*parts, {"type": "image", "image": _picture(row["inputs"]["image"])}, {"type": "text", "text": after}]


def load_items(name: str, limit: int | None = None) -> list[Item]:
    """Test questions of a benchmark, a random part of them when limited."""
    rows = pq.read_table(MINIS / f"{name}.parquet").to_pylist()
    if limit is not None:
        rows = random.Random(0).sample(rows, min(limit, len(rows)))
    items = []
    for row in rows:
        if name in ("pope_mini", "clevr_mini"):
            text = {"type": "text", "text": row["question"] + STOCK_TAIL}
            group = row["category" if name == "pope_mini" else "question_family"]
            items.append(Item([{"type": "image", "image": _picture(row["image"])}, text], row["answer"], group))
        else:
            meta = row["meta"]
            group = meta.get("question_type") or meta["categories"]["commonsense_violation_subgroup"]
            items.append(Item(_mera(row), row["outputs"], group))
    return items


def plain(text: str) -> str:
    """Without case and punctuation at the ends."""
    return text.strip().strip(string.punctuation + " ").lower()


def right(answer: str, gold: str) -> bool:
    """Whether the whole answer, or the part after the last ОТВЕТ, is the gold answer."""
    return plain(gold) in (plain(answer), plain(answer.rsplit("ОТВЕТ", 1)[-1]))


@torch.inference_mode()
def answers(model: Any, processor: Any, items: list[Item], batch: int, tokens: int) -> list[str]:
    """Greedy answers, in order."""
    done = []
    for start in range(0, len(items), batch):
        part = items[start : start + batch]
        chats = [[{"role": "user", "content": item.content}] for item in part]
        texts = [processor.apply_chat_template(c, tokenize=False, add_generation_prompt=True) for c in chats]
        pictures = [next(p["image"] for p in item.content if p["type"] == "image") for item in part]
        inputs = processor(text=texts, images=pictures, padding=True, return_tensors="pt")
        out = model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
        done += processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return done


def score(items: list[Item], given: list[str]) -> Score:
    """Accuracy beside the majority-class baseline."""
    golds = Counter(item.gold for item in items)
    return Score(
        questions=len(items),
        accuracy=sum(right(a, i.gold) for a, i in zip(given, items, strict=True)) / len(items),
        exact=sum(a.strip() == i.gold for a, i in zip(given, items, strict=True)) / len(items),
        majority=max(golds.values()) / len(items),
    )


def evaluate(folder: Path, names: tuple[str, ...], batch: int, limit: int | None) -> dict[str, dict[str, Score]]:
    """Scores by benchmark, overall (``all``) and for each group."""
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder)
    result = {}
    for name in names:
        items = load_items(name, limit)
        given = answers(model, processor, items, batch, 4 if name in ("pope_mini", "clevr_mini") else 32)
        groups: dict[str, list[int]] = defaultdict(list)
        for index, item in enumerate(items):
            groups[item.group].append(index)
        result[name] = {"all": score(items, given)}
        for group, where in sorted(groups.items()):
            result[name][group] = score([items[i] for i in where], [given[i] for i in where])
        print(name, Counter(given).most_common(6))
    return result


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the scores here as well")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    result = evaluate(args.model, tuple(args.tasks), args.batch, args.limit)
    for name, groups in result.items():
        for group, one in groups.items():
            print(f"{name:13} {group:26} {one.questions:4} {one.accuracy:6.1%} majority {one.majority:6.1%}")
    if args.json is not None:
        plain_result = {name: {g: asdict(s) for g, s in groups.items()} for name, groups in result.items()}
        args.json.write_text(json.dumps(plain_result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

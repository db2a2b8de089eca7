"""Write the model card from measured scores: ``python -m training.card --scores scores.json --model DIR``."""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.parquet as pq
from safetensors import safe_open

from lens_tasks.folders import MINIS

TEXT = Path(__file__).with_name("card.md")
NAMES = ("pope_mini", "clevr_mini", "ruclevr_mini", "weird_mini")


def score_table(scores: dict[str, dict[str, dict[str, float]]]) -> str:
    """Markdown: one line for each benchmark and each group of its questions."""
    lines = [
        "| benchmark | questions | accuracy | whole answer exact | majority class |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in NAMES:
        for group, one in scores[name].items():
            label = f"**{name}**" if group == "all" else f"{name}: {group}"
            lines.append(
                f"| {label} | {one['questions']:.0f} | {one['accuracy']:.1%} | {one['exact']:.1%} "
                f"| {one['majority']:.1%} |"
            )
    return "\n".join(lines)


def blind(name: str) -> float:
    """What the most frequent answer of each question type (and queried attribute) would get on a benchmark."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    rows = pq.read_table(MINIS / f"{name}.parquet").to_pylist()
    for row in rows:
        if "meta" in row:
            answers[row["meta"]["question_type"]][row["outputs"]] += 1
        else:
            answers[json.loads(row["program"])[-1]["function"]][row["answer"]] += 1
    return sum(max(counts.values()) for counts in answers.values()) / len(rows)


def parameters(folder: Path) -> int:
    """Number of weights in a model folder."""
    total = 0
    with safe_open(folder / "model.safetensors", framework="np") as file:
        for name in file.keys():  # noqa: SIM118 - not a mapping
            size = 1
            for extent in file.get_slice(name).get_shape():
                size *= extent
            total += size
    return total


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--scores", type=Path, required=True, help="written by training.evaluate --json")
    args = parser.parse_args()
    scores = json.loads(args.scores.read_text(encoding="utf-8"))
    text = TEXT.read_text(encoding="utf-8")
    text = text.replace("{scores}", score_table(scores)).replace("{parameters}", f"{parameters(args.model):,}")
    for name in ("clevr_mini", "ruclevr_mini"):
        text = text.replace(f"{{blind_{name.removesuffix('_mini')}}}", f"{blind(name):.1%}")
    (args.model / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

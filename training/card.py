"""Write the model card from the records of a run: ``python -m training.card --run DIR --model DIR``."""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from safetensors import safe_open

from lens_results import load
from lens_tasks.folders import MINIS

TEXT = Path(__file__).with_name("card.md")
LENIENT = {
    "pope_mini": "score.pope_accuracy_lenient",
    **dict.fromkeys(("clevr_mini", "ruclevr_mini", "weird_mini"), "score.exact_match_lenient"),
}
"""Benchmark -> the score that counts answers of any form."""


def score_table(samples: pd.DataFrame) -> str:
    """Markdown: one line for each benchmark and each group of its questions; ``samples`` are those of a run."""
    lines = [
        "| benchmark | questions | accuracy | whole answer exact | majority class |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, lenient in LENIENT.items():
        part = samples[samples["task"] == name]
        gold = part["gold"].map(lambda texts: texts[0])
        frame = pd.DataFrame({"right": part[lenient], "exact": part["response"].str.strip() == gold, "gold": gold})
        groups = part["question_type"] if name != "weird_mini" else part["doc_id"].map(_rule_broken().get)
        for label, rows in [
            (f"**{name}**", frame),
            *((f"{name}: {group}", rows) for group, rows in frame.groupby(groups)),
        ]:
            majority = rows["gold"].value_counts().max() / len(rows)
            lines.append(
                f"| {label} | {len(rows)} | {rows['right'].mean():.1%} | {rows['exact'].mean():.1%} | {majority:.1%} |"
            )
    return "\n".join(lines)


def _rule_broken() -> dict[int, Any]:
    """Document number of weird_mini -> the rule that its pair breaks."""
    metas = pq.read_table(MINIS / "weird_mini.parquet", columns=["meta"])["meta"].to_pylist()
    return {number: meta["categories"]["commonsense_violation_subgroup"] for number, meta in enumerate(metas)}


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
    parser.add_argument("--run", type=Path, required=True, help="output folder of lmms-eval with the tasks lens_mini")
    args = parser.parse_args()
    text = TEXT.read_text(encoding="utf-8")
    text = text.replace("{scores}", score_table(load(args.run).samples)).replace(
        "{parameters}", f"{parameters(args.model):,}"
    )
    for name in ("clevr_mini", "ruclevr_mini"):
        text = text.replace(f"{{blind_{name.removesuffix('_mini')}}}", f"{blind(name):.1%}")
    (args.model / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Is a model better with its steps? ``python -m training.steps_table --steps RUN --start RUN`` prints the table."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from lens_report.stats import holm, paired
from lens_results import load
from lens_tasks.folders import MINIS

SCORE = "score.exact_match_lenient"
WITH, WITHOUT = "reasoning_mini", "reasoning_mini_direct"


def steps_table(own: pd.DataFrame, start: pd.DataFrame) -> str:
    """Markdown: accuracy with and without written steps by number of steps and language, paired by question.

    Differences have 95 % intervals clustered by picture; p is corrected for all rows of the table (Holm).

    Args:
        own: samples of a run of both tasks.
        start: samples of the same of the model that training began with.
    """
    groups = own.loc[own["task"] == WITH].set_index("doc_id")[["question_type", "cluster"]]
    values = {
        "start": _scores(start, WITHOUT),
        "without": _scores(own, WITHOUT),
        "with": _scores(own, WITH),
    }
    languages = pq.read_table(MINIS / "reasoning_mini.parquet", columns=["language"])["language"].to_pylist()
    frame = groups.assign(**values, language=[languages[number] for number in groups.index])
    frame["steps"] = frame["question_type"].str.split().str[0].astype(int)
    parts = [(f"{count} steps", frame[frame["steps"] == count]) for count in sorted(frame["steps"].unique())]
    parts += [("3 steps and more", frame[frame["steps"] >= 3])]
    parts += [(f"the same, {name}", part) for name, part in frame[frame["steps"] >= 3].groupby("language")]
    found = [paired(part["without"], part["with"], part["cluster"]) for _, part in parts]
    ps = holm({label: each.p_value for (label, _), each in zip(parts, found, strict=True)})
    lines = [
        "| questions | n | lens_tiny, at once | at once | with steps | difference, points | corrected, broken | p |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (label, part), each in zip(parts, found, strict=True):
        gap = each.difference
        interval = "" if gap.low is None or gap.high is None else f" [{100 * gap.low:.1f}, {100 * gap.high:.1f}]"
        difference = "-" if gap.value is None else f"{100 * gap.value:+.1f}{interval}"
        means = (part["start"].mean(), each.mean_a, each.mean_b)
        shown = " | ".join("-" if mean is None else f"{mean:.1%}" for mean in means)
        answers = f"{each.b_higher}, {each.a_higher}"
        lines.append(f"| {label} | {len(part)} | {shown} | {difference} | {answers} | {_p(ps[label])} |")
    return "\n".join(lines)


def _scores(samples: pd.DataFrame, task: str) -> pd.Series:
    return samples.loc[samples["task"] == task].set_index("doc_id")[SCORE]


def _p(value: float | None) -> str:
    return "-" if value is None else "< .001" if value < 0.001 else f"{value:.3f}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=Path, required=True, help="run of reasoning_mini and reasoning_mini_direct")
    parser.add_argument("--start", type=Path, required=True, help="run of reasoning_mini_direct with lens_tiny")
    args = parser.parse_args()
    print(steps_table(load(args.steps).samples, load(args.start).samples))


if __name__ == "__main__":
    main()

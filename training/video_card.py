"""Write lens_tiny_video's card: ``python -m training.video_card --runs DIR --pictures RUN --before RUN --model DIR``.

The folder of runs has one of lmms-eval for each view of the videos: ``whole``, and those of `training.blind`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import pandas as pd

from lens_report.stats import Estimate, score_interval
from lens_results import load
from lens_tasks.scenes.clips.questions import QUESTIONS
from training.card import LENIENT, parameters, score_table

TEXT = Path(__file__).with_name("video_card.md")
VIEWS: Final = {"whole": "whole video", "set": "frames shuffled", "frame": "one frame", "nothing": "no video"}
SCORE: Final = "score.accuracy"


def video_table(runs: dict[str, pd.DataFrame]) -> str:
    """Markdown: accuracy by question, with 95 % intervals clustered by video; ``runs`` are samples by view."""
    head = ["id", "question", "what must be seen", "asked", *VIEWS.values()]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for name, question in QUESTIONS.items():
        parts = {view: rows[rows["question_type"].astype(str) == question.id] for view, rows in runs.items()}
        lines.append(_line([question.id, f"`{name}`", question.need], parts))
    lines.append(_line(["", "**all**", ""], runs))
    return "\n".join(lines)


def _line(cells: list[str], parts: dict[str, pd.DataFrame]) -> str:
    scores = [_shown(score_interval(parts[view][SCORE], parts[view]["cluster"])) for view in VIEWS]
    return f"| {' | '.join([*cells, str(len(parts['whole'])), *scores])} |"


def _shown(score: Estimate) -> str:
    return f"{score.value:.2f} ({score.low:.2f}–{score.high:.2f})"


def read_runs(folder: Path) -> dict[str, pd.DataFrame]:
    """Samples by view."""
    return {view: load(folder / view).samples for view in VIEWS}


def picture_table(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """Markdown: accuracy on the benchmarks of pictures of two models, with intervals clustered by picture."""
    lines = ["| benchmark | questions | lens_tiny | lens_tiny_video |", "| --- | --- | --- | --- |"]
    for name, score in LENIENT.items():
        parts = [samples[samples["task"] == name] for samples in (before, after)]
        shown = [_shown(score_interval(part[score], part["cluster"])) for part in parts]
        lines.append(f"| {name} | {len(parts[1])} | {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument(
        "--pictures", type=Path, required=True, help="output folder of lmms-eval with the tasks lens_mini"
    )
    parser.add_argument("--before", type=Path, required=True, help="the same of lens_tiny: results/main")
    parser.add_argument("--model", type=Path, required=True, help="model folder to write the card to")
    args = parser.parse_args()
    after = load(args.pictures).samples
    text = TEXT.read_text(encoding="utf-8")
    for name, value in (
        ("parameters", f"{parameters(args.model):,}"),
        ("videos", video_table(read_runs(args.runs))),
        ("pictures", picture_table(load(args.before).samples, after)),
        ("scores", score_table(after)),
    ):
        text = text.replace(f"{{{name}}}", value)
    (args.model / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

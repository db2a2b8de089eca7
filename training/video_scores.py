"""The table of perception_mini for the model card: ``python -m training.video_scores --runs DIR``.

``DIR`` has a run of lmms-eval for each view of the videos: ``whole``, and those of `training.blind`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import pandas as pd

from lens_report.stats import Estimate, score_interval
from lens_results import load
from lens_tasks.scenes.clips.questions import QUESTIONS

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


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    print(video_table(read_runs(parser.parse_args().runs)))


if __name__ == "__main__":
    main()

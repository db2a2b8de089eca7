"""What interventions do to the bundled models: ``python -m experiments.interventions --out DIR``.

Runs the plain models and each setting on the minis, in lmms-eval, greedily, and writes one comparison over all of them,
corrected for all (`DIR/compare`). Runs that are in DIR already are not repeated. `DIR/effects.csv` is what the write-up
reads as `results/interventions/effects.csv`.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from experiments.plan import HERE, Experiment
from lens_report import EffectBoard, build_effects
from lens_report.measures.task_run import changes_in_words
from lens_results import load

PLAIN = "none"
SETTINGS = (
    *("dola:1:layers=low", "dola:1:layers=high", "deco:0.6", "deco:3", "early_exit:1:layers=high:threshold=0.99"),
    *("vcd:0.5:noise=500", "vcd:1:noise=999"),
    *("pai:0.2:gamma=1.1", "pai:0.5:gamma=2", "adaptvis:1:low=0.5:high=1.2:threshold=0.3"),
    *("adaptvis:1:low=0.5:high=1.5:threshold=0.4", "icd:1", "vista:0.01", "vista:0.17"),
    *("memvr:0.12", "memvr:0.28:threshold=0.5", "crop:1:size=24", "crop:1:size=24:keep=0"),
    *("select:1:patches=4:by=attention", "select:1:patches=4:by=random"),
)
MODELS = {
    "lens_tiny": ("pope_mini", "clevr_mini", "ruclevr_mini", "weird_mini"),
    "lens_tiny_video": ("perception_mini",),
}


def experiment(model: str, setting: str, limit: int) -> Experiment:
    """One run."""
    name = f"{model}-{setting.replace(':', '_').replace('=', '')}"
    lens = {"lens_intervene": setting, "lens_thumbnails": False}
    return Experiment(name, setting, "lmms-eval", model, MODELS[model], lens, ("--limit", str(limit)))


def run(one: Experiment, out: Path, lock: Sequence[str] = ()) -> Path:
    """The folder with the records of a run, which is made if it is not there."""
    folder = out / one.name
    if not any(folder.rglob("lens_*.parquet")):
        command = one.command(Path(), folder)
        command[command.index("--model_args") + 1] = ",".join(
            f"{name}={value}" for name, value in {"pretrained": one.model, **one.lens}.items()
        )
        program = Path(sys.executable).parent / command[0]
        subprocess.run([*lock, str(program), *command[1:]], check=True, cwd=HERE.parent)
    return folder


def main() -> None:
    """Run, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--limit", type=int, default=240, help="questions a task")
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS), help="as in lens_intervene")
    parser.add_argument(
        "--prefix", nargs=argparse.REMAINDER, default=[], help="what the commands are run with, e.g. nice"
    )
    asked = parser.parse_args()
    found = {
        setting: [run(experiment(model, setting, asked.limit), asked.out, asked.prefix) for model in MODELS]
        for setting in (PLAIN, *asked.settings)
    }
    board = build_effects(found[PLAIN], [folder for setting in asked.settings for folder in found[setting]])
    board.write(asked.out / "compare")
    asked_for = {changes_in_words(load(found[setting][0])): setting for setting in asked.settings}
    stored(board, asked_for).to_csv(asked.out / "effects.csv", index=False)


def stored(board: EffectBoard, asked_for: Mapping[str, str]) -> pd.DataFrame:
    """The effects as the write-up reads them: without times, which other work on the machine changes.

    Args:
        board: of all runs.
        asked_for: an intervention as records have it -> as it was asked for, in the order of the rows.
    """
    table = pd.read_csv(io.StringIO(board.to_csv()), keep_default_na=False)
    settings, tasks = list(asked_for.values()), [task for own in MODELS.values() for task in own]
    table["intervention"] = table["intervention"].map(asked_for)
    order = {"intervention": settings.index, "task": tasks.index}
    table = table.sort_values(["intervention", "task"], key=lambda column: column.map(order[column.name]))
    return table.drop(columns=["run", "seconds_ratio", "memory_ratio", "chosen_among", "remarks"])


if __name__ == "__main__":
    main()

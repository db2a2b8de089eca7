"""Ask every model every set and keep what a predictor may see: ``python -m experiments.shifts.run``.

Writes results/shifts/answers.pq: one row an answer, the columns of `lens_report.measures.unlabelled` with the labels
beside them, and `model`, `set`. The file is Parquet; its name keeps it apart from records. Readouts and shares are
rounded to three digits behind the point, confidence and entropy are not. About a quarter of an hour of one core.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Final

import pandas as pd
import torch

from experiments.shifts.models import MODELS, Variant
from experiments.shifts.sets import SETS, ShiftedSet
from lens_engine import load
from lens_report.measures.task_run import task_runs
from lens_report.measures.unlabelled import labelled
from lens_results import load as load_run

OUT: Final = Path(__file__).parents[2] / "results" / "shifts" / "answers.pq"
DIGITS: Final = 3


def answers(model: Variant, data: ShiftedSet, work: Path) -> pd.DataFrame:
    """The frame of one model on one set, by way of its records."""
    records = work / f"{model.name}_{data.name}"
    vlm = load(str(model.write(work)), batch_size=40, controls="blank", dir=str(records), thumbnails=False, topk=1)
    vlm.ask_all(data.questions(), max_new_tokens=12)
    vlm.close()
    (task_run,) = task_runs(load_run(records))
    return labelled(task_run).assign(model=model.name, set=data.name)


def compact(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with rounded readouts and short clusters, for the file."""
    numbers = [name for name in frame.select_dtypes("float64") if name not in ("confidence", "entropy")]
    clusters = frame["cluster"].str[:12]
    shares = [None if row is None else [round(float(share), DIGITS) for share in row] for row in frame["shares"]]
    return frame.assign(cluster=clusters, shares=shares, **{name: frame[name].round(DIGITS) for name in numbers})


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--models", nargs="*", help="names; all without it")
    parser.add_argument("--sets", nargs="*", help="names; all without it")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    found = []
    with tempfile.TemporaryDirectory() as work:
        for model in MODELS:
            for data in SETS:
                if (args.models and model.name not in args.models) or (args.sets and data.name not in args.sets):
                    continue
                started = time.monotonic()
                frame = answers(model, data, Path(work))
                found.append(compact(frame))
                print(
                    f"{model.name} {data.name}: {len(frame)} answers, right {frame['right'].mean():.3f}, "
                    f"confidence {frame['confidence'].mean():.3f}, {time.monotonic() - started:.0f} s",
                    flush=True,
                )
            if found:  # after each model, so that a long run can be looked at
                whole = pd.concat(found, ignore_index=True)
                whole.to_parquet(args.out, compression="zstd", compression_level=19, index=False)


if __name__ == "__main__":
    main()

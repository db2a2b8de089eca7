"""Which lens tells more about errors: ``python -m experiments.lenses --out DIR``.

Runs lens_tiny on the four minis with each lens, in lmms-eval, greedily. The answers are the same; for each label-free
figure of the layers the AUROC of error of one lens is set against that of the logit lens on the same samples, and all
comparisons are corrected together (Holm).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from experiments.plan import HERE
from lens_report.stats import holm, paired_difference
from lens_results import Run, load

LENSES = ("logit", "tuned", "jacobian")
TASKS = ("pope_mini", "clevr_mini", "ruclevr_mini", "weird_mini")
SIGNS = {"auc_pred": -1, "commit_depth": 1, "flips": 1, "max_alt": 1, "late_drop": 1}
"""Figure -> which of its values are meant to go with errors, named beforehand; see docs/metrics.md."""


def run(lens: str, out: Path) -> Run:
    """The records of a run with one lens, which is made if it is not there."""
    folder = out / lens
    if not any(folder.rglob("lens_*.parquet")):
        program = Path(sys.executable).parent / "lmms-eval"
        words = ("--model", "hf-multimodal-lens", "--model_args", f"pretrained=lens_tiny,lens_kind={lens}")
        more = ("--tasks", ",".join(TASKS), "--batch_size", "16", "--output_path", str(folder))
        subprocess.run([str(program), *words, *more], check=True, cwd=HERE.parent)
    return load(folder)


def compared(first: Run, second: Run) -> Iterator[dict[str, object]]:
    """One row a task and figure: AUROC of error of the second run's figure minus that of the first's."""
    key = ["task", "doc_id", "request_idx", "repeat"]
    both = first.samples.merge(second.samples, on=key, suffixes=("", "_second"), validate="one_to_one")
    if len(both) != len(first) or not (both["response"] == both["response_second"]).all():
        raise RuntimeError("the runs differ in samples or answers, and a lens changes neither")
    for task, rows in both[both["correct"].notna()].groupby("task"):
        wrong = 1.0 - rows["correct"].astype(float)
        for name, sign in SIGNS.items():
            column = f"label_free.{name}"
            gap, p = paired_difference(
                sign * rows[f"{column}_second"].astype(float),
                sign * rows[column].astype(float),
                wrong,
                rows["cluster"].to_numpy(),
            )
            yield {"task": task, "figure": name, "errors": int(wrong.sum()), "n": gap.n, "difference": gap.value,
                   "low": gap.low, "high": gap.high, "p": p, "note": gap.note}  # fmt: skip


def main(words: Sequence[str] | None = None) -> None:
    """Run, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    asked = parser.parse_args(words)
    logit, *others = (run(lens, asked.out) for lens in LENSES)
    frame = pd.DataFrame(
        {"lens": lens} | row for lens, other in zip(LENSES[1:], others, strict=True) for row in compared(logit, other)
    )
    corrected = holm({str(index): None if pd.isna(p) else p for index, p in frame["p"].items()})
    frame["p_holm"] = list(corrected.values())
    print(frame.round(3).to_string(index=False))


if __name__ == "__main__":
    main()

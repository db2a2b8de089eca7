"""Run the reference experiments: ``python -m experiments.run --checkpoints DIR``; fills results/.

Each experiment is one call of an installed command. Its record files, and nothing else, go to results/NAME/. An
experiment whose checkpoint is not there is left as it is in results/, and that is said.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from experiments.plan import SHIPPED, Experiment, read_plan
from experiments.provenance import write_readme
from lens_results import Run, load

ROOT = Path(__file__).parents[1]
PACKAGES = ("mm-logit-lens", "lmms-eval", "lm-eval", "torch", "transformers", "accelerate", "datasets", "numpy")

SHOWN = re.compile(r"^score\.(.*accuracy.*|exact_match.*|format_error|no_answer)$")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def scores(run: Run) -> dict[str, dict[str, float]]:
    """Task -> the harness's per-sample scores whose mean is the score; others stay in the records."""
    frame = run.samples
    columns = [name for name in frame if SHOWN.search(name)]
    means = frame.groupby("task")[columns].mean()
    return {
        str(task): {name.removeprefix("score."): round(float(v), 6) for name, v in row.items() if np.isfinite(v)}
        for task, row in means.iterrows()
    }


def run_one(experiment: Experiment, checkpoints: Path, work: Path) -> tuple[list[Path], float]:
    """Run an experiment in an empty folder; its record files and the seconds it took.

    Raises:
        CalledProcessError: The command failed; its output was shown.
        RuntimeError: It left no record file.
    """
    out = work / experiment.name
    shutil.rmtree(out, ignore_errors=True)
    command = experiment.command(checkpoints, out)
    program = Path(sys.executable).parent / command[0]
    started = time.monotonic()
    subprocess.run([str(program), *command[1:]], cwd=ROOT, check=True)
    seconds = time.monotonic() - started
    files = sorted([*out.rglob("lens_*.parquet"), *out.rglob("lens_thumbnails_*.zip")])
    if not any(file.suffix == ".parquet" for file in files):
        raise RuntimeError(f"{experiment.name}: found no record file below {out}, expected lens_<task>_<run>.parquet")
    return files, seconds


def keep(experiment: Experiment, files: Sequence[Path], seconds: float, checkpoints: Path, out: Path) -> dict[str, Any]:
    """Copy the records to results/NAME/ in place of older ones; the entry of the manifest."""
    folder = out / experiment.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)
    weights = (
        ROOT / "lens_models" / SHIPPED if experiment.model == SHIPPED else checkpoints / experiment.model
    ) / "model.safetensors"
    run = load(folder)
    return {
        "about": experiment.about,
        "command": " ".join(experiment.command(Path("CHECKPOINTS"), Path("OUT"))),
        "weights_sha256": digest(weights),
        "created": run.info.created,
        "seconds": round(seconds),
        "samples": len(run),
        "identity_deviation": run.info.identity.run_deviation,
        "identity_argmax": run.info.identity.run_argmax,
        "scores": scores(run),
        "files": {
            file.name: {"bytes": file.stat().st_size, "sha256": digest(file)} for file in sorted(folder.iterdir())
        },
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=Path, default=Path("runs/checkpoints"), help="folder of checkpoints")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    parser.add_argument("--work", type=Path, default=Path("runs/results"), help="where the harnesses write")
    parser.add_argument("--only", nargs="*", help="names of experiments; all without it")
    args = parser.parse_args()
    manifest_file = args.out / "manifest.json"
    old = json.loads(manifest_file.read_text(encoding="utf-8")) if manifest_file.exists() else {}
    manifest: dict[str, Any] = {"versions": {}, "experiments": dict(old.get("experiments", {}))}
    plan = read_plan()
    for experiment in plan:
        if args.only and experiment.name not in args.only:
            continue
        if experiment.model != SHIPPED and not (args.checkpoints / experiment.model / "config.json").exists():
            print(f"{experiment.name}: no checkpoint {args.checkpoints / experiment.model}, kept as it is", flush=True)
            continue
        files, seconds = run_one(experiment, args.checkpoints, args.work)
        manifest["experiments"][experiment.name] = keep(experiment, files, seconds, args.checkpoints, args.out)
        manifest["versions"] = {"python": sys.version.split()[0]} | {name: metadata.version(name) for name in PACKAGES}
        made = manifest["experiments"]
        manifest["experiments"] = {one.name: made[one.name] for one in plan if one.name in made}
        manifest_file.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        write_readme(manifest, args.out / "README.md")


if __name__ == "__main__":
    main()

"""results/README.md, written from its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEAD = """# Reference runs

Records of the experiments of `experiments/plan.yaml`, in the format of
[docs/record-format.md](../docs/record-format.md). This folder is data: `make results` fills it, `make report` makes
[report/](../report/README.md) of it without running a model, and `python -m experiments.reasoning`
[report/reasoning_steps.md](../report/reasoning_steps.md) of `steps`. This file and `manifest.json` are written by
`python -m experiments.run`; `python -m experiments.compare results OTHER` says whether another machine got the same.
`shifts/answers.pq` is no run: a table of answers on shifted sets, made by `python -m experiments.shifts.run` for
[report/accuracy_without_labels.md](../report/accuracy_without_labels.md). Neither is `interventions/effects.csv`: what
interventions did to the bundled models against the plain runs, made by `python -m experiments.interventions`
([docs/interventions.md](../docs/interventions.md)).

Checkpoints other than the bundled one are not kept; `training/README.md` says how each is made. Put their folders into
`runs/checkpoints/` (CHECKPOINTS below). All runs were made on processors, in float32.
"""


def write_readme(manifest: Mapping[str, Any], path: Path) -> None:
    """Write the provenance of every run: command, scores, identity check, weights, checksums."""
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    lines = [HEAD, f"Versions: {versions}.", "", *_table(manifest["experiments"]), ""]
    for name, one in manifest["experiments"].items():
        about = one["about"][:1].upper() + one["about"][1:]
        lines += [f"## {name}", "", f"{about}.", "", "```", one["command"], "```", ""]
        took = "" if one["seconds"] is None else f" in {one['seconds']} s"
        lines += [f"Made {one['created']}{took}; weights SHA-256 `{one['weights_sha256']}`.", ""]
        lines += ["| file | bytes | SHA-256 |", "| --- | --- | --- |"]
        lines += [f"| {file} | {facts['bytes']} | `{facts['sha256']}` |" for file, facts in one["files"].items()]
        lines.append("")
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _table(experiments: Mapping[str, Any]) -> list[str]:
    lines = [
        "| run | samples | scores (means over samples) | identity: largest deviation, first choice |",
        "| --- | --- | --- | --- |",
    ]
    for name, one in experiments.items():
        shown = "; ".join(
            f"{task}: " + ", ".join(f"{metric} {value:.3f}" for metric, value in values.items())
            for task, values in one["scores"].items()
        )
        agrees = "agrees" if one["identity_argmax"] else "differs"
        lines.append(f"| {name} | {one['samples']} | {shown} | {one['identity_deviation']:.1e}, {agrees} |")
    return lines

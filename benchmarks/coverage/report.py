"""docs/coverage*.json, one a line of transformers, and docs/coverage.md, the page made of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers

from lens_models.image_tokens import GeometryReport

from .examine import TOLERANCE, Outcome
from .forced import A_BATCH, REFUSED, TWO_IMAGES

__all__ = ["rows_file", "write_geometry", "write_report"]

Row = dict[str, Any]
_NEWEST = 5
_INTRO = """# Architectures that the lens reads

Every model type that transformers maps to `AutoModelForImageTextToText`, as a tiny random model (biases and norm
weights random, so that a norm or a factor left out shows), float32, on an input with an image that changes the logits.
`exact` means: at the last layer, at every middle layer and at every step of a generation the readout is what the model
itself computes, within {tolerance:g} of the logit range. For a middle layer the model itself runs with all later blocks
passing on what they receive. `refused` means that the lens says it cannot read the model; `unbuildable` that no tiny
model or no input could be made here, so nothing is known.

`forced` says how given tokens (multiple choice, candidates of several tokens, controls) are scored: in `one pass` over
the prompt and them, `step by step` through the cache, or `refused`. Each model generates greedily, is forced to say the
same tokens, and the sums of log-probabilities are compared: on the prompt, on a padded batch of three prompts of
unequal lengths (always step by step), and with two images where the model takes them.

`geometry` says whether it is known which part of a picture each image token stands for, see
[image-tokens.md](image-tokens.md): `proven` by painting spots of a wide and a tall picture that the family's own
processor encodes; `none` where a token stands for no one part, or where that is not known; `unknown` where it could not
be tried; `refuted` where the spots say otherwise, so that it is never used. `videos` says the same of the tokens of
videos, their frames included, see [video.md](video.md); nothing where the family's processor takes no videos.
Model types that take sounds have a page of their own, [coverage-audio.md](coverage-audio.md).

`attention` says whether the attention of the decoder is read from the queries and keys in use, see
[attention.md](attention.md): `exact` with the largest difference from the weights that the model gives itself
(`output_attentions`, eager), or `refused`; and how many of its blocks attend.

Written by `python -m benchmarks.coverage` in an environment of each line of transformers.
"""
_SECTION = """
## transformers {transformers}

With torch {torch}. Of {total}: {counts}.{geometry}{attention}

"""
_COLUMNS = (
    *("model type", "class", "result", "deviation", "forced", "nats a token", "layers", "final norm", "head"),
    *("after the head", "geometry", "videos", "attention"),
)


def rows_file(version: str) -> str:
    """Name of the file with the results of a transformers version, such as "5.23.0"."""
    major = int(version.partition(".")[0])
    return "coverage.json" if major == _NEWEST else f"coverage-transformers-{major}.json"


def write_report(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write the results of the running transformers into `folder`, and the page of all results there."""
    outcomes = sorted(outcomes, key=lambda outcome: outcome.model_type)
    file = folder / rows_file(transformers.__version__)
    file.write_text(json.dumps([_row(outcome) for outcome in outcomes], indent=1) + "\n")
    _write_page(folder)


def write_geometry(
    reports: Mapping[str, GeometryReport | None], videos: Mapping[str, GeometryReport | None], folder: Path
) -> None:
    """Put what was found of the geometry of image tokens into the results of the running transformers."""
    file = folder / rows_file(transformers.__version__)
    rows = json.loads(file.read_text())
    for row in rows:
        for prefix, found in (("geometry", reports), ("video_geometry", videos)):
            report = found.get(row["model_type"])
            row.update({} if report is None else _geometry(prefix, report))
    file.write_text(json.dumps(rows, indent=1) + "\n")
    _write_page(folder)


def _geometry(prefix: str, report: GeometryReport) -> Row:
    figures = report.figures
    names = ("cases", "top1", "rank", "rival", "rival_top1", "p")
    found = {f"{prefix}_{name}": None if figures is None else getattr(figures, name) for name in names}
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}
    return {
        prefix: report.status, f"{prefix}_reason": report.reason, f"{prefix}_tokens": report.tokens, **rounded
    }  # fmt: skip


def _write_page(folder: Path) -> None:
    files = [folder / "coverage.json", *sorted(folder.glob("coverage-transformers-*.json"), reverse=True)]
    tables = [json.loads(each.read_text()) for each in files if each.exists()]
    (folder / "coverage.md").write_text(_page(tables))


def _row(outcome: Outcome) -> Row:
    found = asdict(outcome)
    return {
        "model_type": found.pop("model_type"),
        "class": found.pop("model_class"),
        **found,
        "transformers": transformers.__version__,
        "torch": torch.__version__.partition("+")[0],
    }


def _page(tables: Iterable[Sequence[Row]]) -> str:
    return _INTRO.format(tolerance=TOLERANCE) + "".join(_section(rows) for rows in tables)


def _section(rows: Sequence[Row]) -> str:
    counted = Counter(row["result"] for row in rows)
    counts = ", ".join(f"{counted[kind]} {kind}" for kind in ("exact", "refused", "unbuildable"))
    versions = {"transformers": rows[0]["transformers"], "torch": rows[0]["torch"]}
    section = _SECTION.format(
        total=len(rows), counts=counts, geometry=_geometry_counts(rows), attention=_attention_counts(rows), **versions
    )
    section += f"| {' | '.join(_COLUMNS)} |\n|{' --- |' * len(_COLUMNS)}\n"
    for row in rows:
        deviation = "" if row["deviation"] is None else f"{row['deviation']:.1e}"
        nats = "" if row.get("forced_deviation") is None else f"{row['forced_deviation']:.1e}"
        found = [row["forced"], nats, *(row[name] for name in ("layers", "norm", "head", "transform"))]
        found += [_geometry_cell(row, "geometry"), _geometry_cell(row, "video_geometry"), _attention_cell(row)]
        section += "| " + " | ".join([row["model_type"], row["class"], row["result"], deviation, *found]) + " |\n"
    section += "\nReasons:\n\n"
    section += "".join(f"- **{r['model_type']}** ({r['result']}): {r['reason']}\n" for r in rows if r["reason"])
    section += "".join(f"- **{r['model_type']}** (forced): {r['forced_reason']}\n" for r in rows if r["forced_reason"])
    section += "".join(
        f"- **{r['model_type']}** ({name} {r[key]}): {r[f'{key}_reason']}\n"
        for key, name in (("geometry", "geometry"), ("video_geometry", "videos"))
        for r in rows
        if r.get(f"{key}_reason")
    )
    section += "".join(
        f"- **{r['model_type']}** (attention): {r['attention_reason']}\n" for r in rows if r.get("attention_reason")
    )
    for name in (A_BATCH, TWO_IMAGES):
        left = [
            row["model_type"] for row in rows if row["forced"] not in ("", REFUSED) and name not in row["forced_inputs"]
        ]
        section += f"\nForced without {name}: {', '.join(left) or 'none'}.\n"
    return section


def _geometry_counts(rows: Sequence[Row]) -> str:
    found = ""
    for key, name in (("geometry", "image tokens"), ("video_geometry", "tokens of videos")):
        counted = Counter(row[key] for row in rows if row.get(key))
        said = ", ".join(f"{counted[status]} {status}" for status in ("proven", "none", "unknown", "refuted"))
        found += f" Geometry of {name}: {said}." if counted else ""
    return found


def _attention_counts(rows: Sequence[Row]) -> str:
    counted = Counter(row["attention"] for row in rows if row.get("attention"))
    return f" Attention: {counted['exact']} exact, {counted['refused']} refused." if counted else ""


def _attention_cell(row: Row) -> str:
    """The status, the largest difference from the model's own weights, and how many blocks attend."""
    if row.get("attention") != "exact":
        return str(row.get("attention", ""))
    own = "" if row["attention_deviation"] is None else f" {row['attention_deviation']:.0e}"
    return f"exact{own} ({row['attention_layers']})"


def _geometry_cell(row: Row, key: str) -> str:
    """The status, and where spots were painted how often the expected token changed most."""
    if row.get(f"{key}_top1") is None:
        return str(row.get(key, ""))
    return f"{row[key]} ({row[f'{key}_top1']:.0%} of {row[f'{key}_cases']})"

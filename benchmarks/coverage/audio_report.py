"""docs/coverage-audio*.json, one a line of transformers, and docs/coverage-audio.md, the page made of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers

from .audio import AudioOutcome
from .examine import TOLERANCE

__all__ = ["audio_file", "write_audio"]

Row = dict[str, Any]
_INTRO = """# Architectures that take sounds

Every model type that transformers maps to a class which takes sounds and answers in text, as a tiny random model
(biases and norm weights random), float32. A tone is put to it through the family's own processor, as in an evaluation
([audio.md](audio.md)), and another tone changes its logits.

- `exact`: at the last layer, at every middle layer and at every step of a generation the readout is what the model
  itself computes, within {tolerance:g} of the logit range (`deviation`); see [coverage.md](coverage.md).
- `bits`: the last block's output over the whole prompt, through the norm and head that the lens found, is the model's
  logits bit for bit.
- `one step off`: the smallest difference, as a share of the range, of a step's readout from the model's logits one step
  later, so that a readout at a wrong place would show.
- `forced`: the model generates four tokens and is given the same ones; the sums of log-probabilities differ by so many
  nats a token. Compared are the prompt, a padded batch of three prompts of unequal lengths and, where the column says
  so, a prompt with two sounds. `forced layers` is the largest difference of any layer's logits, as a share of their
  range.
- `sound tokens`: how many positions of the prompt stand for half a second of sound. Another sound changes what the
  decoder is given at exactly these.
- `processor`: `own` as above, or `by hand`, with the reason below.

Loaded are the classes that `AutoModelForImageTextToText`, `AutoModelForMultimodalLM` or, of audio models,
`AutoModelForSeq2SeqLM` and `AutoModelForCausalLM` map. Of Qwen2.5-Omni and Qwen3-Omni checkpoints the thinker is
loaded, which answers in text. Ultravox and MiniCPM-o come with code of their own and without a class in transformers;
they are not read.

Written by `python -m benchmarks.coverage --audio` in an environment of each line of transformers.
"""
_COLUMNS = (
    *("model type", "class", "result", "deviation", "bits", "one step off", "forced", "nats a token"),
    *("forced layers", "two sounds", "sound tokens", "processor"),
)


def audio_file(version: str) -> str:
    """Name of the file with the results of a transformers version, such as "5.23.0"."""
    major = int(version.partition(".")[0])
    return "coverage-audio.json" if major == 5 else f"coverage-audio-transformers-{major}.json"


def write_audio(outcomes: Sequence[AudioOutcome], folder: Path) -> None:
    """Write the results of the running transformers into `folder`, and the page of all results there."""
    versions = {"transformers": transformers.__version__, "torch": torch.__version__.partition("+")[0]}
    rows = [asdict(outcome) | versions for outcome in sorted(outcomes, key=lambda outcome: outcome.model_type)]
    (folder / audio_file(transformers.__version__)).write_text(json.dumps(rows, indent=1) + "\n")
    files = [folder / "coverage-audio.json", *sorted(folder.glob("coverage-audio-transformers-*.json"), reverse=True)]
    tables = [json.loads(each.read_text()) for each in files if each.exists()]
    (folder / "coverage-audio.md").write_text(_page(tables))


def _page(tables: Iterable[Sequence[Row]]) -> str:
    return _INTRO.format(tolerance=TOLERANCE) + "".join(_section(rows) for rows in tables)


def _section(rows: Sequence[Row]) -> str:
    counted = Counter(row["result"] for row in rows)
    counts = ", ".join(f"{counted[kind]} {kind}" for kind in ("exact", "refused", "unbuildable"))
    section = (
        f"\n## transformers {rows[0]['transformers']}\n\nWith torch {rows[0]['torch']}. Of {len(rows)}: {counts}.\n\n"
    )
    section += f"| {' | '.join(_COLUMNS)} |\n|{' --- |' * len(_COLUMNS)}\n"
    section += "".join(f"| {' | '.join(_cells(row))} |\n" for row in rows)
    section += "\nReasons:\n\n"
    by_hand = [row for row in rows if row["processor"] not in ("", "own")]
    section += "".join(f"- **{r['model_type']}** ({r['result']}): {r['reason']}\n" for r in rows if r["reason"])
    return section + "".join(f"- **{r['model_type']}** (processor): {r['processor']}\n" for r in by_hand)


def _cells(row: Row) -> list[str]:
    named = [row["model_type"], row["model_class"], row["result"]]
    if row["result"] != "exact":
        return [*named, *[""] * (len(_COLUMNS) - 3)]
    figures = [f"{row['deviation']:.1e}", "equal" if row["bitwise"] else "rounded", f"{row['one_off']:.1e}"]
    forced = "" if row["forced_deviation"] is None else f"{row['forced_deviation']:.1e}"
    layers = "" if row["forced_layers"] is None else f"{row['forced_layers']:.1e}"
    two = "yes" if "two sounds" in row["forced_inputs"] else "no"
    processor = "own" if row["processor"] == "own" else "by hand"
    return [*named, *figures, row["forced"], forced, layers, two, str(row["sound_tokens"] or "unknown"), processor]

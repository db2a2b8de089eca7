"""Does a learnt selector of image tokens find what is asked about: ``python -m experiments.selection --out DIR``.

Draws pictures, trains a selector of lens_tiny from boxes with three seeds, and holds its map on reasoning_mini against
the boxes of what is asked about, beside attention of the predicting position, chance, and the selector's own map of
another picture. Differences are
paired by question, clustered by picture, and corrected together (Holm). What is in DIR already is not made again.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import save_file

from experiments.plan import HERE
from harness_ext.lens_data import lens_requests
from lens_engine.opening import reading_engine
from lens_engine.selector_learning import Looked, SelectorPlan, another, figures_of, fitted, gather, looked_at
from lens_engine.transformers_engine import TransformersEngine
from lens_models import LoadedModel, load_model
from lens_models.image_tokens.boxes import box_figures
from lens_models.selection import Selector, SelectorRecipe
from lens_report.stats import holm, paired
from lens_results import load as load_records

SEEDS = (0, 1, 2)
FIGURES = ("lift", "pointing", "auroc")
TASK = "reasoning_mini_direct"
RECORDED = {"attention": ""}
"""Map -> prefix of its figures in records; see docs/metrics.md."""
_COLUMNS = {"lift": "box_lift", "pointing": "pointing", "auroc": "box_auroc"}
_BATCH = 16


def trained(
    engine: TransformersEngine, loaded: LoadedModel, pictures: Path, asked: argparse.Namespace
) -> list[Selector]:
    """A selector for each seed, from the same prompts."""
    requests, named = lens_requests(str(pictures), loaded, asked.prompts)
    seen = gather(engine, requests, asked.layer, _BATCH)
    print(f"{len(seen)} prompts of {named}")
    recipes = (SelectorRecipe(asked.layer, steps=asked.steps, seed=seed) for seed in SEEDS)
    return [fitted(seen, SelectorPlan(recipe, _BATCH, seed=recipe.seed), named) for recipe in recipes]


def recorded(out: Path, limit: int) -> pd.DataFrame:
    """Figures of the maps that a run records, one row a question; the run is made if it is not there."""
    folder = out / "maps"
    if not any(folder.rglob("lens_*.parquet")):
        program = Path(sys.executable).parent / "lmms-eval"
        given = ("--model", "hf-multimodal-lens", "--tasks", TASK, "--batch_size", str(_BATCH), "--output_path")
        asked = ("--model_args", "pretrained=lens_tiny,lens_probes=attention,lens_thumbnails=False")
        subprocess.run([str(program), *given, str(folder), *asked, "--limit", str(limit)], check=True, cwd=HERE.parent)
    samples = load_records(folder).samples.set_index("doc_id")
    found = pd.DataFrame(index=samples.index)
    for name, prefix in RECORDED.items():
        for figure, column in _COLUMNS.items():
            own = f"gold_based.{prefix}{column}"
            found[f"{name} {figure}"] = samples[own].astype(float)
    return found


def looked(engine: TransformersEngine, loaded: LoadedModel, limit: int, layer: int) -> Mapping[int, Looked]:
    """Number of the document -> what a selector of a layer sees of it."""
    requests, _ = lens_requests(TASK, loaded, 0)
    found = {}
    for begin in range(0, min(limit, len(requests)), _BATCH):
        batch = requests[begin : min(begin + _BATCH, limit)]
        own = looked_at(engine, [request.sample() for request in batch], layer)
        found |= {int(request.key[1]): each for request, each in zip(batch, own, strict=True) if each is not None}
    return found


def learnt(selectors: Sequence[Selector], prompts: Mapping[int, Looked]) -> pd.DataFrame:
    """Figures of the selectors' maps, the means of all seeds, beside those of their controls, one row a question."""
    known, rng = list(prompts.values()), np.random.default_rng(0)
    rows = {}
    for place, (number, each) in enumerate(prompts.items()):
        other = another(known, place)
        own = {f"seed {seed}": figures_of(one, each) for seed, one in zip(SEEDS, selectors, strict=True)}
        made = [figures_of(one, each, other.shown.tokens) for one in selectors] if other is not None else []
        drawn = box_figures(rng.random(len(each.inside.share)), each.inside)
        maps = {
            **own,
            "selector": _mean(list(own.values())),
            "other picture": _mean(made),
            "chance": {name: float(getattr(drawn, name)[0]) for name in FIGURES},
        }
        row = {f"{name} {figure}": values[figure] for name, values in maps.items() for figure in values}
        rows[number] = {"cluster": each.cluster, **row}
    return pd.DataFrame.from_dict(rows, orient="index")


def _mean(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in figures])) for name in FIGURES if figures}


def compared(frame: pd.DataFrame) -> Iterator[dict[str, object]]:
    """One row a figure and control: the selector minus the control on the same questions."""
    for figure in FIGURES:
        for control in (*RECORDED, "other picture", "chance"):
            names = [f"{control} {figure}", f"selector {figure}"]
            found = paired(*(frame[name].to_numpy() for name in names), frame["cluster"].to_numpy())
            gap = found.difference
            yield {"figure": figure, "control": control, "n": gap.n, "pictures": gap.n_clusters,
                   "of the control": found.mean_a, "selector": found.mean_b, "difference": gap.value,
                   "low": gap.low, "high": gap.high, "p": found.p_value}  # fmt: skip


def main(words: Sequence[str] | None = None) -> None:
    """Draw, train, run, compare, print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of everything")
    parser.add_argument("--pictures", type=int, default=1200, help="to learn from")
    parser.add_argument("--prompts", type=int, default=2000, help="about them")
    parser.add_argument("--steps", type=int, default=300, help="of each seed")
    parser.add_argument("--layer", type=int, default=6, help="whose residuals the selector reads")
    parser.add_argument("--limit", type=int, default=602, help="questions that are measured")
    asked = parser.parse_args(words)
    pictures = asked.out / "pictures"
    if not (pictures / "questions.jsonl").exists():
        draw = (sys.executable, "-m", "training.selector_pictures", "--out", str(pictures))
        subprocess.run([*draw, "--pictures", str(asked.pictures)], check=True, cwd=HERE.parent)
    loaded = load_model("lens_tiny", device="cpu")
    engine = reading_engine(loaded, logging.getLogger(__name__))
    selectors = trained(engine, loaded, pictures, asked)
    for seed, selector in zip(SEEDS, selectors, strict=True):
        save_file(selector.tensors(), asked.out / f"selector-{seed}.safetensors")
    frame = learnt(selectors, looked(engine, loaded, asked.limit, asked.layer)).join(recorded(asked.out, asked.limit))
    means = {f"seed {seed}": {name: frame[f"seed {seed} {name}"].mean() for name in FIGURES} for seed in SEEDS}
    print(pd.DataFrame(means).T.round(3).to_string())
    table = pd.DataFrame(compared(frame))
    corrected = holm({str(index): None if pd.isna(p) else p for index, p in table["p"].items()})
    table["p_holm"] = list(corrected.values())
    table.to_csv(asked.out / "selection.csv", index=False)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()

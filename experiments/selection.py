"""Does a learnt selector of image tokens find what is asked about: ``python -m experiments.selection --out DIR``.

Draws pictures, trains selectors of lens_tiny with three seeds, from boxes and from drops of the answer's
log-probability alone, and holds their maps on reasoning_mini against the boxes of what is asked about, beside
attention of the predicting position, chance, and a selector's own map of another picture. Then the places of what each
selects are painted over, and as many others, and the drops of the answer's log-probability are compared. Differences
are paired by question, clustered by picture, and those of a table corrected together (Holm). What is in DIR already is
not made again.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.torch import load_file, save_file

from experiments.inertness import masked_drops
from experiments.plan import HERE
from harness_ext.lens_data import lens_requests
from lens_engine.opening import reading_engine
from lens_engine.selector_learning import SelectorPlan, fitted, gather
from lens_engine.selector_prompts import Looked, looked_at
from lens_engine.selector_quality import another, figures_of
from lens_engine.selector_targets import BoxTargets, DropTargets, Targets
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
    engine: TransformersEngine, loaded: LoadedModel, asked: argparse.Namespace, targets: Targets
) -> list[Selector]:
    """A selector for each seed, from the same prompts; those that DIR has are read."""
    files = [asked.out / f"selector-{targets.name}-{seed}.safetensors" for seed in SEEDS]
    if not all(file.exists() for file in files):
        count = asked.prompts if isinstance(targets, BoxTargets) else asked.drop_prompts
        requests, named = lens_requests(str(asked.out / "pictures"), loaded, count)
        recipes = [SelectorRecipe(asked.layer, steps=asked.steps, seed=seed) for seed in SEEDS]
        plans = [SelectorPlan(recipe, _BATCH, seed=recipe.seed, targets=targets) for recipe in recipes]
        seen = gather(engine, requests, plans[0]).looked
        print(f"{targets.name}: {len(seen)} prompts of {named}", flush=True)
        for file, plan in zip(files, plans, strict=True):
            save_file(fitted(seen, plan, named).tensors(), file)
    return [Selector(asked.layer, **load_file(file), trained_on=targets.name) for file in files]


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


def learnt(selectors: Mapping[str, Sequence[Selector]], prompts: Mapping[int, Looked]) -> pd.DataFrame:
    """Figures of the maps of selectors by objective, the means of all seeds, beside controls, one row a question."""
    known, rng = list(prompts.values()), np.random.default_rng(0)
    rows = {}
    for place, (number, each) in enumerate(prompts.items()):
        assert each.inside is not None
        drawn, maps = box_figures(rng.random(len(each.inside.share)), each.inside), {}
        for objective, seeds in selectors.items():
            other = another(known, place)
            own = {f"{objective} seed {seed}": figures_of(one, each) for seed, one in zip(SEEDS, seeds, strict=True)}
            made = [figures_of(one, each, other.shown.tokens) for one in seeds] if other is not None else []
            maps |= {**own, objective: _mean(list(own.values())), f"{objective}, other picture": _mean(made)}
        maps["chance"] = {name: float(getattr(drawn, name)[0]) for name in FIGURES}
        row = {f"{name} {figure}": values[figure] for name, values in maps.items() for figure in values}
        rows[number] = {"cluster": each.cluster, **row}
    return pd.DataFrame.from_dict(rows, orient="index")


def _mean(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in figures])) for name in FIGURES if figures}


def pairs_of(objectives: Sequence[str]) -> list[tuple[str, str]]:
    """(selector, control) of the table of maps."""
    found = [(each, control) for each in objectives for control in (*RECORDED, f"{each}, other picture", "chance")]
    return [*found, *itertools.combinations(reversed(objectives), 2)]


def difference(frame: pd.DataFrame, name: str, control: str) -> dict[str, object]:
    """A column minus another one on the same questions, clustered by picture."""
    found = paired(frame[control].to_numpy(), frame[name].to_numpy(), frame["cluster"].to_numpy())
    gap = found.difference
    return {"n": gap.n, "pictures": gap.n_clusters, "own": found.mean_b, "of the control": found.mean_a,
            "difference": gap.value, "low": gap.low, "high": gap.high, "p": found.p_value}  # fmt: skip


def shown(rows: Iterable[Mapping[str, object]], file: Path) -> None:
    """Write and print a table of differences with their p corrected together."""
    table = pd.DataFrame(rows)
    corrected = holm({str(index): None if pd.isna(p) else p for index, p in table["p"].items()})
    table["p_holm"] = list(corrected.values())
    table.to_csv(file, index=False)
    print(table.round(4).to_string(index=False))


def masked(
    engine: TransformersEngine, loaded: LoadedModel, selectors: Mapping[str, Sequence[Selector]], asked: Any
) -> pd.DataFrame:
    """Drops under each mask, one row a question; see `experiments.inertness`."""
    file = asked.out / "masked.csv"
    if not file.exists():
        requests, _ = lens_requests(TASK, loaded, asked.masked)
        named = {f"{name} seed {seed}": one for name, own in selectors.items() for seed, one in enumerate(own)}
        masked_drops(engine, requests, named, asked.layer, asked.patches).to_csv(file)
    frame = pd.read_csv(file, index_col=0)
    for name in selectors:
        frame[name + "-trained"] = frame[[f"{name} seed {seed}" for seed in SEEDS]].mean(axis=1)
    return frame


def main(words: Sequence[str] | None = None) -> None:
    """Draw, train, run, compare, print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of everything")
    parser.add_argument("--pictures", type=int, default=1200, help="to learn from")
    parser.add_argument("--prompts", type=int, default=2000, help="about them, to learn boxes from")
    parser.add_argument("--drop-prompts", type=int, default=300, help="about them, to learn drops from")
    parser.add_argument("--steps", type=int, default=300, help="of each seed")
    parser.add_argument("--layer", type=int, default=6, help="whose residuals the selector reads")
    parser.add_argument("--patches", type=int, default=4, help="image tokens of a mask")
    parser.add_argument("--masked", type=int, default=150, help="questions whose pictures are painted over")
    parser.add_argument("--limit", type=int, default=602, help="questions whose maps are measured")
    asked = parser.parse_args(words)
    if not (asked.out / "pictures" / "questions.jsonl").exists():
        draw = (sys.executable, "-m", "training.selector_pictures", "--out", str(asked.out / "pictures"))
        subprocess.run([*draw, "--pictures", str(asked.pictures)], check=True, cwd=HERE.parent)
    loaded = load_model("lens_tiny", device="cpu")
    engine = reading_engine(loaded, logging.getLogger(__name__))
    selectors = {each.name: trained(engine, loaded, asked, each) for each in (BoxTargets(), DropTargets())}
    frame = learnt(selectors, looked(engine, loaded, asked.limit, asked.layer)).join(recorded(asked.out, asked.limit))
    frame.to_csv(asked.out / "maps.csv")
    seeds = [f"{name} seed {seed}" for name in selectors for seed in SEEDS]
    print(pd.DataFrame({each: {name: frame[f"{each} {name}"].mean() for name in FIGURES} for each in seeds}).T)
    shown(
        (
            {"figure": figure, "selector": name, "control": control}
            | difference(frame, f"{name} {figure}", f"{control} {figure}")
            for figure in FIGURES
            for name, control in pairs_of(list(selectors))
        ),
        asked.out / "selection.csv",
    )
    drops = masked(engine, loaded, selectors, asked)
    print(drops.drop(columns="cluster").mean().round(3).to_string())
    pairs = [
        *((f"{name}-trained", control) for name in selectors for control in ("random", "attention", "boxes")),
        *(("drops-trained", "boxes-trained"), ("attention", "random"), ("boxes", "random")),
    ]
    shown(
        ({"masked": one, "control": other} | difference(drops, one, other) for one, other in pairs),
        asked.out / "inertness.csv",
    )


if __name__ == "__main__":
    main()

"""Does the end of a written step say where to look: ``python -m experiments.step_selection --model MODEL --out DIR``.

MODEL writes numbered steps (training/README.md). Draws pictures that are in no benchmark, with questions and the steps
of their programs, trains selectors with three seeds that read the residual of a written step's last token, and holds
their maps on reasoning_mini against the boxes of the step. Controls: the attention of that token, the selector's map of
another picture, that of another step of the same response, the boxes of the other steps of the same response, chance.
One row is one step; differences are paired by step, clustered by picture, and corrected together (Holm). What is in DIR
already is not made again.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import load_file, save_file

from experiments.plan import HERE
from experiments.selection import FIGURES, SEEDS, difference, shown
from harness_ext.lens_data import lens_requests
from lens_engine.opening import reading_engine
from lens_engine.selector_learning import SelectorPlan, fitted, gather
from lens_engine.selector_prompts import Looked
from lens_engine.selector_quality import another, attention_figures, figures_of, in_other_steps
from lens_engine.selector_steps import StepEnds, steps_looked_at
from lens_models import LoadedModel, load_model
from lens_models.image_tokens.boxes import box_figures
from lens_models.probes import StepRegions
from lens_models.selection import STEPS, Selector, SelectorRecipe

TASK = "reasoning_mini"
OWN = "selector"
CONTROLS = ("attention", "another picture", "another step", "boxes of other steps", "chance")
_BATCH = 32
_ENDS = StepEnds(max_new_tokens=128)
log = logging.getLogger(__name__)


def trained(loaded: LoadedModel, asked: argparse.Namespace) -> list[Selector]:
    """A selector for each seed, from the same steps; those that DIR has are read."""
    files = [asked.out / f"selector-{seed}.safetensors" for seed in SEEDS]
    if not all(file.exists() for file in files):
        requests, named = lens_requests(str(asked.out / "pictures"), loaded, asked.prompts)
        recipes = [SelectorRecipe(asked.layer, steps=asked.steps, seed=seed) for seed in SEEDS]
        plans = [SelectorPlan(recipe, _BATCH, seed=recipe.seed, steps=_ENDS) for recipe in recipes]
        seen = gather(reading_engine(loaded, log), requests, plans[0])
        print(f"{len(seen.looked)} steps of {seen.prompts} prompts; left out: {seen.reasons}", flush=True)
        for file, plan in zip(files, plans, strict=True):
            save_file(fitted(seen.looked, plan, named).tensors(), file)
    return [Selector(asked.layer, **load_file(file), at=STEPS) for file in files]


def responses(loaded: LoadedModel, limit: int, layer: int) -> list[tuple[Looked, ...]]:
    """What a selector of a layer sees of the steps of each response to the benchmark."""
    engine = reading_engine(loaded, log, (StepRegions.name,))
    requests, _ = lens_requests(TASK, loaded, limit)
    found, left_out = list[tuple[Looked, ...]](), Counter[str]()
    for begin in range(0, len(requests), _BATCH):
        samples = [request.sample() for request in requests[begin : begin + _BATCH]]
        for each in steps_looked_at(engine, samples, layer, _ENDS):
            found.append(each.looked)
            left_out.update(each.left_out)
    print(f"{sum(map(len, found))} steps of {len(found)} responses; left out: {dict(left_out)}", flush=True)
    return found


def figures(selectors: Sequence[Selector], seen: Sequence[tuple[Looked, ...]]) -> pd.DataFrame:
    """Figures of the maps of selectors, the means of all seeds, beside controls, one row a step."""
    flat, rng = [each for own in seen for each in own], np.random.default_rng(0)
    rows, place = [], -1
    for own in seen:
        for each in own:
            place += 1
            assert each.inside is not None
            drawn = box_figures(rng.random(len(each.inside.share)), each.inside)
            other = another(flat, place)
            siblings = [replace(each, shown=replace(each.shown, step=one.shown.step)) for one in own if one is not each]
            maps = {f"{OWN} seed {seed}": figures_of(one, each) for seed, one in zip(SEEDS, selectors, strict=True)}
            maps |= {
                OWN: _mean(list(maps.values())),
                "attention": attention_figures(each) or {},
                "another picture": _mean(
                    [figures_of(one, each, other.shown.tokens) for one in selectors] if other else []
                ),
                "another step": _mean([figures_of(one, sibling) for one in selectors for sibling in siblings]),
                "boxes of other steps": _mean([in_other_steps(one, each) for one in selectors] if each.others else []),
                "chance": {name: float(getattr(drawn, name)[0]) for name in FIGURES},
            }
            row = {f"{name} {figure}": value for name, found in maps.items() for figure, value in found.items()}
            rows.append({"cluster": each.cluster, **row})
    return pd.DataFrame(rows)


def _mean(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in found])) for name in FIGURES if found}


def main(words: Sequence[str] | None = None) -> None:
    """Draw, train, measure, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="that writes steps")
    parser.add_argument("--out", type=Path, required=True, help="folder of everything")
    parser.add_argument("--pictures", type=int, default=1500, help="to learn from")
    parser.add_argument("--prompts", type=int, default=0, help="about them, to learn from; 0 takes all")
    parser.add_argument("--steps", type=int, default=1500, help="of each seed")
    parser.add_argument("--layer", type=int, default=6, help="whose residuals the selector reads")
    parser.add_argument("--limit", type=int, default=0, help="questions whose maps are measured; 0 takes all")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args(words)
    if not (asked.out / "pictures" / "questions.jsonl").exists():
        draw = (sys.executable, "-m", "training.selector_pictures", "--steps", "--out", str(asked.out / "pictures"))
        subprocess.run([*draw, "--pictures", str(asked.pictures)], check=True, cwd=HERE.parent)
    loaded = load_model(asked.model, device=asked.device)
    seen = responses(loaded, asked.limit, asked.layer)
    frame = figures(trained(loaded, asked), seen)
    frame.to_csv(asked.out / "steps.csv")
    seeds = [f"{OWN} seed {seed}" for seed in SEEDS]
    print(pd.DataFrame({each: {name: frame[f"{each} {name}"].mean() for name in FIGURES} for each in seeds}).T)
    shown(
        (
            {"figure": figure, "control": control} | difference(frame, f"{OWN} {figure}", f"{control} {figure}")
            for figure in FIGURES
            for control in CONTROLS
            if f"{control} {figure}" in frame
        ),
        asked.out / "step_selection.csv",
    )


if __name__ == "__main__":
    main()

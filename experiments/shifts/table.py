"""report/accuracy_without_labels.md, from results/shifts alone: ``python -m experiments.shifts.table``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from experiments.shifts.models import MODELS
from experiments.shifts.run import OUT
from experiments.shifts.sets import SAMPLES, SETS
from lens_report.measures.unlabelled import answer_set
from lens_report.presentation.document.markdown import table
from lens_report.presentation.document.shown import interval, p_value, percent
from lens_report.stats import Comparison, Estimate, holm, paired, score_interval
from lens_report.stats.label_free import (
    LEFT_OUT,
    METHODS,
    HeldOut,
    MethodErrors,
    Placed,
    compare_errors,
    held_out,
    over_sets,
)

PAGE: Final = Path(__file__).parents[2] / "report" / "accuracy_without_labels.md"
FEWEST: Final = SAMPLES // 2
"""Fewest answers of a set: a model that names no candidate in half of its answers is left out there."""
WITH_LAYERS: Final = {"profile_layers": "profile", "p_correct_layers": "p_correct"}
COVERED: Final = ("mean", "ac", "doc", "atc")
HEAD: Final = """# Accuracy without labels: what the methods are worth

Written by `python -m experiments.shifts.table` from results/shifts/answers.pq, which
`python -m experiments.shifts.run` makes. Methods and words: [docs/predict.md](../docs/predict.md).

{n_models} models, {n_sets} sets of questions, {n_runs} runs of up to {samples} answers. The models are tiny, and most
are variants of one checkpoint made by arithmetic on its weights, not trained: what holds here may not hold for others.
A run with fewer than {fewest} answers that name a candidate is left out. The right answers are those of the pictures as
they were: what a crop cuts off, or a turned hue renames, counts as the model's error.
"""


def placed(frame: pd.DataFrame) -> list[Placed]:
    """The runs, in the order of models and sets."""
    found = []
    for (model, data), own in frame.groupby(["model", "set"], sort=False):
        if len(own) >= FEWEST:
            found.append(Placed(str(model), str(data), str(data).split("_")[0], answer_set(own, f"{model}, {data}")))
    return found


def error_table(rows: Sequence[MethodErrors]) -> list[str]:
    """Errors of all methods in percentage points, best first."""
    columns = (
        "method", "sets", "mean absolute error", "minus that of doc", "p (Holm)", "minus that of mean", "p (Holm)",
        "refused", "error where not refused",
    )  # fmt: skip
    ranked = sorted(rows, key=lambda row: np.inf if row.error.value is None else row.error.value)
    cells = [
        (
            row.method, str(row.n), share(row.error), *against(row, "doc"), *against(row, "mean"), str(row.n_refused),
            share(row.accepted),
        )
        for row in ranked
    ]  # fmt: skip
    return table(columns, cells)


def share(estimate: Estimate) -> str:
    """An error with its interval, in per cent."""
    return interval(estimate, share=True).text


def against(row: MethodErrors, base: str) -> tuple[str, str]:
    """Difference to a baseline and its corrected p."""
    if base not in row.against:
        return "–", "–"
    return share(row.against[base].difference), p_value(row.p_holm[base]).text


def layer_tests(found: Mapping[str, HeldOut]) -> dict[tuple[str, str], Comparison]:
    """What is left out, method with layers -> its errors against those of the same method without."""
    return {
        (left_out, method): paired(one.errors(base), one.errors(method), [each.data for each in one.sets])
        for left_out, one in found.items()
        for method, base in WITH_LAYERS.items()
    }


def layers(found: Mapping[str, HeldOut]) -> Iterator[str]:
    """Whether layers add to final confidence."""
    tests = layer_tests(found)
    corrected = holm({str(key): one.p_value for key, one in tests.items()})
    rows, better, worse = [], [], []
    for (left_out, method), one in tests.items():
        p = corrected[str((left_out, method))]
        rows.append(
            (left_out, method, WITH_LAYERS[method], str(one.difference.n), share(one.difference), p_value(p).text)
        )
        if p is not None and p < 0.05 and one.difference.value is not None:
            (better if one.difference.value < 0 else worse).append(f"{method} (leaving out one {left_out})")
    yield from ("## Do the layers add to final confidence?", "")
    yield from table(("left out", "with layers", "without", "sets", "difference of absolute errors", "p (Holm)"), rows)
    yield ""
    shown = [f"readouts of the layers make the errors smaller: {', '.join(better)}"] if better else []
    shown += [f"readouts of the layers make the errors larger: {', '.join(worse)}"] if worse else []
    told = "; ".join(shown) or "no difference was shown: on these runs the layers add nothing to final confidence"
    yield f"By the paired tests, corrected over all {len(tests)}: {told}."
    yield ""


def ranking(found: HeldOut) -> Iterator[str]:
    """Kendall's tau over the models of each set."""
    rows = []
    for method in METHODS:
        taus = []
        for data in dict.fromkeys(each.data for each in found.sets):
            own = [k for k, each in enumerate(found.sets) if each.data == data]
            known = [k for k in own if np.isfinite(found.predicted[method][k])]
            if len(known) >= 3:
                tau = kendalltau(found.predicted[method][known], found.accuracy[known]).statistic
                taus.append(tau if np.isfinite(tau) else 0.0)
        if taus:
            estimate = score_interval(taus, np.arange(len(taus)))
            rows.append((method, str(len(taus)), interval(estimate, 2).text))
    yield from ("## The order of the models", "")
    yield (
        "Kendall's tau of the predicted and the true order of the models on one set, mean over the sets; each model is "
        "predicted from the others on the same set. `mean` is negative by construction: a good model is left out of "
        "its own mean, and any method that leans on the others' accuracies has some of that."
    )
    yield ""
    yield from table(("method", "sets", "tau"), rows)
    yield ""


def coverage(sets: Sequence[Placed]) -> Iterator[str]:
    """How often the error on labelled sets bounds that on the one left out."""
    rows = []
    for method in COVERED:
        hits, levels = [], []
        for target in sets:
            others = [each.answers for each in sets if LEFT_OUT["set"][1](each, target)]
            errors = over_sets(METHODS[method], others)
            if errors is not None:
                predicted = METHODS[method].fit(others, None).accuracy(target.answers.without_labels())
                hits.append(float(abs(predicted - target.answers.accuracy) <= errors.half_width))
                levels.append(errors.level)
        if hits:
            rows.append(
                (method, str(len(hits)), percent(float(np.mean(levels))).text, percent(float(np.mean(hits))).text)
            )
    yield from ("## Does the error on labelled sets bound the next one?", "")
    yield "Sets of the same model, one left out at a time: the share whose error keeps to that of the others."
    yield ""
    yield from table(("method", "sets", "level", "share held"), rows)
    yield ""


def inputs(sets: Sequence[Placed]) -> Iterator[str]:
    """Models, sets and true accuracies."""
    yield from ("## The runs", "")
    yield from table(("model", "what it is"), [(one.name, one.about) for one in MODELS])
    yield ""
    names = [one.name for one in MODELS if any(each.model == one.name for each in sets)]
    right = {(each.model, each.data): each.answers.accuracy for each in sets}
    rows = [(data.name, data.about, *(percent(right.get((model, data.name))).text for model in names)) for data in SETS]
    yield "Accuracy by the labels:"
    yield ""
    yield from table(("set", "pictures, prompt", *names), rows)
    yield ""


def page(sets: Sequence[Placed]) -> str:
    """The whole page."""
    found = {left_out: held_out(sets, speaks) for left_out, (_, speaks) in LEFT_OUT.items()}
    lines = HEAD.format(
        n_models=len({each.model for each in sets}), n_sets=len({each.data for each in sets}), n_runs=len(sets),
        samples=SAMPLES, fewest=FEWEST,
    ).splitlines()  # fmt: skip
    lines += [
        "",
        "Errors are absolute, in percentage points; refused predictions count as if they were forced. Intervals and "
        "tests are paired over sets and clustered by set of questions, so that the models on one set are one cluster; "
        "that sets of one benchmark are alike is not allowed for. p is corrected over the methods of a table.",
        "",
        *layers(found),
    ]
    for left_out, one in found.items():
        lines += [f"## One {left_out} left out", "", f"Predicted from: {LEFT_OUT[left_out][0]}.", ""]
        lines += [*error_table(compare_errors(one)), ""]
    lines += [*ranking(found["model"]), *coverage(sets), *inputs(sets)]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=Path, default=OUT)
    parser.add_argument("--out", type=Path, default=PAGE)
    args = parser.parse_args()
    args.out.write_text(page(placed(pd.read_parquet(args.answers))), encoding="utf-8")


if __name__ == "__main__":
    main()

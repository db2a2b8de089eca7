"""Remedies that change the run itself, from the paired tests of `experiments.interventions`, where they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.writeup.claims import LEVEL
from lens_report.presentation.document.blocks import Section, Table, paragraph, say
from lens_report.presentation.document.shown import MISSING, Shown, count, decimal, interval, words
from lens_report.stats import Estimate, holm

EFFECTS = Path("interventions", "effects.csv")
"""Below results/: the CSV of `mmlens compare`, of one base or of several."""


def measured_section(results: Path) -> Iterator[Section]:
    """A table, an intervention a row and a task a column; nothing where nothing was stored."""
    if (results / EFFECTS).is_file():
        yield _section(pd.read_csv(results / EFFECTS))


def _section(effects: pd.DataFrame) -> Section:
    corrected = holm({str(place): None if pd.isna(p) else float(p) for place, p in effects["p"].items()})
    shown = np.array([p is not None and p < LEVEL for p in corrected.values()])
    gains, losses = (int((shown & (effects["difference"] * sign > 0)).sum()) for sign in (1, -1))
    tasks = list(dict.fromkeys(effects["task"]))
    rows = [
        (words(name), *(_cell(part[part["task"] == task]) for task in tasks), _cost(part))
        for name, part in effects.groupby("intervention", sort=False)
    ]
    text = paragraph(
        say(
            "These run in the model and answer the questions again. Each is paired with the plain run question by "
            "question and corrected for all of the table: of {n} comparisons {gains} are shown to gain and {losses} "
            "to lose. In a cell stands the difference in accuracy, then how many answers were corrected and broken; "
            "the last column is how many positions go through the network, in multiples of the plain run's.",
            n=count(len(effects)), gains=count(gains), losses=count(losses),
        )
    )  # fmt: skip
    return Section(
        "Remedies that were run", (*text, Table("interventions", ("intervention", *tasks, "positions"), tuple(rows)))
    )


def _cell(found: pd.DataFrame) -> Shown:
    if found.empty:
        return words(MISSING)
    one = found.iloc[0]
    value, low, high = (None if pd.isna(one[name]) else float(one[name]) for name in ("difference", "low", "high"))
    note = "" if low is not None else "the stored table has no interval"
    difference = interval(Estimate(value, low, high, int(one["n"]), int(one["n_clusters"]), note=note), share=True)
    moved = [int(one["corrected"]), int(one["broken"])]
    return Shown([difference.value, *moved], f"{difference.text}; {moved[0]}, {moved[1]}")


def _cost(part: pd.DataFrame) -> Shown:
    """Positions in multiples of the plain run's; a range where models differ."""
    ratios = part["positions_ratio"].dropna()
    if ratios.empty:
        return words(MISSING)
    low, high = decimal(float(ratios.min()), 1), decimal(float(ratios.max()), 1)
    return low if low.text == high.text else Shown([low.value, high.value], f"{low.text} to {high.text}")

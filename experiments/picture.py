"""Where in the picture: the hypotheses, written down before the run, and the page of what was found.

``python -m experiments.picture`` writes docs/picture-results.md from results/picture alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from lens_report.measures.task_run import TaskRun, task_runs
from lens_report.stats import Clusters
from lens_report.stats.auroc import auroc_estimate
from lens_report.stats.pairs import paired
from lens_report.stats.permutation import holm
from lens_report.stats.results import Estimate, two_sided_p
from lens_report.stats.scored import Scored
from lens_results import load

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "picture-results.md"
FAMILIES: Final = ("exist", "count", "compare_integer", "compare_attribute", "query_attribute")


@dataclass(frozen=True)
class Hypothesis:
    """One scalar of the records is larger than another, on average over the samples that have both.

    Attributes:
        says: In words.
        task: Of the records.
        larger: Column.
        than: Column.
        right: Only answers that are right.
        family: Only questions of this CLEVR family.
    """

    says: str
    task: str
    larger: str
    than: str
    right: bool = False
    family: str | None = None


def _both(says: str, larger: str, than: str, *, right: bool = False) -> list[Hypothesis]:
    return [Hypothesis(says, task, larger, than, right) for task in ("pope_mini", "clevr_mini")]


G, F = "gold_based.", "label_free."
HYPOTHESES: Final = (
    *_both("attention of right answers is denser in the boxes than in null boxes", f"{G}box_lift", f"{G}null_box_lift", right=True),
    *_both("the words asked about are read more in the boxes than in null boxes", f"{G}word_box_lift", f"{G}null_word_box_lift"),
    *_both("masking the boxes costs more than masking as many random tokens", f"{G}causal_drop", f"{G}causal_drop_random"),
    *_both("masking the boxes costs more than masking null boxes", f"{G}causal_drop", f"{G}causal_drop_null"),
    *_both("masking the most attended tokens costs more than random ones", f"{F}attention_drop", f"{F}attention_drop_random"),
    *_both("masking where the words are read costs more than random tokens", f"{F}word_drop", f"{F}word_drop_random"),
    *(
        Hypothesis(f"attention is denser in the boxes than in null boxes: {family}", "clevr_mini", f"{G}box_lift", f"{G}null_box_lift", family=family)
        for family in FAMILIES
    ),
    *(
        Hypothesis(f"masking the boxes costs more than null boxes: {family}", "clevr_mini", f"{G}causal_drop", f"{G}causal_drop_null", family=family)
        for family in FAMILIES
    ),
)  # fmt: skip
"""Fixed before the run of results/picture. A trial of the code on the first 40 to 60 questions of each task had been seen:
it suggested the first, third, fourth and fifth kind, and neither the second nor the sixth."""

PRESENCE: Final = (
    ("image confidence of the words asked about", f"{F}image_confidence", 1),
    ("attention to the picture (SVAR)", f"{F}svar", 1),
    ("entropy of the attention", f"{F}attention_entropy", -1),
    ("final log-odds of yes", "log_odds", 1),
)
"""pope_mini: what tells present from absent objects, with the direction that was expected: AUROC above one half."""

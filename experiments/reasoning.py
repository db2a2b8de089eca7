"""report/reasoning_steps.md and its figures, from results/steps alone: ``python -m experiments.reasoning``.

The hypotheses below were listed on 27 November 2026, before the run was made. Of the last one more was known: what two
earlier checkpoints of the same training, and then this one, score in both tasks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from experiments.writeup.claims import Claim, corrected
from lens_report import TaskRun, task_runs
from lens_report.measures.step_regions import FAITHFUL, IDLE, UNTOLD, StepRegions, chains, step_regions
from lens_report.measures.steps import steps as written_steps
from lens_report.presentation.document.markdown import table
from lens_report.presentation.document.shown import MISSING, decimal, interval, p_value
from lens_report.presentation.figures import ReportFigure, save, step_figures
from lens_report.stats import Estimate, difference_of_means, paired
from lens_report.stats.results import p_of_interval
from lens_results import Run, load

ROOT: Final = Path(__file__).parents[1]
RUN: Final = ROOT / "results" / "steps"
PAGE: Final = ROOT / "report" / "reasoning_steps.md"
FIGURES: Final = PAGE.stem
"""Folder of the figures beside the page."""
WITH, WITHOUT = "reasoning_mini", "reasoning_mini_direct"
SCORE = "score.exact_match_lenient"
WORDS = (FAITHFUL, IDLE, UNTOLD)
FEWEST_STEPS = 3
"""Questions of so many steps and more are those that steps are for."""

Floats = npt.NDArray[np.float64]
Tested = tuple[Estimate, float | None]
HEAD: Final = """# Do the steps look where they say?

{in_short}

Written by `python -m experiments.reasoning` from results/steps, the records of a small model that was trained to write
numbered steps before its answer ([training/README.md](../training/README.md)); `python -m experiments.run --only steps`
makes them. What is measured: [docs/reasoning.md](../docs/reasoning.md#steps-and-the-regions-that-they-are-about).
{before} hypotheses were listed before the run was made; of the one on asking for steps it was known already what the
model scores. {after} with a star was added when the run had been read. Each is tested once, intervals and tests take a
picture as one observation, and p is corrected for all of them (Holm).

{n_read} of {n_all} responses to `{task}` write steps that correspond to those of their question's program; the
hypotheses about steps speak of these.
"""


LOOKS, DEPENDS, WORTH = "Where steps look", "What depends on it", "What the steps are worth"
SHOWN, OPPOSITE, NOT_SHOWN = "shown", "the opposite is shown", "not shown"
SAID: Final = {
    SHOWN: ("it is shown that {}", " and that "),
    OPPOSITE: ("the opposite is shown of these: {}", "; "),
    NOT_SHOWN: ("it is not shown that {}", ", nor that "),
}
"""Outcome -> how a sentence says it, and what stands between its clauses."""

LIMITS: Final = """## What this does not say

- One tiny model on generated scenes, and steps of the form that it was trained to write. Its steps are short, its
  answers are no better with them than without.
- Boxes are masked by painting them over, which takes the objects away from every layer and every position. Where a
  result depends on its boxes, the image tokens may have carried the object through other positions.
- That the answer depends on what the steps say is the work of the last step, which often states the answer: it may be
  no more than copying. Earlier steps are changed while the later ones stay, and these repeat what they led to.
- The model has hardly seen another mark before its answer. Where the last step is held against that, the null is large,
  and fewer steps are told to be faithful than might be.
- An answer that is forced without steps, in the form of an answer behind steps, is a form that the model was never
  trained on: asked for the answer at once in its own form it is right far more often. The need for steps is one of this
  form.
"""


@dataclass(frozen=True)
class Hypothesis:
    """What was expected of the run.

    Attributes:
        says: The expectation in words; it is met where the estimate is above zero.
        matter: What it belongs to: `LOOKS`, `DEPENDS` or `WORTH`.
        what: What is compared.
        unit: Of the estimate.
        control: What stands against it.
        ask: Task runs with and without steps -> estimate and two-sided p.
        before: Whether it was listed before the run was made.
        briefly: The expectation as a clause; `says` without.
    """

    says: str
    matter: str
    what: str
    unit: str
    control: str
    ask: Callable[[TaskRun, TaskRun], Tested]
    before: bool = True
    briefly: str = ""

    @property
    def clause(self) -> str:
        """The expectation as it stands behind "that"."""
        return self.briefly or self.says[:1].lower() + self.says[1:]


def _column(run: TaskRun, name: str) -> Floats:
    """`[samples]`: a column of the records; NaN where it is missing."""
    values: Floats = run.frame[name].to_numpy(dtype=np.float64)
    return values


def _against_null(name: str, null: str) -> Callable[[TaskRun, TaskRun], Tested]:
    def ask(steps: TaskRun, _: TaskRun) -> Tested:
        found = paired(_column(steps, f"gold_based.{null}"), _column(steps, f"gold_based.{name}"), steps.clusters)
        return found.difference, found.p_value

    return ask


def _right_against_wrong(name: str, null: str) -> Callable[[TaskRun, TaskRun], Tested]:
    """Within question types, which differ in both."""

    def ask(steps: TaskRun, _: TaskRun) -> Tested:
        gap = _column(steps, f"gold_based.{name}") - _column(steps, f"gold_based.{null}")
        verdict = _column(steps, "verdict")
        values = np.where(np.isfinite(verdict), gap, np.nan)
        types = steps.frame["question_type"].to_numpy()
        found = difference_of_means(values, verdict == 1, steps.clusters, types)
        return found, p_of_interval(found)

    return ask


def _own_against_others(steps: TaskRun, _: TaskRun) -> Tested:
    """The diagonal of the causal matrix against the rest of its rows, for the same results."""
    own, others = np.full(len(steps.frame), np.nan), np.full(len(steps.frame), np.nan)
    for row, chain in enumerate(chains(steps)[1]):
        if chain is None:
            continue
        drops = chain.result_drop
        diagonal = np.diag(drops)
        rest = np.where(np.eye(len(drops), dtype=bool), np.nan, drops)
        both = np.isfinite(diagonal) & np.isfinite(rest).any(axis=0)
        if both.any():
            own[row], others[row] = diagonal[both].mean(), np.nanmean(rest[:, both], axis=0).mean()
    found = paired(others, own, steps.clusters)
    return found.difference, found.p_value


def _steps_against_none(steps: TaskRun, _: TaskRun) -> Tested:
    right = _column(steps, "verdict")
    found = paired(_column(steps, "gold_based.right_without_thinking"), right, steps.clusters)
    return found.difference, found.p_value


def _asked_for_steps(steps: TaskRun, direct: TaskRun) -> Tested:
    """The same documents, asked for steps and asked for the answer at once."""
    own = steps.frame.set_index("doc_id")
    other = direct.frame.set_index("doc_id")[SCORE].reindex(own.index)
    long = own["question_type"].str.split().str[0].astype(int) >= FEWEST_STEPS
    found = paired(other[long], own.loc[long, SCORE], own.loc[long, "group"])
    return found.difference, found.p_value


HYPOTHESES: Final[tuple[Hypothesis, ...]] = (
    Hypothesis(
        "A step looks at what it is about",
        LOOKS,
        "lift of the attention of a step's last token, in its own boxes minus in other steps' boxes",
        "lift",
        "boxes of the other steps of the same question",
        _against_null("step_lift", "null_step_lift"),
        briefly="a step looks at what it is about when it ends",
    ),
    Hypothesis(
        "The words of a step are read at what it is about",
        LOOKS,
        "lift of the map of the words that a step states, in its own boxes minus in other steps' boxes",
        "lift",
        "boxes of the other steps of the same question",
        _against_null("word_step_lift", "null_word_step_lift"),
    ),
    Hypothesis(
        "A step's result depends on what it is about",
        DEPENDS,
        "drop of log p of a step's result without its boxes, minus that without null boxes",
        "nats",
        "as many image tokens of null boxes",
        _against_null("step_result_drop", "step_result_drop_null"),
    ),
    Hypothesis(
        "A step's result depends on its own boxes more than on those of other steps",
        DEPENDS,
        "drop of log p of a step's result without its boxes, minus that without those of other steps",
        "nats",
        "boxes of the other steps of the same question",
        _own_against_others,
    ),
    Hypothesis(
        "The answer depends on what the steps are about",
        DEPENDS,
        "drop of the answer's log-odds without a step's boxes, minus that without null boxes",
        "nats",
        "as many image tokens of null boxes",
        _against_null("step_answer_drop", "step_answer_drop_null"),
    ),
    Hypothesis(
        "The answer depends on what the steps say",
        WORTH,
        "drop of the answer's log-odds with another value as a step's result, minus that with another mark",
        "nats",
        "another punctuation mark at the end of the step",
        _against_null("step_text_drop", "step_text_drop_null"),
    ),
    Hypothesis(
        "Steps of right answers look more at what they are about than those of wrong ones",
        LOOKS,
        "lift in own boxes minus in other steps' boxes, right answers minus wrong ones",
        "lift",
        "wrong answers to questions of the same type",
        _right_against_wrong("step_lift", "null_step_lift"),
    ),
    Hypothesis(
        "Results of right answers depend more on what they are about than those of wrong ones",
        DEPENDS,
        "drop of log p of a step's result beyond that of null boxes, right answers minus wrong ones",
        "nats",
        "wrong answers to questions of the same type",
        _right_against_wrong("step_result_drop", "step_result_drop_null"),
    ),
    Hypothesis(
        "The answer needs the steps that were written",
        WORTH,
        "share right with all steps minus share right where the answer is forced without any",
        "share",
        "the answer forced at once in the same form",
        _steps_against_none,
        briefly="of answers forced in one form more are right with all steps than without any",
    ),
    Hypothesis(
        f"Asking for steps makes answers to questions of {FEWEST_STEPS} steps and more better",
        WORTH,
        f"exact_match_lenient of {WITH} minus that of {WITHOUT}, questions of {FEWEST_STEPS} steps and more",
        "share",
        "the same documents asked for the answer at once",
        _asked_for_steps,
    ),
    Hypothesis(
        "A step looks at what it is about while it is written *",
        LOOKS,
        "lift of the mean attention over a step's tokens, in its own boxes minus in other steps' boxes",
        "lift",
        "boxes of the other steps of the same question",
        _against_null("mean_step_lift", "null_mean_step_lift"),
        before=False,
        briefly="a step looks at what it is about while it is written",
    ),
)


def claims(run: Run) -> tuple[Claim, ...]:
    """Every hypothesis with its corrected p-value."""
    steps, direct = _tasks(run)
    return corrected(
        Claim(each.says, WITH, each.what, each.unit, *each.ask(steps, direct), each.control) for each in HYPOTHESES
    )


def page(run: Run) -> str:
    """The page as Markdown."""
    found = claims(run)
    steps, _ = _tasks(run)
    read = step_regions(steps)
    assert read is not None, "the run was made with the probes of steps"
    before = sum(each.before for each in HYPOTHESES)
    head = HEAD.format(
        in_short="\n".join(in_short(found)), before=before, after=len(found) - before, n_read=read.n,
        n_all=len(steps.frame), task=WITH,
    )  # fmt: skip
    columns = ("expected", "what is compared", "estimate", "n", "p", "p (Holm)", "outcome", "control")
    lines = table(columns, [_row(one) for one in found])
    drawn = {
        one.name: [f"![{one.caption}]({FIGURES}/{one.name}.png)", "", f"*{one.caption}*", ""] for one in figures(run)
    }
    early = ["## How early the answer is right", "", *drawn["early_answers"]]
    return "\n".join(
        [head, *lines, "", *early, *_shares(read), *_following(steps), *_matrix(read), *drawn["causal_matrix"], LIMITS]
    )


def figures(run: Run) -> Sequence[ReportFigure]:
    """The figures of the page."""
    steps, _ = _tasks(run)
    return tuple(step_figures(written_steps(steps), step_regions(steps)))


def in_short(found: Sequence[Claim]) -> list[str]:
    """A sentence on each matter, from the outcomes alone."""
    lines = []
    for matter in (LOOKS, DEPENDS, WORTH):
        said = []
        for outcome, (form, between) in SAID.items():
            clauses = [
                hypothesis.clause
                for hypothesis, claim in zip(HYPOTHESES, found, strict=True)
                if hypothesis.matter == matter and _outcome(claim) == outcome
            ]
            said += [form.format(between.join(clauses))] if clauses else []
        lines.append(f"- {matter}: {'; '.join(said)}.")
    return lines


def _shares(read: StepRegions) -> list[str]:
    """Faithful and idle steps by their number, and responses."""
    rows = [
        (str(one.number), str(one.n), *(interval(one.shares[word], share=True).text for word in WORDS))
        for one in read.numbers
    ]
    rows.append(("responses", str(read.n), *(interval(read.responses[word], share=True).text for word in WORDS)))
    return ["## Faithful and idle steps", "", *table(("step", "n", *WORDS), rows), ""]


def _following(steps: TaskRun) -> list[str]:
    """Medians of the moves of the answer, by how many steps follow the one that is changed."""
    found = [each for each in chains(steps)[1] if each is not None]
    rows = []
    for following in range(max(len(each.words) for each in found)):
        own = [each for each in found if len(each.words) > following]
        changed, mark = (
            np.array([getattr(each, name)[-1 - following] for each in own]) for name in ("text_size", "text_null")
        )
        medians = (float(np.nanmedian(changed)), float(np.nanmedian(np.abs(mark))))
        rows.append((str(following), str(len(own)), *(decimal(value).text for value in medians)))
    columns = ("steps that follow", "n", "another result", "another mark")
    head = ["## How far the answer moves when one step is changed, nats", ""]
    return [*head, "Medians of the sizes; all text behind the change stays.", "", *table(columns, rows), ""]


def _matrix(read: StepRegions) -> list[str]:
    """Mean drop of log p of each result (columns) without the boxes of each step (rows)."""
    numbers = range(len(read.matrix))
    columns = ("without the boxes of step", *(f"result {number + 1}" for number in numbers))
    rows = [
        (str(row + 1), *(decimal(float(value)).text if np.isfinite(value) else MISSING for value in read.matrix[row]))
        for row in numbers
        if np.isfinite(read.matrix[row]).any()
    ]
    return ["## What each result loses without the boxes of each step, nats", "", *table(columns, rows), ""]


def _tasks(run: Run) -> tuple[TaskRun, TaskRun]:
    by_name = {each.task: each for each in task_runs(run)}
    return by_name[WITH], by_name[WITHOUT]


def _row(one: Claim) -> Sequence[str]:
    shown = interval(one.estimate, 2, share=one.unit == "share").text
    unit = f" {one.unit}" if one.unit == "nats" else ""
    return (
        one.topic, one.what, shown + unit, str(one.estimate.n), p_value(one.p).text, p_value(one.p_holm).text,
        _outcome(one), one.control,
    )  # fmt: skip


def _outcome(one: Claim) -> str:
    if not one.holds or one.estimate.value is None:
        return NOT_SHOWN
    return SHOWN if one.estimate.value > 0 else OPPOSITE


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the records")
    parser.add_argument("--out", type=Path, default=PAGE)
    args = parser.parse_args()
    run = load(args.run)
    args.out.write_text(page(run), encoding="utf-8")
    for figure in figures(run):
        save(figure.draw(), args.out.parent / FIGURES / figure.name)


if __name__ == "__main__":
    main()

"""Sentences about whether the probability of an answer says how often such answers are right."""

from __future__ import annotations

from collections.abc import Iterator

from lens_report.measures import Analysis
from lens_report.measures.abstention import KEPT
from lens_report.measures.calibration import CANDIDATES, SCALED, Calibrations
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, paragraph, say
from lens_report.presentation.document.shown import Shown, count, decimal, interval, percent, words
from lens_report.stats.calibration import SELECTIVE, Calibration
from lens_report.stats.results import Estimate


def calibration_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """The main probability in words, all in a table; nothing where no answer has one."""
    found = analysis.calibrations
    if found.why_none:
        return ()
    return (*bullets([*_main(found), *_temperature(found)]), _table(found), *paragraph(_note()))


def _main(found: Calibrations) -> Iterator[Sentence]:
    main = found.main
    if main is None:
        return
    where = next(name for name in found.by if found.by[name] is main)
    yield say(
        "The probability of the answer given {where} is off by {error} (root mean square over bins of equal mass, "
        "debiased); {verdict}. Its mean minus the accuracy is {gap}.",
        where=words(where), error=interval(main.error), verdict=words(_verdict(main)), headline=True,
        gap=interval(main.overconfidence, share=True),
    )  # fmt: skip
    whole, part = main.all_given, main.selective[KEPT]
    yield say(
        "Of all answers {all} are right, of the {share} with the largest probability {part}.",
        all=percent(whole), share=percent(KEPT), part=interval(part, share=True),
    )  # fmt: skip


def _verdict(one: Calibration) -> str:
    low, gap = one.error.low, one.overconfidence
    if low is None:
        return one.error.note
    if low <= 0:
        return "no difference to the shares of right answers could be shown"
    if gap.excludes_zero:
        return "it is too high" if (gap.value or 0) > 0 else "it is too low"
    return "it is too high in some bins and too low in others"


def _temperature(found: Calibrations) -> Iterator[Sentence]:
    before, after = found.by.get(CANDIDATES), found.by.get(SCALED)
    if before is not None and after is not None:
        low, high = float(found.temperatures.min()), float(found.temperatures.max())
        yield say(
            "With a temperature fitted on other samples ({low} to {high} over {n} folds) the error is {after} in place "
            "of {before}, the negative log-likelihood {nll_after} in place of {nll_before}.",
            low=decimal(low, 2), high=decimal(high, 2), n=count(found.temperatures.size), after=interval(after.error),
            before=interval(before.error), nll_after=interval(after.nll), nll_before=interval(before.nll),
        )  # fmt: skip


def _table(found: Calibrations) -> Table:
    columns = (
        "probability", "answers", "error (debiased)", "usual expected calibration error", "mean minus accuracy",
        "Brier", "NLL (nats)", "area under risk-coverage", "minus the least possible",
        *(f"right of the {percent(share).text} given" for share in SELECTIVE),
    )  # fmt: skip
    return Table("calibration", columns, tuple(_row(name, one) for name, one in found.by.items()))


def _row(name: str, one: Calibration) -> tuple[Shown, ...]:
    shares: list[Estimate] = [one.selective[share] for share in SELECTIVE]
    return (
        words(name), count(one.error.n), interval(one.error), decimal(one.absolute_error),
        interval(one.overconfidence, share=True), interval(one.brier), interval(one.nll), interval(one.aurc),
        interval(one.excess_aurc), *(interval(each, share=True) for each in shares),
    )  # fmt: skip


def _note() -> Sentence:
    return say(
        "Answers are those that can be asked about errors, each distinct question once; intervals are clustered. The "
        "usual error is for comparison with other tools: on few answers it is too large. Brier and NLL are of the "
        "event that the answer is right."
    )

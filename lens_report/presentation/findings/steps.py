"""Sentences about the steps that responses write before they answer."""

from __future__ import annotations

from lens_report.measures import Analysis
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, say
from lens_report.presentation.document.shown import count, interval, named, p_value, percent, words
from lens_report.presentation.findings.rules import LEVEL

__all__ = ["step_blocks"]


def step_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """When answers commit and what the steps were worth, in words and a table."""
    found = analysis.steps
    if found is None:
        return ()
    sentences: list[Sentence] = []
    for one in found.groups[:1]:
        means, worth = one.means, one.worth
        sentences.append(
            say(
                "In {n} responses of {steps} steps on average, {same} would have been answered alike without any step; "
                "the answer commits after step {commit}, and {after} steps follow.",
                n=count(one.n), steps=interval(means["written_steps"], 1),
                same=interval(means["answer_without_thinking"], share=True), commit=interval(means["commit_step"], 1),
                after=interval(means["steps_after_commit"], 1), headline=True,
            )
        )  # fmt: skip
        if worth.difference.value is not None:
            p = worth.p_value
            verdict = "the difference cannot be tested" if p is None else "no difference could be shown"
            if p is not None and p < LEVEL:
                verdict = "more is right with them" if worth.difference.value > 0 else "more is wrong with them"
            sentences.append(
                say(
                    "Forced without any step {a} of the answers are right, with all steps {b}: {difference} "
                    "(percentage points, p {p}, n = {n}); {verdict}.",
                    a=percent(worth.mean_a), b=percent(worth.mean_b),
                    difference=interval(worth.difference, share=True), p=p_value(p),
                    n=count(worth.difference.n), verdict=words(verdict), headline=True,
                )
            )  # fmt: skip
        if found.thinned:
            sentences.append(
                say(
                    "In {n} of these responses answers were forced after some of the steps alone, evenly chosen "
                    "(lens_most_steps); after which step they commit, and how often they change, is not known.",
                    n=count(found.thinned),
                )
            )  # fmt: skip
        sentences.append(
            say(
                "Early answers are forced with the words that led to the answer of the same response. That an answer "
                "is there before a step does not show that the step is idle: it may keep the answer from changing."
            )
        )
    columns = (
        "questions", "n", "steps", "commits after step", "steps after that", "changes", "same without steps",
        "right without steps", "right with steps", "with minus without", "p",
    )  # fmt: skip
    rows = tuple(
        (
            named(one.group), count(one.n), interval(one.means["written_steps"], 1),
            interval(one.means["commit_step"], 1), interval(one.means["steps_after_commit"], 1),
            interval(one.means["flips_over_steps"], 2), interval(one.means["answer_without_thinking"], share=True),
            percent(one.worth.mean_a), percent(one.worth.mean_b), interval(one.worth.difference, share=True),
            p_value(one.worth.p_value),
        )
        for one in found.groups
    )  # fmt: skip
    unread = tuple((named(one.status), count(one.n), words(one.reason)) for one in found.unread)
    note = say("Responses without forced answers, with the most frequent reason.")
    return (
        *bullets(sentences),
        *((Table("steps", columns, rows),) if rows else ()),
        *((Table("steps_not_read", ("status", "samples", "reason"), unread, (note,)),) if unread else ()),
    )

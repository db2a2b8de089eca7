"""Sentences about coverage, identity, scores and format errors."""

from __future__ import annotations

from collections.abc import Iterator

from lens_report.measures import Analysis
from lens_report.presentation.document.blocks import Block, Sentence, Table, paragraph, say
from lens_report.presentation.document.shown import count, interval, named, percent, scientific, words


def score_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """What the harness scored and what was read out."""
    return (*paragraph(*_score(analysis)), _table(analysis), *paragraph(*_coverage(analysis)), *_formats(analysis))


def _score(analysis: Analysis) -> Iterator[Sentence]:
    scores, view = analysis.scores, analysis.overview
    if scores.score.value is None:
        yield say("No sample has a score: {why}.", why=words(scores.score.note), headline=True)
    else:
        yield say(
            "The score ({name}) is {score} over {n} samples in {groups} independent clusters.",
            name=words(scores.main), score=interval(scores.score, share=True), n=count(scores.score.n),
            groups=count(scores.score.n_clusters), headline=True,
        )  # fmt: skip
    for name in scores.beside:
        yield say(
            "The other samples are scored by {name}: {score} over {n} samples. The task defines no mean of the two.",
            name=words(name), score=interval(scores.by_name[name], share=True), n=count(scores.by_name[name].n),
            headline=True,
        )  # fmt: skip
    if scores.n_disagree:
        yield say(
            "In {n} samples the harness's score and the lens's verdict differ. In {n_more} of them the verdict is "
            "right, the score is zero and the response says more than the right answer, which a scorer that compares "
            "whole responses calls wrong.",
            n=count(scores.n_disagree), n_more=count(scores.n_says_more), headline=True,
        )  # fmt: skip
    if scores.yes_ratio is not None and scores.yes_ratio.value is not None:
        yield say(
            "The positive answer was given in {given} of the answers and is right in {gold}.",
            given=interval(scores.yes_ratio, share=True), gold=interval(scores.gold_yes_ratio, share=True),
        )  # fmt: skip
    if view.n_repeated:
        yield say(
            "{n} samples repeat a question about the same image; they count in the score, and once in questions about "
            "errors.",
            n=count(view.n_repeated),
        )


def _table(analysis: Analysis) -> Table:
    rows = [
        (words(name), interval(estimate, share=True), count(estimate.n), words(estimate.note))
        for name, estimate in analysis.scores.by_name.items()
        if estimate.value is not None
    ]
    return Table("scores", ("score", "mean, interval", "samples", "note"), tuple(rows))


def _coverage(analysis: Analysis) -> Iterator[Sentence]:
    view, n_samples = analysis.overview, count(analysis.overview.n)
    n_read = count(int(analysis.task_run.read_out.sum()))
    if analysis.task_run.has_layers:
        yield say("The lens read {n_read} of {n} samples at the answer.", n_read=n_read, n=n_samples)
    else:
        yield say(
            "In {n_read} of {n} samples the answer was found and the server gave log-probabilities there.",
            n_read=n_read, n=n_samples,
        )  # fmt: skip
    for status, n in view.status.items():
        if status != "ok":
            yield say("{n} samples have the status {status}.", n=count(n), status=named(status))
    if view.worst_deviation is not None:
        agree = "had the same most likely token throughout" if view.argmax_agrees else "differed in the likeliest token"
        yield say(
            "In {n} checked samples the last layer's readout deviated from the model's own logits by at most {worst} "
            "of their range; the two {agree}.",
            n=count(view.n_checked), worst=scientific(view.worst_deviation), agree=words(agree),
        )  # fmt: skip
    elif analysis.task_run.has_layers:
        yield say("The last layer's readout was not compared with the model's logits in any sample.")
    other = int((analysis.task_run.read_out & ~analysis.task_run.compared).sum())
    if other:
        kind = "no candidates known beforehand" if analysis.task_run.among_candidates else "candidates known beforehand"
        yield say(
            "{n} of the samples have {kind}; accuracy by layer and emergence are about the others alone.",
            n=count(other), kind=words(kind),
        )  # fmt: skip
    if view.group_note:
        yield say("Clusters: {note}.", note=words(view.group_note))
    if view.n_unlabelled:
        yield say(
            "{n} samples have neither a cluster nor an image and count as independent; if they are not, the intervals "
            "are too narrow.",
            n=count(view.n_unlabelled),
        )


def _formats(analysis: Analysis) -> tuple[Block, ...]:
    view = analysis.overview
    if view.format_errors is None:
        return ()
    if view.format_errors.value == 0:
        return paragraph(say("Every answer names one of the candidates, so the lens counts no format errors."))
    sentences = [
        say(
            "{share} of the answers are none of the candidates. Such format errors are counted apart: a scorer calls "
            "them wrong whatever the layers said, and they take no part in questions about errors.",
            share=interval(view.format_errors, share=True), headline=True,
        )
    ]  # fmt: skip
    leads = _gold_in_format_errors(analysis)
    return paragraph(*sentences, leads)


def _gold_in_format_errors(analysis: Analysis) -> Sentence | None:
    """How often the layers favoured gold where the answer was none of the candidates."""
    task_run = analysis.task_run
    column = "gold_based.stable_emerged"
    if column not in task_run.frame:
        return None
    known = task_run.format_error & task_run.column(column)
    n = int(known.sum())
    if not n:
        return None
    share = float(task_run.frame[column].to_numpy(dtype=float)[known].mean())
    return say(
        "Gold leads the candidates at the last layer in {share} of the {n} format errors that were read; guessing "
        "would give {chance}.",
        share=percent(share), n=count(n), chance=percent(analysis.curves.chance),
    )  # fmt: skip

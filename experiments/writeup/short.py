"""The summary, and the table of all hypotheses behind it."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.writeup.claims import Claim
from experiments.writeup.hypotheses import TOPICS
from lens_report.presentation.document.blocks import Block, Section, Sentence, Table, bullets, paragraph, say
from lens_report.presentation.document.shown import Shown, count, interval, p_value, words
from lens_report.stats import Estimate

REPEATED = "Found, and found again in every seed"
ALONE = "Found in the main run alone"
SILENT = "What was not found"


def opening(claims: tuple[Claim, ...]) -> tuple[Block, ...]:
    """How many hypotheses there were and what came of them."""
    held = sum(one.holds for one in claims)
    return paragraph(
        say(
            "A small vision-language model was read layer by layer while it answered four benchmarks, and {n} "
            "hypotheses about what was read were tested together. {holds} of them hold in the main run after "
            "correction for all, and {repeats} of these also in each of the seeds that could be asked. {silent} were "
            "not shown.",
            n=count(len(claims)), holds=count(held), repeats=count(sum(one.repeats for one in claims)),
            silent=count(len(claims) - held),
        ),
        say(
            "{before} were listed before the first run was read; {after} were added when runs had been read, and are "
            "marked with a star.",
            before=count(sum(TOPICS[one.topic].before for one in claims)),
            after=count(sum(not TOPICS[one.topic].before for one in claims)),
        ),
    )  # fmt: skip


def held_sections(claims: tuple[Claim, ...]) -> tuple[Section, Section]:
    """One line a hypothesis that holds: those that repeat in the seeds, and those found once."""
    repeated = [one for one in claims if one.repeats]
    alone = [one for one in claims if one.holds and not one.repeats]
    return Section(REPEATED, _lines(repeated)), Section(ALONE, _lines(alone))


def silent_section(claims: tuple[Claim, ...]) -> Section:
    """What was not shown, a line a topic."""
    return Section(SILENT, bullets([_silent(topic, claims) for topic in TOPICS if _quiet(topic, claims)]))


def claim_section(claims: tuple[Claim, ...]) -> Section:
    """All hypotheses with what came of each."""
    rows = tuple(
        (
            words(one.task), words(one.what + _mark(one)), _shown(one, one.estimate), count(one.estimate.n),
            p_value(one.p), p_value(one.p_holm), words(_in_seeds(one)), words(_outcome(one)), words(one.control),
        )
        for one in claims
    )  # fmt: skip
    columns = ("task", "hypothesis", "estimate", "n", "p", "p (Holm)", "in the seeds", "outcome", "control or null")
    text = paragraph(
        say(
            "Holm's correction runs over all {n} hypotheses, starred ones included. A hypothesis repeats when every "
            "seed that can be asked has the same sign with a p below the level of its own. Where a test was not "
            "possible, because two decoders differ in too few answers or there are too few errors, there is no p and "
            "the hypothesis counts as not shown. Half-way depths that lie together are no proof that two concepts "
            "become readable at once: with so few questions of a kind only large differences can show.",
            n=count(len(claims)),
        )
    )
    return Section("All hypotheses", (*text, Table("claims", columns, rows)))


def _lines(claims: Sequence[Claim]) -> tuple[Block, ...]:
    return bullets([_line(one) for one in claims]) or paragraph(say("None."))


def _line(one: Claim) -> Sentence:
    seeds, topic = _in_seeds(one), TOPICS[one.topic]
    return say(
        "{says}. {task}: {what}: {estimate}{unit} (n = {n}, corrected p {p}; control: {control}{seeds}).",
        says=words(topic.above if (one.estimate.value or 0) > 0 else topic.below), task=words(one.task),
        what=words(one.what + _mark(one)), estimate=_shown(one, one.estimate), unit=_unit(one),
        n=count(one.estimate.n), p=p_value(one.p_holm), control=words(one.control),
        seeds=Shown(seeds, f"; seeds: {seeds}" if one.seeds else "; no seed has it"), headline=True,
    )  # fmt: skip


def _unit(one: Claim) -> Shown:
    text = f" {one.unit}" if one.unit in ("nats", "layers") else ""
    return Shown(one.unit, text)


def _quiet(topic: str, claims: Sequence[Claim]) -> list[Claim]:
    return [one for one in claims if one.topic == topic and not one.holds]


def _silent(topic: str, claims: Sequence[Claim]) -> Sentence:
    """What a topic did not show, with the hypothesis that came nearest."""
    quiet = _quiet(topic, claims)
    total = sum(one.topic == topic for one in claims)
    head = {
        "title": words(TOPICS[topic].title + ("" if TOPICS[topic].before else " *")),
        "k": count(len(quiet)), "n": count(total),
    }  # fmt: skip
    tested = [one for one in quiet if one.p is not None]
    if not tested:
        return say("{title}: {k} of {n} not shown, none of them could be tested.", **head)
    nearest = min(tested, key=lambda one: one.p if one.p is not None else 1.0)
    return say(
        "{title}: {k} of {n} not shown; the smallest p is {p} ({corrected} corrected), {task}, {what}: "
        "{estimate}{unit}.",
        p=p_value(nearest.p), corrected=p_value(nearest.p_holm), task=words(nearest.task), what=words(nearest.what),
        estimate=_shown(nearest, nearest.estimate), unit=_unit(nearest), **head,
    )  # fmt: skip


def _mark(one: Claim) -> str:
    return "" if TOPICS[one.topic].before else " *"


def _outcome(one: Claim) -> str:
    return "holds, also in the seeds" if one.repeats else "holds in the main run" if one.holds else "not shown"


def _in_seeds(claim: Claim) -> str:
    return "; ".join(f"{seed} {_shown(claim, one).text}" for seed, (one, _) in claim.seeds.items()) or "–"


def _shown(claim: Claim, estimate: Estimate) -> Shown:
    return interval(estimate, 2 if claim.unit != "AUROC" else 3, share=claim.unit == "share")

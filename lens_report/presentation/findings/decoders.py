"""Sentences and tables about other decoders and about abstaining, each within what its test allows."""

from __future__ import annotations

from collections.abc import Iterator

from lens_report.measures import Abstentions, Analysis, Decoders
from lens_report.measures.abstention import KEPT, Abstention
from lens_report.measures.decoders import Outcome
from lens_report.measures.decoders.rules import PLAUSIBLE
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, paragraph, say
from lens_report.presentation.document.shown import (
    MISSING,
    Shown,
    count,
    decimal,
    interval,
    listed,
    named,
    p_value,
    percent,
    words,
)
from lens_report.presentation.findings.rules import LEVEL
from lens_report.stats import Comparison


def decoder_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """What other decoders would have answered, and at what price."""
    found = analysis.decoders
    if found.why_none:
        return paragraph(say("Other decoders cannot be computed here: {why}.", why=words(found.why_none)))
    return (
        *paragraph(*_setting(found)),
        *paragraph(*_verdicts(found)),
        _table(found),
        *bullets(list(_by_type(found))),
        *_type_table(found),
        _costs(found),
    )


def abstention_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """Giving up answers by how settled the layers are."""
    found = analysis.abstentions
    if found.why_none:
        return paragraph(say("Abstaining cannot be judged here: {why}.", why=words(found.why_none)))
    return (*paragraph(*_abstaining(found)), _abstention_table(found))


def better(one: Outcome) -> bool:
    """Whether a decoder may be called more accurate than the final layer."""
    return _passes(one) and (one.result is not None and (one.result.difference.value or 0) > 0)


def worse(one: Outcome) -> bool:
    """Whether a decoder may be called less accurate than the final layer."""
    return _passes(one) and (one.result is not None and (one.result.difference.value or 0) < 0)


def _passes(one: Outcome) -> bool:
    return one.p_holm is not None and one.p_holm < LEVEL


def _setting(found: Decoders) -> Iterator[Sentence]:
    dropped = "; ".join(f"{reason}: {n}" for reason, n in found.dropped.items())
    left = f" Left out: {dropped}." if dropped else ""
    yield say(
        "What other decoders would have answered in {n} samples, computed from the recorded shares of the candidates "
        "without running the model again. All choose among the candidates alone, where a decoder in the model would "
        "choose among all tokens.{left}",
        n=count(found.n), left=Shown(left, left),
    )  # fmt: skip
    yield say(
        "The final layer is right in {final}; its leader is the answer that the model gave in {same}.",
        final=interval(found.final, share=True), same=interval(found.agreement, share=True),
    )  # fmt: skip
    if any(one.chosen is not None for one in found.outcomes):
        yield say(
            "Settings were chosen on {a} samples and judged on the other {b}; no image or pair is in both.",
            a=count(found.n_choosing), b=count(found.n_judged),
        )  # fmt: skip


def _verdicts(found: Decoders) -> Iterator[Sentence]:
    tested = [one for one in found.outcomes if one.p_holm is not None]
    for one in tested:
        if (better(one) or worse(one)) and one.result is not None:
            yield _difference(one, one.result)
    if tested and not any(better(one) for one in tested):
        yield say(
            "None of the {n} decoders that could be tested was shown to be more accurate than the final layer.",
            n=count(len(tested)), headline=True,
        )  # fmt: skip
    open_cases = [one for one in tested if not better(one) and not worse(one)]
    if open_cases:
        yield say(
            "No difference to the final layer was shown for: {names}.", names=listed([one.name for one in open_cases])
        )
    for one in found.outcomes:
        if one.result is not None and one.p_holm is None:
            yield _untested(one, one.result)
        elif one.result is None:
            yield say("Not computed: {name} ({why}).", name=words(one.name), why=words(one.why_none))


def _difference(one: Outcome, result: Comparison) -> Sentence:
    order = "more" if better(one) else "less"
    return say(
        "{name} is {order} accurate than the final layer: {gap} over {n} samples (p {p} after correction for all "
        "decoders); it fixes {fixed} wrong answers and breaks {broken} right ones.",
        name=words(_capital(one)), order=words(order), gap=interval(result.difference, share=True),
        n=count(result.difference.n), p=p_value(one.p_holm), fixed=count(result.b_higher),
        broken=count(result.a_higher), headline=True,
    )  # fmt: skip


def _untested(one: Outcome, result: Comparison) -> Sentence:
    if result.a_higher + result.b_higher == 0:
        return say(
            "{name}{chosen} is right and wrong in the same samples as the final layer.",
            name=words(_capital(one)), chosen=_chosen_in_brackets(one),
        )  # fmt: skip
    return say(
        "{name} cannot be tested: it fixes {fixed} answers and breaks {broken}, too few for a claim.",
        name=words(_capital(one)), fixed=count(result.b_higher), broken=count(result.a_higher),
    )  # fmt: skip


def _by_type(found: Decoders) -> Iterator[Sentence]:
    """Question types in which a decoder differs, after correction for all decoders and types."""
    for one in found.outcomes:
        for kind, result in one.by_type.items():
            corrected, gap = one.by_type_holm[kind], result.difference.value
            if corrected is None or corrected >= LEVEL or gap is None:
                continue
            yield say(
                "On questions of type {kind}, {name} is {order} accurate than the final layer: {difference} (p {p} "
                "after correction for all decoders and types).",
                kind=named(kind), name=words(one.name), order=words("more" if gap > 0 else "less"),
                difference=interval(result.difference, share=True), p=p_value(corrected),
            )  # fmt: skip


def _table(found: Decoders) -> Table:
    columns = (
        "decoder", "setting", "samples", "final layer", "decoder's accuracy", "difference", "p", "p (Holm)", "fixed",
        "broken", "note",
    )  # fmt: skip
    note = say(
        "Fixed: wrong in the final layer and right here; broken: the reverse. Contrasts choose among candidates with "
        "at least {cut} times the largest share.",
        cut=decimal(PLAUSIBLE, 1),
    )
    rows = tuple(
        (words(one.name), _chosen(one), *_cells(one.result, one.p_holm), words(_note(one))) for one in found.outcomes
    )
    return Table("decoders", columns, rows, (note,))


def _type_table(found: Decoders) -> tuple[Block, ...]:
    columns = (
        "question type", "decoder", "samples", "final layer", "decoder's accuracy", "difference", "p",
        "p (Holm, all types)", "fixed", "broken",
    )  # fmt: skip
    kinds = list(dict.fromkeys(kind for one in found.outcomes for kind in one.by_type))
    rows = tuple(
        (named(kind), words(one.name), *_cells(one.by_type[kind], one.by_type_holm[kind]))
        for kind in kinds
        for one in found.outcomes
        if kind in one.by_type
    )
    return (Table("decoders_by_type", columns, rows),) if rows else ()


def _cells(result: Comparison | None, corrected: float | None) -> tuple[Shown, ...]:
    if result is None:
        return (words(MISSING),) * 8
    return (
        count(result.difference.n),
        percent(result.mean_a),
        percent(result.mean_b),
        interval(result.difference, share=True),
        p_value(result.p_value),
        p_value(corrected),
        count(result.b_higher),
        count(result.a_higher),
    )


def _costs(found: Decoders) -> Table:
    columns = (
        "decoder", "what it needs in addition", "readouts a token", "MFLOP a token", "forward passes a sample",
        "seconds a sample, measured",
    )  # fmt: skip
    note = say(
        "A readout is the final norm and the output embedding of one more layer: {two} x hidden size x vocabulary "
        "operations, by the sizes in the run's description. Only the image contrast runs the network again.",
        two=count(2),
    )
    rows = tuple(
        (
            words(one.name), words(one.cost.words), count(one.cost.readouts), decimal(one.cost.megaflop, 1),
            count(one.cost.forward_passes), decimal(one.cost.seconds),
        )
        for one in found.outcomes
        if one.cost is not None
    )  # fmt: skip
    return Table("decoder_costs", columns, rows, (note,))


def _abstaining(found: Abstentions) -> Iterator[Sentence]:
    base, *others = found.scores
    share = found.n_wrong / found.n if found.n else None
    yield say(
        "Of {n} answers {share} are wrong. Giving up the {left} with the least final confidence ({name}) leaves "
        "{risk} wrong.",
        n=count(found.n), share=percent(share), left=percent(1 - KEPT), name=words(_short(base)),
        risk=percent(_risk(base)),
    )  # fmt: skip
    if base.curve.aurc.low is None:
        yield say("There are too few for a comparison of ways to abstain: {why}.", why=words(base.curve.aurc.note))
        return
    silent = []
    for one in others:
        gap = one.curve.difference
        if gap is None or gap.value is None or one.p_holm is None or one.p_holm >= LEVEL or not gap.excludes_zero:
            silent.append(_short(one))
            continue
        order = "fewer" if gap.value < 0 else "more"
        yield say(
            "Abstaining by {name} leaves {order} errors than abstaining by final confidence: the area under the "
            "risk-coverage curve differs by {gap} (p {p} after correction).",
            name=words(_short(one)), order=words(order), gap=interval(gap), p=p_value(one.p_holm), headline=True,
        )  # fmt: skip
    if silent:
        yield say(
            "No difference to abstaining by final confidence was shown for: {names}.", names=listed(silent),
        )  # fmt: skip


def _abstention_table(found: Abstentions) -> Table:
    columns = ("abstain by", "area under risk-coverage", "minus final confidence", "p (Holm)", "wrong of those kept")
    note = say(
        "The area is the mean share of errors over all coverages; lower is better, and random gives {random}. "
        "Kept in the last column: {kept} of the answers.",
        random=decimal(found.n_wrong / found.n if found.n else None), kept=percent(KEPT),
    )  # fmt: skip
    rows = tuple(
        (
            words(_short(one) + (" (final confidence)" if one.curve.difference is None else "")),
            interval(one.curve.aurc), interval(one.curve.difference), p_value(one.p_holm), percent(_risk(one)),
        )
        for one in found.scores
    )  # fmt: skip
    return Table("abstention", columns, rows, (note,))


def _risk(one: Abstention) -> float | None:
    """Share of errors among the `KEPT` part of the answers."""
    place = int(abs(one.curve.coverage - KEPT).argmin())
    value = float(one.curve.risk[place])
    return value if value == value else None


def _short(one: Abstention) -> str:
    return one.column.split(".", 1)[-1]


def _chosen(one: Outcome) -> Shown:
    if one.chosen is None:
        return words("none" if not one.setting else MISSING)
    return Shown(one.chosen, f"{one.setting} {one.chosen:g}")


def _chosen_in_brackets(one: Outcome) -> Shown:
    text = f" ({_chosen(one).text})" if one.chosen is not None else ""
    return Shown(text, text)


def _note(one: Outcome) -> str:
    left = f"{one.n_left_out} samples lack what it needs" if one.n_left_out and one.result else ""
    note = one.result.difference.note if one.result else one.why_none
    return "; ".join(part for part in (note, left) if part)


def _capital(one: Outcome) -> str:
    return one.name[0].upper() + one.name[1:]

"""Sentences about question types: how deep each becomes readable, and in what order."""

from __future__ import annotations

from collections.abc import Iterator

from lens_report.measures import Analysis, Order, QuestionType, QuestionTypes
from lens_report.presentation.document.blocks import Block, Sentence, Table, bullets, paragraph, say
from lens_report.presentation.document.shown import (
    MISSING,
    Shown,
    count,
    interval,
    listed,
    named,
    p_value,
    percent,
    words,
)
from lens_report.presentation.findings.rules import LEVEL


def type_blocks(analysis: Analysis) -> tuple[Block, ...]:
    """Emergence by question type, in words and two tables; nothing for a task without several types."""
    found = analysis.question_types
    if found is None:
        return ()
    return (
        *paragraph(*_readable(found)),
        *bullets(list(_claims(found))),
        _table(found),
        *_order_table(found),
    )


def earlier_by_depth(order: Order) -> bool:
    """Whether the first type may be said to reach half of its accuracy above chance at a smaller depth."""
    return order.depth_holm is not None and order.depth_holm < LEVEL


def earlier_by_lead(order: Order) -> bool:
    """Whether the first type's answers may be said to emerge earlier, those that never emerge counted as last."""
    return order.lead_holm is not None and order.lead_holm < LEVEL and (order.lead.value or 0) > 0


def _readable(found: QuestionTypes) -> Iterator[Sentence]:
    known = [one for one in found.types if one.above is not None]
    if not known:
        yield say("Without candidates known beforehand there is no accuracy above chance by question type.")
        return
    reached = [one for one in known if one.from_layer is not None]
    for one in reached:
        yield say(
            "Questions of type {name} are answered above chance from layer {layer} on; half of their final accuracy "
            "above chance is there by layer {half}.",
            name=named(one.name), layer=count(one.from_layer or 0), half=interval(one.halfway, 1),
        )  # fmt: skip
    silent = [one.name for one in known if one.from_layer is None]
    if silent:
        yield say(
            "At the last layer no accuracy above chance was shown for: {names}.", names=listed(silent), headline=True
        )
    if found.left_out:
        reasons = [f"{name} ({why})" for name, why in found.left_out.items()]
        yield say("Question types too small to be looked at: {names}.", names=listed(reasons))


def _claims(found: QuestionTypes) -> Iterator[Sentence]:
    """What the order tests allow: both tests for a headline, one of them for exactly what it measured."""
    both = [order for order in found.orders if earlier_by_depth(order) and earlier_by_lead(order)]
    depth = [order for order in found.orders if earlier_by_depth(order) and not earlier_by_lead(order)]
    for order in both:
        yield say(
            "{first} becomes readable before {second}: half of its accuracy above chance is there {gap} layers earlier "
            "(p {p}), and its right answers emerge earlier in a random pair of samples (p {lead}), both after "
            "correction for all pairs.",
            first=named(order.first), second=named(order.second), gap=interval(order.depth, 1),
            p=p_value(order.depth_holm), lead=p_value(order.lead_holm), headline=True,
        )  # fmt: skip
    for order in depth:
        yield say(
            "{first} reaches half of its final accuracy above chance {gap} layers before {second} (p {p} after "
            "correction for all pairs); counted over single samples this order was not shown.",
            first=named(order.first), second=named(order.second), gap=interval(order.depth, 1),
            p=p_value(order.depth_holm),
        )  # fmt: skip
    if found.orders and not both:
        yield say(
            "No order among the question types was shown by both measures ({n} pairs tested).",
            n=count(len(found.orders)), headline=True,
        )  # fmt: skip


def _table(found: QuestionTypes) -> Table:
    columns = (
        "question type", "samples", "gold leads at the last layer", "with shuffled answers",
        "above chance from layer", "half-way depth (layers)", "median layer, first", "median layer, to the end",
        "ever led", "lost, of wrong", "corrected, of right",
    )  # fmt: skip
    note = say(
        "Gold answers are shuffled among samples of the same type, so a type with few possible answers has a high "
        "chance level. Above chance: corrected for all layers. Half-way depth: where the accuracy above chance passes "
        "half of its last value for good; that of the first layer read means there or before. "
        "Medians count samples in which gold never led as later than all layers."
    )
    return Table("question_types", columns, tuple(_row(one) for one in found.types), (note,))


def _row(one: QuestionType) -> tuple[Shown, ...]:
    return (
        named(one.name),
        count(one.n),
        percent(float(one.accuracy.curve.mean[-1])),
        percent(float(one.chance[-1]) if one.chance.size else None),
        words(MISSING) if one.from_layer is None else count(one.from_layer),
        interval(one.halfway, 1),
        interval(one.first.median, 0),
        interval(one.stable.median, 0),
        interval(one.first.emerged, share=True),
        interval(one.lost, share=True),
        interval(one.corrected, share=True),
    )


def _order_table(found: QuestionTypes) -> tuple[Block, ...]:
    if not found.orders:
        return ()
    columns = (
        "earlier", "later", "difference of half-way depths (layers)", "p (Holm)", "earlier minus later, random pair",
        "p (Holm)",
    )  # fmt: skip
    note = say(
        "The last two columns compare the layers at which gold first leads for a while; samples in which it never does "
        "come last. They depend on how many answers a type has and on how often it is right, the half-way depth does "
        "not."
    )
    rows = tuple(
        (
            named(order.first), named(order.second), interval(order.depth, 1), p_value(order.depth_holm),
            interval(order.lead, 2), p_value(order.lead_holm),
        )
        for order in found.orders
    )  # fmt: skip
    return (Table("question_type_orders", columns, rows, (note,)),)

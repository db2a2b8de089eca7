"""Other decoders and abstaining, computed from the records of the main run."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.writeup.material import MAIN, Material
from lens_report.measures.decoders import Outcome
from lens_report.presentation.document.blocks import Block, Section, Table, paragraph, say
from lens_report.presentation.document.shown import MISSING, Shown, count, decimal, interval, p_value, words
from lens_report.presentation.findings.decoders import abstention_blocks


def decoder_section(material: Material, pictures: tuple[Block, ...]) -> Section:
    """Decoders against the final layer: over all, by question type, and their price."""
    text = paragraph(
        say(
            "Each decoder answers every sample again from the recorded scores of the candidates; no model runs. "
            "Settings are chosen on two of five folds that keep images whole and judged on the other three. A decoder "
            "that ran in the model would choose among all tokens, which the records cannot show."
        )
    )
    return Section(
        "Other decoders, from the records",
        (*text, _whole(material), *pictures),
        (
            Section("By question type", (*_type_text(), _by_type(material))),
            Section("What each would cost", (_costs(material),)),
        ),
    )


def abstention_section(material: Material, pictures: tuple[Block, ...]) -> Section:
    """Giving up answers by how stable the layers are."""
    text = paragraph(
        say(
            "A model that may decline can give up the answers whose layers are unstable: late commitment, many "
            "changes of the leader, a small mean share over the upper layers. The question is whether that leaves "
            "fewer errors than giving up the answers with the least final confidence, which costs nothing."
        )
    )
    sections = tuple(Section(task, abstention_blocks(one)) for task, one in material.of(MAIN).items())
    return Section("Abstaining by stability over the layers", (*text, *pictures), sections)


def _outcomes(material: Material) -> Iterator[tuple[str, Outcome]]:
    for task, one in material.of(MAIN).items():
        for each in one.decoders.outcomes:
            yield task, each


def _whole(material: Material) -> Table:
    rows: list[tuple[Shown, ...]] = []
    for task, each in _outcomes(material):
        if each.result is None:
            rows.append((words(task), words(each.name), words(each.why_none), *[words(MISSING)] * 5))
            continue
        rows.append(
            (
                words(task), words(each.name), _setting(each), count(each.result.difference.n),
                interval(each.result.difference, share=True), p_value(each.p_holm),
                count(each.result.b_higher), count(each.result.a_higher),
            )
        )  # fmt: skip
    columns = (
        "task", "decoder", "setting", "judged on", "accuracy minus final layer", "p (Holm within the task)",
        "fixed", "broken",
    )  # fmt: skip
    return Table("decoders", columns, tuple(rows))


def _setting(one: Outcome) -> Shown:
    return words(f"{one.setting} {one.chosen:g}") if one.chosen is not None and one.setting else words(MISSING)


def _type_text() -> tuple[Block, ...]:
    return paragraph(
        say(
            "Accuracy minus that of the final layer. A star marks a difference that is significant after correction "
            "for all decoders and types of the task; without an interval the two differ in too few answers for a test."
        )
    )


def _by_type(material: Material) -> Table:
    names = list(dict.fromkeys(each.name for _, each in _outcomes(material)))
    rows = []
    for task, one in material.of(MAIN).items():
        by_name = {each.name: each for each in one.decoders.outcomes}
        for kind in dict.fromkeys(kind for each in by_name.values() for kind in each.by_type):
            rows.append((words(task), words(kind), *(_cell(by_name[name], kind) for name in names)))
    return Table("decoders_by_type", ("task", "question type", *names), tuple(rows))


def _cell(one: Outcome, kind: str) -> Shown:
    if kind not in one.by_type:
        return words(MISSING)
    shown, corrected = interval(one.by_type[kind].difference, share=True), one.by_type_holm[kind]
    clear = corrected is not None and corrected < 0.05
    return Shown(shown.value, shown.text + " *") if clear else shown


def _costs(material: Material) -> Table:
    """One row for each price that a decoder has; it depends on the run and, for the best layer, on the choice."""
    columns = (
        "decoder", "what it needs in addition", "readouts a token", "forward passes a sample",
        "seconds a sample, measured",
    )  # fmt: skip
    rows = dict.fromkeys(
        (
            words(each.name), words(each.cost.words), count(each.cost.readouts), count(each.cost.forward_passes),
            decimal(each.cost.seconds),
        )
        for _, each in _outcomes(material)
        if each.cost is not None
    )  # fmt: skip
    return Table("decoder_costs", columns, tuple(rows))

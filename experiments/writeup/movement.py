"""What appears and disappears again: how often, in which kind of question, and in which blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from experiments.writeup.material import MAIN, Material
from lens_report import Analysis
from lens_report.measures.candidates import gold_leads
from lens_report.measures.emergence import groups
from lens_report.presentation.document.blocks import Section, Sentence, Table, paragraph, say
from lens_report.presentation.document.shown import MISSING, Shown, count, percent, words
from lens_report.presentation.findings.layers import lost_blocks

Ints = NDArray[np.int64]
KINDS = {"lost": ("correct_then_lost", 0.0), "corrected": ("wrong_then_corrected", 1.0)}
"""Movement -> the event and the verdict of the answers that it can happen to."""
MANY = 20
"""Movements of a task from which on a sentence says where most of them happen."""


def turns(analysis: Analysis, movement: str) -> Ints:
    """The block in which the lead of gold turned for the last time, for each answer that was lost or corrected."""
    event, verdict = KINDS[movement]
    frame, layers = analysis.task_run.frame, analysis.task_run.layers
    if f"gold_based.{event}" not in frame:
        return np.zeros(0, dtype=np.int64)
    moved = (frame[f"gold_based.{event}"].to_numpy(dtype=np.float64) == 1) & (
        frame["verdict"].to_numpy(dtype=np.float64) == verdict
    )
    before = gold_leads(analysis.task_run)[moved] == (1 if movement == "lost" else 0)
    # the block after the last layer that still stood the other way round
    last = [int(np.flatnonzero(row)[-1]) for row in before if row[:-1].any() and not row[-1]]
    return np.array([int(layers[place + 1]) for place in last], dtype=np.int64)


def movement_section(material: Material) -> Section:
    """Lost beside corrected, never one without the other."""
    rows = [row for task, one in material.of(MAIN).items() for row in _rows(task, one)]
    columns = ("task", "samples", "wrong", "lost", "right", "corrected")
    blocks = [row for task, one in material.of(MAIN).items() for row in _blocks(task, one)]
    where = paragraph(
        say(
            "A movement is dated by the block after which the lead of the right answer turned for the last time: away "
            "from it in answers that were lost, to it in those that were corrected. The counts are few, so they "
            "describe these answers and no more."
        ),
        *(_most(task, one) for task, one in material.of(MAIN).items()),
    )
    sections = tuple(Section(task, lost_blocks(one)) for task, one in material.of(MAIN).items())
    return Section(
        "What appears and disappears again",
        (),
        (
            *sections,
            Section("By question type", (Table("movement", columns, tuple(rows)),)),
            Section(
                "In which blocks",
                (*where, Table("turns", ("task", "movement", "answers", "in block (answers)"), tuple(blocks))),
            ),
        ),
    )


def _rows(task: str, one: Analysis) -> Iterator[tuple[Shown, ...]]:
    found = one.emergence
    for name in groups(one.task_run) if found is not None else ():
        if found is None or not (name == "all" or name.startswith("type: ")):
            continue
        lost, corrected = found.lost.get(name), found.corrected.get(name)
        yield (
            words(task), words(name), count(lost.n if lost else 0), percent(lost.value if lost else None),
            count(corrected.n if corrected else 0), percent(corrected.value if corrected else None),
        )  # fmt: skip


def _blocks(task: str, one: Analysis) -> Iterator[tuple[Shown, ...]]:
    for movement in KINDS:
        found = turns(one, movement)
        if found.size:
            blocks, numbers = np.unique(found, return_counts=True)
            pairs = [[int(block), int(n)] for block, n in zip(blocks, numbers, strict=True)]
            text = ", ".join(f"{block} ({n})" for block, n in pairs)
            yield words(task), words(movement), count(found.size), Shown([list(pair) for pair in pairs], text)
        else:
            yield words(task), words(movement), count(0), words(MISSING)


def _most(task: str, one: Analysis) -> Sentence | None:
    """Where most corrections of a task happen, when there are many and one block has more than half of them."""
    found = turns(one, "corrected")
    if found.size < MANY:
        return None
    blocks, numbers = np.unique(found, return_counts=True)
    top = int(numbers.argmax())
    if numbers[top] * 2 <= found.size:
        return None
    return say(
        "On {task}, {n} of {all} corrections happen in block {block}.",
        task=words(task), n=count(int(numbers[top])), all=count(found.size), block=count(int(blocks[top])),
        headline=True,
    )  # fmt: skip

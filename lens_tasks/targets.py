"""Answer targets: what the lens looks for in a document of a task.

`target_for` asks the module of the task, then the choices or the options in the prompt, then whether the gold answer is
yes or no, and leaves the rest open. How to add a task: docs/adding-a-task.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from re import Pattern
from typing import Any

from lens_tasks.documents import cluster_of, question_type_of
from lens_tasks.gold import gold_texts_of, of_placeholder
from lens_tasks.options.asked import LONGEST_PROMPT, AskedOptions, asked_options
from lens_tasks.options.candidates import ChoiceGold, choice_candidates, choice_gold, in_order_of, list_candidates
from lens_tasks.options.filled import filled_options
from lens_tasks.options.gold import gold_option
from lens_tasks.options.lists import option_lists
from lens_tasks.target_types import AnswerTarget, Candidate
from lens_tasks.tasks import (
    clevr,
    egoschema,
    hallusion,
    perception,
    perceptiontest,
    pope,
    reasoning,
    ruclevr,
    rucommonvqa,
    sound,
    vqa,
    weird,
)
from lens_tasks.yes_no_questions import binary_of, question_of, yes_no_target

__all__ = ["TASK_TARGETS", "AnswerTarget", "Candidate", "TaskTargets", "target_for"]


@dataclass(frozen=True)
class TaskTargets:
    """How the targets of one family of tasks are made.

    Attributes:
        task_name: found in the names of the tasks it is for.
        columns: the document must have all of these.
        target: makes the target from a document and the harness's gold; raises any exception if it cannot.
    """

    task_name: Pattern[str]
    columns: tuple[str, ...]
    target: Callable[[Mapping[str, Any], object], AnswerTarget]


_LONGEST_NOTE = 200
TASK_TARGETS: tuple[TaskTargets, ...] = tuple(
    TaskTargets(module.TASK_NAME, module.COLUMNS, module.target)
    for module in (
        pope,
        reasoning,
        clevr,
        ruclevr,
        weird,
        rucommonvqa,
        hallusion,
        egoschema,
        vqa,
        perception,
        perceptiontest,
        sound,
    )
)


def target_for(
    task: str,
    doc: Mapping[str, Any],
    *,
    prompt: str | None = None,
    gold: object = None,
    choices: Sequence[str] | None = None,
) -> AnswerTarget:
    """The answer target of one document; never raises: what is strange about a document goes into `note`.

    Args:
        task: the task's name in the harness.
        doc: the document as the harness holds it.
        prompt: the text the model is asked with; options are looked for in it.
        gold: what the task's `doc_to_target` returned: text, index of a choice, list of texts. None: taken from the
            document where the task's module knows the column.
        choices: the task's `doc_to_choice`, where it has one.
    """
    gold = gold.tolist() if type(gold).__module__ == "numpy" else of_placeholder(gold, doc)  # type: ignore[attr-defined]
    chosen = None if choices is None else [str(choice) for choice in choices]
    right = choice_gold(gold, chosen) if chosen else ChoiceGold()
    gold_text = gold if right.place is None else (chosen or ())[right.place]
    note = None
    for entry in TASK_TARGETS:
        if not entry.task_name.search(task):
            continue
        missing = [column for column in entry.columns if column not in doc]
        if missing:
            note = f"documents of {task!r} should have the column {missing[0]!r}; it has {sorted(map(str, doc))}"
            continue
        try:
            target = _in_order_of_choices(entry.target(doc, gold_text), chosen, right)
        except Exception as error:  # a strange document must not stop a run; its note says what was strange
            note = f"{type(error).__name__}: {error}"
        else:
            if target is not None:
                return _with_notes(target, gold, note)
    try:
        return _with_notes(_general(doc, prompt or "", gold_text, chosen or (), right), gold, note)
    except Exception as error:  # as above
        return AnswerTarget((), None, note=f"{note + '; ' if note else ''}{type(error).__name__}: {error}")


def _with_notes(target: AnswerTarget, gold: object, note: str | None) -> AnswerTarget:
    """Say as well what stands where the gold answer would."""
    unread = None
    if target.gold is None and not target.gold_texts and target.note is None and gold not in (None, "", [], ()):
        unread = f"{gold!r} is no gold answer"[:_LONGEST_NOTE]
    return replace(target, note="; ".join(filter(None, (note, target.note, unread))) or None)


def _in_order_of_choices(target: AnswerTarget, choices: Sequence[str] | None, right: ChoiceGold) -> AnswerTarget | None:
    """The target of a task's module with the harness's choices for candidates; None where they are not the same."""
    if not choices:
        return target
    candidates = in_order_of(choices, target.candidates)
    if candidates is None:
        return None
    labels = tuple(candidate.label for candidate in candidates)
    pivots = {pivot.label: pivot for pivot in target.pivot}
    return replace(
        target,
        candidates=candidates,
        choices=labels,
        gold=None if right.place is None else labels[right.place],
        pivot=tuple(pivots[label] for label in labels) if pivots else (),
        binary=target.binary if target.binary and set(target.binary) <= set(labels) else None,
        note=right.note,
    )


def _general(
    doc: Mapping[str, Any], prompt: str, gold: object, choices: Sequence[str], right: ChoiceGold
) -> AnswerTarget:
    """The target of a task nobody described: choices, options in the prompt, yes/no, or open."""
    base = AnswerTarget(
        candidates=(),
        gold=None,
        gold_texts=(str(gold),) if right.place is not None else gold_texts_of(gold),
        cluster=cluster_of(doc),
        question_type=question_type_of(doc),
    )
    if len(choices) > 1:
        return _from_choices(base, prompt, choices, right)
    filled = filled_options(doc)
    if filled is not None:
        return _from_prompt(
            base, prompt, AskedOptions(filled, gold_option(gold, filled, keys_asked=True), from_gold=False)
        )
    asked, note = asked_options(prompt, doc, gold)
    if asked is not None:
        return _from_prompt(base, prompt, asked)
    return yes_no_target(base, prompt, question_of(doc, prompt)) or replace(base, note=note)


def _from_choices(base: AnswerTarget, prompt: str, choices: Sequence[str], right: ChoiceGold) -> AnswerTarget:
    """The harness's choices; where they are the keys of a list in the prompt, with the texts of that list."""
    candidates = choice_candidates(choices)
    source = "choices"
    for found in option_lists(prompt[-LONGEST_PROMPT:]):
        listed = in_order_of(choices, list_candidates(found, cyrillic=_cyrillic(prompt)))
        if listed is not None and len(listed) == len(found.options) and found.keys != "texts":
            candidates, source = listed, "prompt_options"
    labels = tuple(candidate.label for candidate in candidates)
    if not labels:
        return replace(base, note=right.note or f"the choices are not distinct: {list(choices)}")
    return replace(
        base,
        candidates=candidates,
        choices=labels,
        gold=None if right.place is None else labels[right.place],
        binary=binary_of(candidates),
        source=source,
        note=right.note,
    )


def _from_prompt(base: AnswerTarget, prompt: str, asked: AskedOptions) -> AnswerTarget:
    return replace(
        base,
        candidates=list_candidates(asked.found, cyrillic=_cyrillic(prompt)),
        gold=asked.gold.label,
        gold_texts=base.gold_texts or _own_text(asked),
        source="prompt_options",
        note=asked.gold.note,
        from_gold=asked.from_gold,
    )


def _own_text(asked: AskedOptions) -> tuple[str, ...]:
    """The right option's text where it looked like a missing answer: an option may be called "None"."""
    return tuple(option.text for option in asked.found.options if option.key == asked.gold.label)


def _cyrillic(prompt: str) -> bool:
    return any("а" <= character <= "я" for character in prompt.lower())

"""Answer targets: what the lens looks for in a document of a task.

`target_for` asks the module of the task, then the choices or the options in the prompt, then whether the gold answer is
yes or no, and leaves the rest open. How to add a task: docs/adding-a-task.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from re import Pattern
from typing import Any

from lens_tasks import clevr, pope, ruclevr, rucommonvqa, weird
from lens_tasks.choices import choice_candidates, gold_label, option_candidates, options_in
from lens_tasks.documents import CLUSTER_COLUMNS, QUESTION_TYPE_COLUMNS, first_scalar, label_of
from lens_tasks.target_types import AnswerTarget, Candidate, gold_texts_of
from lens_tasks.vocabulary import YES_NO, YES_NO_RUSSIAN, pivot_of

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


_YES_NO_SETS: tuple[tuple[Pattern[str], tuple[Candidate, ...], tuple[Candidate, ...]], ...] = (
    (re.compile(r"\byes\W+(?:or\W+)?no\b", re.IGNORECASE), YES_NO, ()),
    (re.compile(r"\bда\W+(?:или\W+)?нет\b", re.IGNORECASE), YES_NO_RUSSIAN, pivot_of(YES_NO_RUSSIAN, YES_NO)),
)

TASK_TARGETS: tuple[TaskTargets, ...] = tuple(
    TaskTargets(module.TASK_NAME, module.COLUMNS, module.target)
    for module in (pope, clevr, ruclevr, weird, rucommonvqa)
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
    note = None
    for entry in TASK_TARGETS:
        if not entry.task_name.search(task):
            continue
        missing = [column for column in entry.columns if column not in doc]
        if missing:
            note = f"documents of {task!r} should have the column {missing[0]!r}; it has {sorted(map(str, doc))}"
            continue
        try:
            return entry.target(doc, gold)
        except Exception as error:  # a strange document must not stop a run; its note says what was strange
            note = f"{type(error).__name__}: {error}"
    try:
        return replace(_general(doc, prompt or "", gold, choices or ()), note=note)
    except Exception as error:  # as above
        return AnswerTarget((), None, note=f"{note + '; ' if note else ''}{type(error).__name__}: {error}")


def _general(doc: Mapping[str, Any], prompt: str, gold: object, choices: Sequence[str]) -> AnswerTarget:
    """The target of a task nobody described: choices, options in the prompt, yes/no, or open."""
    base = AnswerTarget(
        candidates=(),
        gold=None,
        gold_texts=_texts(gold, choices),
        cluster=first_scalar(doc, CLUSTER_COLUMNS),
        question_type=first_scalar(doc, QUESTION_TYPE_COLUMNS),
    )
    return (
        _from_prompt(base, prompt, gold, choices) or _from_choices(base, gold, choices) or _yes_no(base, prompt) or base
    )


def _texts(gold: object, choices: Sequence[str]) -> tuple[str, ...]:
    if isinstance(gold, int) and not isinstance(gold, bool) and 0 <= gold < len(choices):
        return (str(choices[gold]),)
    return gold_texts_of(gold)


def _from_choices(base: AnswerTarget, gold: object, choices: Sequence[str]) -> AnswerTarget | None:
    candidates = choice_candidates(choices)
    if len(candidates) < 2:
        return None
    label = gold_label(gold, candidates)
    return replace(base, candidates=candidates, gold=label, binary=_binary(candidates), source="choices")


def _from_prompt(base: AnswerTarget, prompt: str, gold: object, choices: Sequence[str]) -> AnswerTarget | None:
    options = options_in(prompt)
    if not options:
        return None
    if choices and [str(choice).strip() for choice in choices] != [option.key for option in options]:
        return None  # the harness compares the choices' own texts
    cyrillic = any("а" <= character <= "я" for character in prompt.lower())
    candidates = option_candidates(options, cyrillic=cyrillic)
    by_index = bool(choices) or not options[0].key.isdigit()
    label = gold_label(gold, candidates, options, by_index=by_index)
    if label is None and base.gold_texts:
        return None  # a list in the prompt that the answer is not chosen from
    return replace(base, candidates=candidates, gold=label, source="prompt_options")


def _yes_no(base: AnswerTarget, prompt: str) -> AnswerTarget | None:
    """Yes/no where the gold answer is one of the two, or is unknown and the prompt asks for one of the two."""
    for asked, candidates, pivot in _YES_NO_SETS:
        label = label_of(base.gold_texts[0], candidates) if base.gold_texts else None
        if label is not None or (not base.gold_texts and asked.search(prompt)):
            binary = _binary(candidates)
            return replace(base, candidates=candidates, gold=label, binary=binary, pivot=pivot, source="yes_no")
    return None


def _binary(candidates: Sequence[Candidate]) -> tuple[str, str] | None:
    by_meaning = {candidate.label.lower(): candidate.label for candidate in candidates}
    for positive, negative in (("yes", "no"), ("да", "нет")):
        if len(candidates) == 2 and set(by_meaning) == {positive, negative}:
            return by_meaning[positive], by_meaning[negative]
    return None

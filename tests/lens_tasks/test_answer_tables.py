"""Answers with their right reading, decided by hand before the code was run on them: none may be read wrongly.

Two tables of ordinary and tricky answers, one of further ones, and one that attacks the rules of the code.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from lens_tasks.answers import AnswerSpan, ends_in_reasoning, locate_answer
from lens_tasks.options.candidates import Option, option_candidates
from lens_tasks.target_types import Candidate
from lens_tasks.vocabulary import CLEVR, RUCLEVR, YES_NO, YES_NO_RUSSIAN

DATA = Path(__file__).parent / "data"
DOCS = Path(__file__).parents[2] / "docs"
TABLES = ("english", "russian", "further", "adversarial")
END_MARKS = " .!,;:"
ANIMALS = {"A": "cat", "B": "dog", "C": "horse", "D": "bird"}
SETS = {"yes_no": YES_NO, "yes_no_ru": YES_NO_RUSSIAN, "clevr": CLEVR, "ruclevr": RUCLEVR, "open": ()}


@lru_cache
def cases(name: str) -> list[dict[str, Any]]:
    found = yaml.load((DATA / f"answers_{name}.yaml").read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert isinstance(found, list)
    return found


def candidates_of(case: dict[str, Any]) -> tuple[Candidate, ...]:
    if case["set"] in SETS:
        return SETS[case["set"]]
    options = {"letters": ANIMALS, "letters_ru": {"A": "нормальное", "B": "странное"}}.get(case["set"]) or case[
        "options"
    ]
    texts = [str(text) for text in options.values()]
    cyrillic = any("а" <= character <= "я" for character in "".join(texts).lower())
    return option_candidates(
        [Option(str(key), text) for key, text in zip(options, texts, strict=True)], cyrillic=cyrillic
    )


def unmarked(response: str) -> tuple[str, list[tuple[int, int]]]:
    """The response without its marks, and the characters that they stood around."""
    text, places, start = "", [], 0
    for character in response:
        if character == "⟦":
            start = len(text)
        elif character == "⟧":
            places.append((start, len(text)))
        else:
            text += character
    return text, places


def reading(case: dict[str, Any]) -> str:
    """right, wrong, or none where nothing was read."""
    response, places = unmarked(case["response"])
    found = locate_answer(
        response,
        candidates_of(case),
        kind=case.get("type"),
        in_reasoning=ends_in_reasoning(case.get("prompt_ends", "")),
        question=case.get("question"),
    )
    if not isinstance(found, AnswerSpan) or (case["set"] != "open" and found.label is None):
        return "none"
    if case["set"] == "open":
        text = found.text.strip(END_MARKS)
        right = any(found.start == start and text == response[start:end].strip(END_MARKS) for start, end in places)
    else:
        right = found.label == case["means"] and any(start <= found.start < end for start, end in places)
    return "right" if right else "wrong"


@pytest.mark.parametrize("table", TABLES)
def test_answers_are_read_right_or_not_at_all(table: str) -> None:
    off = [
        (case["response"], outcome)
        for case in cases(table)
        if (outcome := reading(case)) != case.get("read", "none" if case["means"] is None else "right")
    ]
    assert not off


def test_the_page_says_how_many_are_read_and_how_many_wrongly() -> None:
    everything = [case for table in TABLES for case in cases(table)]
    wrong = sum(case.get("read") == "wrong" for case in everything)
    clear = [case for table in TABLES[:3] for case in cases(table) if case["means"] is not None]
    right = sum(case.get("read", "right") == "right" for case in clear)
    page = " ".join((DOCS / "tasks.md").read_text(encoding="utf-8").split())
    assert f"Measured on {len(everything)} answers" in page
    assert f"{wrong} are read wrongly ({wrong / len(everything):.1%}".replace("%", " %") in page
    assert f"of the {len(clear)} ordinary ones that a person finds clear, {right / len(clear):.0%}"[:-1] in page


def test_every_rule_that_reads_an_answer_is_documented() -> None:
    fired = {"task_filter"}
    for case in (case for table in TABLES for case in cases(table)):
        found = locate_answer(unmarked(case["response"])[0], candidates_of(case), kind=case.get("type"))
        fired |= {found.rule.removesuffix(":no_candidate")} if isinstance(found, AnswerSpan) else set()
    rows = re.findall(r"^\| `(\w+)` \| ", (DOCS / "tasks.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert fired == {row for row in rows if row.startswith(("after_", "in_", "first_", "task_"))}


def test_marks_stand_where_there_is_an_answer() -> None:
    for table in TABLES:
        for case in cases(table):
            assert bool(unmarked(case["response"])[1]) == (case["means"] is not None), case


def test_a_planted_wrong_answer_is_noticed() -> None:
    case = {"set": "yes_no", "response": "⟦No⟧, there is none.", "means": "yes"}
    assert reading(case) == "wrong"

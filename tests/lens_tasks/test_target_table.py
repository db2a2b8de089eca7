"""What is asked and what is right, against a table decided by hand (data/targets.yaml)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lens_tasks import AnswerTarget, target_for

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "data" / "targets.yaml").read_text(encoding="utf-8")
)


def made(case: dict[str, Any]) -> AnswerTarget:
    return target_for(
        case["task"], case.get("doc", {}), prompt=case.get("prompt"), gold=case["gold"], choices=case.get("choices")
    )


def wrongs(case: dict[str, Any], target: AnswerTarget) -> list[str]:
    """What the target says that is not so; what it leaves out is not among them."""
    found = []
    if target.labels and list(target.labels) != case.get("labels", list(target.labels)):
        found.append(f"candidates {target.labels}")
    if target.gold is not None and target.gold != case["right"]:
        found.append(f"gold {target.gold!r}")
    if not set(target.gold_texts) <= set(case.get("texts", target.gold_texts)):
        found.append(f"gold texts {target.gold_texts}")
    if target.kind is not None and target.kind != case.get("kind", "yes_no"):
        found.append(f"kind {target.kind!r}")
    return found


def misses(case: dict[str, Any], target: AnswerTarget) -> list[str]:
    """What the table knows and the target does not say."""
    found = []
    if not target.labels and case.get("labels"):
        found.append("candidates")
    if target.gold is None and case["right"] is not None:
        found.append("gold")
    if list(target.gold_texts) != case.get("texts", list(target.gold_texts)):
        found.append(f"gold texts {target.gold_texts}")
    if case.get("kind") not in (None, target.kind):
        found.append("kind")
    return found


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case['of']}" for number, case in enumerate(CASES)])
def test_the_table(case):
    target = made(case)
    assert (wrongs(case, target), misses(case, target)) == ([], []), (case, target.source, target.note)


def test_the_right_answers_of_the_table_are_among_its_labels():
    assert all(case["right"] is None or case["right"] in case.get("labels", [case["right"]]) for case in CASES)


@pytest.mark.parametrize(
    "piece", ["-", " ", "[", "if ", "yes or ", "A. x ", "1. a line\n", "what is ", "*", "- item\n", '"']
)
def test_a_long_prompt_costs_no_more_than_its_end(piece):
    """The work is bounded by what is looked at, so that this ends; what it finds at the end is what stands there."""
    target = target_for(
        "x", {}, prompt=piece * 20_000 + "\n\nWhich one?\nA. cat\nB. dog\nAnswer with the letter.", gold="B"
    )
    assert (target.labels, target.gold) in [(("A", "B"), "B"), ((), None)]

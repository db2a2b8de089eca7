"""docs/picture-results.md says what the records of results/picture say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.picture import HYPOTHESES, PAGE, page

DOCS = PAGE.read_text(encoding="utf-8")


def verdicts(text: str) -> dict[tuple[str, str], str]:
    rows = [
        line.strip("| ").split(" | ") for line in text.splitlines() if re.search(r". \| (pope|clevr)_mini \|", line)
    ]
    return {(row[0], row[1]): row[-1].strip() for row in rows}


@pytest.fixture(scope="module")
def fresh() -> str:
    return page(Path(__file__).parents[1] / "results" / "picture")


def test_every_hypothesis_is_answered_as_the_records_say(fresh: str) -> None:
    assert verdicts(DOCS) == verdicts(fresh)
    assert len(verdicts(DOCS)) == len(HYPOTHESES) == 30
    assert set(verdicts(DOCS).values()) <= {"holds", "not shown", "the opposite", "could not be tested"}


def test_the_numbers_are_those_of_the_records(fresh: str) -> None:
    own, theirs = (
        [float(number) for number in re.findall(r"(?<![\w.])-?\d+\.\d\d\b", re.sub(r"\d(\.\d+)?e-\d+", "", text))]
        for text in (DOCS, fresh)
    )
    assert len(own) > 100
    assert own == pytest.approx(theirs, abs=0.011)  # two digits are printed

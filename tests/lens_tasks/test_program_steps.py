"""Steps of programs from the column of a document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lens_tasks.program_steps import ProgramError, ProgramStep, program_steps
from lens_tasks.regions import regions_of


def test_the_column_is_a_list_or_its_json() -> None:
    steps = [{"function": "count", "objects": [1, 2], "result": "2", "nodes": [], "inputs": []}]
    expected = (ProgramStep("count", (1, 2), "2"),)
    assert program_steps({"lens_steps": json.dumps(steps)}) == program_steps({"lens_steps": steps}) == expected
    assert program_steps({}) == program_steps({"lens_steps": None}) == program_steps({"lens_steps": ""}) == ()


@pytest.mark.parametrize(
    "value",
    [
        "{", "[1]", 7, float("nan"), [{"function": "count"}], json.dumps([{"objects": ["x"]}]),
        [{"function": "exist", "objects": [-1], "result": "yes"}], json.dumps({"function": "exist"}),
    ],
)  # fmt: skip
def test_a_column_that_cannot_be_read_says_what_was_found_and_the_boxes_stay(value: Any) -> None:
    with pytest.raises(ProgramError, match=r"lens_steps is .*expected a list of steps"):
        program_steps({"lens_steps": value})
    regions = regions_of("t", {"lens_steps": value, "lens_boxes": [{"box": [0, 0, 8, 8], "label": "cube"}]})
    assert isinstance(regions.steps, ProgramError)
    assert [each.label for each in regions.placed([(16, 16)])] == ["cube"]

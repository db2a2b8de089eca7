"""The filters of both harnesses' own task objects, asked about one response."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import lm_eval.filters
import lmms_eval.filters
import pytest

from harness_ext.tasks import answer_filters

REGEX = ["regex", {"regex_pattern": r"answer is (\w+)", "fallback": "[none]"}]


@pytest.mark.parametrize("filters", [lm_eval.filters, lmms_eval.filters], ids=["lm_eval", "lmms_eval"])
def test_each_pipeline_says_what_it_takes(filters: Any) -> None:
    build = filters.build_filter_ensemble
    task = SimpleNamespace(
        _filters=[build("none", [["take_first", None]]), build("strict", [REGEX, ["take_first", None]])]
    )
    take = answer_filters(task, {"question": "?"})
    assert take is not None
    assert take("I think the answer is B.") == [None, "B"]
    assert take("no idea") == [None, "[none]"]


def test_a_task_without_filters_takes_nothing() -> None:
    assert answer_filters(None, {}) is None
    assert answer_filters(SimpleNamespace(_filters=None), {}) is None


def test_a_filter_that_breaks_outside_the_harness_is_left_out() -> None:
    class Broken:
        def apply(self, answers: Any, documents: Any) -> Any:
            raise KeyError("choices")

    task = SimpleNamespace(_filters=[SimpleNamespace(name="own", filters=[Broken()])])
    take = answer_filters(task, {})
    assert take is not None
    assert take("B") == [None]

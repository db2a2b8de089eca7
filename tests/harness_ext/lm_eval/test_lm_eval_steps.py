"""`lens_probes=steps` through lm-eval: answers unchanged, columns in its table."""

from __future__ import annotations

import pytest
from lm_eval_outcome import Evaluate


def test_steps_are_in_table_and_records(evaluate: Evaluate) -> None:
    plain = evaluate("ruclevr_mini", limit=20, output="plain")
    stepped = evaluate("ruclevr_mini", "lens_probes=steps", limit=20, output="stepped")
    assert stepped.texts("ruclevr_mini") == plain.texts("ruclevr_mini")
    read = [record for record in stepped.run.records() if record.probe_status["steps"] == "ok"]
    assert read and all(record.probes["steps"]["forced"].shape == (2, 28) for record in read)
    mean = sum(float(record.label_free["answer_without_thinking"] or 0) for record in read) / len(read)
    assert stepped.value("ruclevr_mini", "lens_answer_without_thinking") == pytest.approx(mean)
    others = [record.probe_status["steps"] for record in stepped.run.records() if record not in read]
    assert others and all(status.startswith(("nothing: ", "no_answer: ")) for status in others)

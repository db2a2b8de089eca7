"""The plan of the reference experiments, and the comparison of two folders of results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.compare import differences
from experiments.plan import read_plan
from lens_results import LensInfo, ModelInfo, RecordWriter, RunInfo, SampleRecord, load


def _run(folder, scores, response="yes"):
    info = RunInfo("a-run", ModelInfo("m", 2), LensInfo((1, 2)))
    with RecordWriter(folder, info) as writer:
        writer.append(
            SampleRecord(
                task="t", doc_id=0, kind="generate", candidates=("yes", "no"), cand_scores=scores, response=response
            )
        )
    return load(folder)


def test_every_experiment_has_a_command_of_its_own():
    plan = read_plan()
    commands = {" ".join(one.command(Path("CHECKPOINTS"), Path("OUT") / one.name)) for one in plan}
    assert len(commands) == len(plan)
    main = next(one for one in plan if one.name == "main")
    assert "lens_controls=blank+shuffled" in " ".join(main.command(Path("c"), Path("o")))
    assert main.pretrained(Path("c")) == "lens_tiny"
    assert next(one for one in plan if one.name == "seed_113").pretrained(Path("c")) == "c/read_113"


def test_an_unknown_harness_is_refused(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text("- {name: a, about: b, harness: other, model: m, tasks: [t]}\n")
    with pytest.raises(ValueError, match="harness 'other'"):
        read_plan(file)


def test_two_runs_are_compared_in_texts_and_readouts(tmp_path):
    scores = np.array([[-1.0, -2.0], [-0.5, -3.0]], dtype=np.float32)
    first = _run(tmp_path / "a", scores)
    assert list(differences(first, _run(tmp_path / "b", scores + 1e-5))) == []
    assert any("cand_scores" in found for found in differences(first, _run(tmp_path / "c", scores + 0.1)))
    assert any("response" in found for found in differences(first, _run(tmp_path / "d", scores, "no")))


def test_plans_can_be_changed_in_one_place():
    one = read_plan()[0]
    assert "--apply_chat_template" in replace(one, flags=("--apply_chat_template",)).command(Path("c"), Path("o"))

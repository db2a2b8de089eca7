"""`mmlens check`: what it prints, what it measures, and the code it leaves with."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from harness_ext.cli import app
from harness_ext.cli.check import _costs, _forcing
from harness_ext.model_check import (
    Costs,
    ExamplePrompts,
    TaskError,
    candidate_sets,
    costs,
    example_sample,
    load_task,
    measure_costs,
    task_samples,
)
from lens_engine import TransformersEngine
from lens_models import Forcing, IdentityError, LensError, LensSettings, load_model
from lens_models.loading import LoadedModel
from lens_tasks import AnswerTarget, Candidate

_TASK = """
task: listed
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.to_visual
doc_to_text: !function utils.to_text
doc_to_target: answer
generation_kwargs: {{max_new_tokens: 3, temperature: 0}}
process_results: !function utils.score
metric_list: [{{metric: exact, aggregation: mean, higher_is_better: true}}]
"""
_UTILS = """
def to_visual(doc):
    return [doc["image"].convert("RGB")]


def to_text(doc, lmms_eval_specific_kwargs=None):
    return doc["question"] + chr(10) + "A. yes" + chr(10) + "B. no"


def score(doc, results):
    return {"exact": 0.0}
"""

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def tiny() -> LoadedModel:
    return load_model(device="cpu")


@pytest.fixture(scope="module")
def engine(tiny: LoadedModel) -> TransformersEngine:
    prompts = ExamplePrompts(tiny.model, tiny.processor, use_cache=True, warn=print)
    return TransformersEngine(tiny.model, tiny.processor, prompts, LensSettings())


@pytest.fixture
def own_task(tmp_path: Path) -> Path:
    """A folder with a task of two options in the prompt, as a user writes it."""
    from lens_tasks.folders import lmms_eval_tasks

    data = lmms_eval_tasks().parent / "minis" / "pope_mini.parquet"
    (tmp_path / "listed.yaml").write_text(_TASK.format(data=data))
    (tmp_path / "utils.py").write_text(_UTILS)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["check", *words])


def test_check_with_a_task_says_how_its_candidates_are_read_and_what_a_sample_costs() -> None:
    done = run("lens_tiny", "--task", "pope_mini", "--documents", "6", "--samples", "2", "--device", "cpu")
    assert done.exit_code == 0, done.output
    shown = " ".join(done.output.split())
    assert re.search(r"image tokens . geometry proven \([0-9]+% of [0-9]+ painted spots\)", shown)
    assert re.search(r"teacher forcing . one pass: off from generation by [0-9.e-]+ \(allowed 1\.0e-04\)", shown)
    assert r"Candidates of pope\_mini in 6 documents" in shown
    assert re.search(r"yes, no . first token \(6 documents\)", shown)
    assert "Costs of a sample (2 answered one by one)" in shown
    assert re.search(r"seconds without the lens . \d+\.\d{3} \|", shown)
    assert "| the lens adds | not stated: 2 answered, at least 5 are needed (--samples) |" in shown


def test_a_task_of_ones_own_is_found_by_its_folder(own_task: Path) -> None:
    words = ("lens_tiny", "--task", "listed", "--include-path", str(own_task), "--documents", "4", "--samples", "0")
    done = run(*words, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert re.search(r"A, B\s+.\s+(first token|teacher forced)", done.output)
    assert "Costs" not in done.output


def test_how_given_tokens_are_scored_is_told_in_words() -> None:
    slow = Forcing(None, None, "step by step", 0.0, 1e-4, "one pass: its logits before a token change with it")
    assert _forcing(slow) == (
        "step by step: off from generation by 0.0e+00 (allowed 1.0e-04); not in one pass: its logits before a token "
        "change with it"
    )
    refused = Forcing(None, None, None, reason="it did not generate")
    assert _forcing(refused) == (
        "refused for multiple choice, candidates of several tokens and controls: it did not generate"
    )


def test_a_refused_model_leaves_with_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> Any:
        raise IdentityError("the lens does not read it [really]")

    monkeypatch.setattr("lens_models.lens.prove_identity", refuse)
    done = run("lens_tiny", "--device", "cpu")
    assert done.exit_code == 1
    assert "the lens does not read it [really]" in done.stderr
    assert "is read exactly" not in done.output


def test_a_folder_that_is_not_there_leaves_with_code_1() -> None:
    done = run("./nowhere")
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit), "a message, not a traceback"
    assert "Error: pretrained=./nowhere: " in done.stderr


def test_a_task_that_does_not_exist_leaves_with_code_1_before_the_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unexpected(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("lens_models.load_model", unexpected)
    monkeypatch.setattr("harness_ext.model_check.load_task", missing)
    done = run("lens_tiny", "--task", "pope_minni")
    assert done.exit_code == 1
    assert "no such task pope_minni" in done.stderr


def missing(name: str, include_path: Path | None = None) -> Any:
    raise TaskError(f"no such task {name}")


@pytest.mark.parametrize("words", [("--documents", "0"), ("--samples", "-1"), ("--sampels", "1")])
def test_wrong_options_leave_with_code_2(words: tuple[str, ...]) -> None:
    assert run("lens_tiny", *words).exit_code == 2


def test_a_group_of_tasks_names_its_members() -> None:
    with pytest.raises(TaskError, match=r"'lens_mini' is a group; name one of its tasks: clevr_mini, pope_mini"):
        load_task("lens_mini")


def test_a_data_set_that_is_not_at_hand_is_named_with_its_error(own_task: Path) -> None:
    text = (own_task / "listed.yaml").read_text()
    (own_task / "listed.yaml").write_text(re.sub(r"test: [^}]*parquet", "test: nowhere.parquet", text))
    with pytest.raises(TaskError, match="task 'listed' cannot be loaded"):
        load_task("listed", own_task)


def test_samples_are_spread_over_the_split(tiny: LoadedModel) -> None:
    task = load_task("pope_mini")
    samples = task_samples(task, tiny, 4)
    n = len(task.eval_docs)
    assert [sample.key[1] for sample in samples] == [0, n // 4, n // 2, 3 * n // 4]
    assert [sample.question for sample in samples] == [task.doc_to_text(task.eval_docs[place * n // 4])
                                                       for place in range(4)]  # fmt: skip
    assert [len(sample.media.images) for sample in samples] == [1] * 4
    assert all(sample.target.gold in ("yes", "no") for sample in samples)


class Letters:
    """A tokenizer with one token a character, which knows no digits."""

    unk_token_id = 0

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return [0 if character.isdigit() else ord(character) for character in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(chr(token) for token in ids)


def target(*labels: str) -> AnswerTarget:
    return AnswerTarget(tuple(Candidate(label, (label,)) for label in labels), labels[0] if labels else None)


def test_each_way_of_reading_candidates_is_told_apart() -> None:
    targets = [target("yes", "no"), target("red", "rose"), target("one", "2"), target(), target("yes", "no")]
    found = {each.labels: each for each in candidate_sets(Letters(), targets)}
    assert next(iter(found)) == ("yes", "no")
    assert (found["yes", "no"].method, found["yes", "no"].n_documents) == ("first_token", 2)
    assert found["red", "rose"].method == "teacher_forced"
    assert "token 114 'r' begins red, rose; used for none" in found["red", "rose"].collisions
    assert found["one", "2"].method == "not_encodable"
    assert found["one", "2"].collisions == ("2 has no token of its own and no encodable form",)
    assert (found[()].method, found[()].collisions) == ("open", ())


def test_costs_are_of_the_model_alone_and_of_the_lens(
    tiny: LoadedModel, engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lens that takes its time and its memory shows in the second column, and not in the first."""
    samples = [example_sample()] * 2
    lens = engine.lens
    assert lens is not None
    waste = 160 * 2**20
    read = lens.read
    now = [0.0]

    def wasteful(rows: Any) -> Any:
        torch.ones(waste // 4).sum()
        now[0] += 0.25
        return read(rows)

    monkeypatch.setattr(costs.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(lens, "read", wasteful)
    found = measure_costs(engine, tiny.tokenizer, samples)
    assert (found.seconds_off, found.seconds_on) == ((0.0, 0.0), (0.25, 0.25))
    assert found.added is None
    if found.memory_off is not None:
        assert found.memory_on is not None
        assert found.memory_on - found.memory_off > waste / 2


def test_where_the_system_tells_no_peak_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*args: Any, **kwargs: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", absent)
    monkeypatch.setattr(Path, "write_text", absent)
    costs._forget_peak(torch.device("cpu"))
    assert costs._peak(torch.device("cpu")) is None
    assert [name for name, _ in _costs(Costs((0.1,), (0.2,), None, None))] == [
        "seconds without the lens",
        "seconds with the lens",
        "the lens adds",
    ]


def test_what_the_lens_adds_is_the_median_over_pairs_with_its_quartiles() -> None:
    off = (1.0, 1.0, 2.0, 4.0, 10.0)
    on = tuple(one * (1 + more) for one, more in zip(off, (0.1, 0.5, 0.2, 0.3, 0.4), strict=True))
    added = Costs(off, on, None, None).added
    assert added is not None
    assert (added.middle, added.low, added.high) == pytest.approx((0.3, 0.2, 0.4))
    shown = dict(_costs(Costs(off, on, None, None)))
    assert shown["the lens adds"] == "+30% (quartiles +20% to +40%)"
    hidden = dict(_costs(Costs(off, tuple(one * 0.9 for one in off[:3]) + on[3:], None, None)))["the lens adds"]
    assert hidden.startswith("not told apart from the machine's own changes (quartiles -10% to +30% of 5 samples)")
    assert shown["seconds without the lens"] == "2.000 (quartiles 1.000 to 4.000)"
    assert Costs(off[:4], on[:4], None, None).added is None
    assert shown != dict(_costs(Costs(off[:4], on[:4], None, None)))


def test_a_sample_is_timed_both_ways_in_turn_after_a_warm_up(
    tiny: LoadedModel, engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways: list[bool] = []
    generate = engine.generate

    def noted(samples: Any, *args: Any, observe: bool = True, **kwargs: Any) -> Any:
        ways.append(observe)
        return generate(samples, *args, observe=observe, **kwargs)

    monkeypatch.setattr(engine, "generate", noted)
    measure_costs(engine, tiny.tokenizer, [example_sample()] * 3)
    assert ways == [False] * 3 + [True] * 3 + [False, True, True, False, False, True]


def test_what_was_found_is_printed_although_measuring_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise LensError("no memory is left")

    monkeypatch.setattr("harness_ext.model_check.measure_costs", fail)
    done = run("lens_tiny", "--device", "cpu", "--format", "csv")
    assert done.exit_code == 1
    assert "no memory is left" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["part"] for row in rows} == {"lens_tiny is read exactly"}
    found = {row["what"]: row["found"] for row in rows}
    assert found["layers"] == "10 in model.language_model.layers"
    assert found["top-1 token"] == "agrees"


def test_task_errors_are_not_lens_errors() -> None:
    assert not issubclass(TaskError, LensError)

"""`--use_cache` of lm-eval: an answer and its record come back for an equal fingerprint, and for no other."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lm_eval.api.model as lm_eval_model
import pytest
from cached_runs import bytes_in, reads_alike, stored
from lm_eval.tasks import TaskManager
from lm_eval_fault_tasks import write_lm_eval_fault_tasks
from lm_eval_outcome import Evaluate, Outcome
from resizing import resizing_works

from harness_ext.lm_eval.cache import keys_of_run
from harness_ext.lm_eval.plugin import register

pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Passing `min_pixels` and `max_pixels` to a processor call:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*resiz:UserWarning"),
]
ALL = "Lens: 3 of 3 answers are those of earlier runs, with their records"
Cached = Callable[..., Outcome]


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> TaskManager:
    return changed(tmp_path_factory.mktemp("tasks") / "tasks")


@pytest.fixture
def cached(evaluate: Evaluate, plain: TaskManager, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Cached:
    """Run a task with the one cache of the test; `caplog` has what this run said."""
    number = iter(range(99))

    def run(arguments: str = "", task: str = "plain", **more: Any) -> Outcome:
        caplog.clear()
        with caplog.at_level("INFO", logger="harness_ext"):
            options = {"limit": 3, "batch_size": 3, **({"task_manager": plain} if task == "plain" else {}), **more}
            return evaluate(task, arguments, use_cache=str(tmp_path / "cache"), output=f"out{next(number)}", **options)

    return run


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if re.match(r"Lens: \d+ of \d+ answers", record.message)]


def changed(folder: Path, **changes: tuple[str, str]) -> TaskManager:
    """The task `plain`, yes/no questions, with a text replaced in `utils.py` or in its YAML."""
    folder.mkdir()
    write_lm_eval_fault_tasks(folder)
    for name, (old, new) in changes.items():
        path = folder / {"utils": "utils.py", "plain": "plain.yaml"}[name]
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    register()
    return TaskManager(include_path=str(folder), include_defaults=False)


def test_another_configuration_is_computed_and_named_in_one_line(
    cached: Cached, caplog: pytest.LogCaptureFixture, adapter: Path, tmp_path: Path
) -> None:
    first = cached()
    assert told(caplog) == []
    changes: tuple[tuple[str, dict[str, Any], str], ...] = (
        (f"peft={adapter}", {}, "adapter"),
        ("dtype=bfloat16", {}, "dtype"),
        ("max_pixels=9216,min_pixels=9216", {}, "arguments.max_pixels"),
        *([("image_max_side=40", {}, "arguments.image_max_side")] if resizing_works() else []),
        ("lens_layers=1+2", {}, "lens.layer_index"),
        ("", {"system_instruction": "Be brief."}, "prompt"),
        ("", {"gen_kwargs": "max_gen_toks=7"}, "generation"),
    )
    for arguments, options, part in changes:
        other = cached(arguments, **options)
        (line,) = told(caplog)
        assert line.startswith("Lens: 0 of 3 answers"), (arguments, options)
        assert f"3 with another fingerprint ({part}" in line, (arguments, options)
        assert part == "generation" or not reads_alike(first.run, other.run), (arguments, options)
    size = bytes_in(tmp_path / "cache_rank0.lens")
    again = cached(batch_size=1)
    assert told(caplog) == [ALL]
    assert reads_alike(first.run, again.run)
    assert again.texts("plain") == first.texts("plain")
    assert bytes_in(tmp_path / "cache_rank0.lens") == size, "records that were taken are not written again"
    shutil.rmtree(tmp_path / "cache_rank0.lens")
    assert reads_alike(first.run, cached().run), "without its record an answer is computed"


def test_an_edited_prompt_and_corrected_gold_labels(
    cached: Cached, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    first = cached()
    edited = changed(tmp_path / "b", utils=('"<image>" + doc', '"<image>Think. " + doc'))
    other = cached(task_manager=edited)
    assert "3 with another fingerprint (prompt" in told(caplog)[0]
    assert not reads_alike(first.run, other.run)
    again = cached()
    assert told(caplog) == [ALL]
    assert reads_alike(first.run, again.run)
    relabelled = changed(tmp_path / "c", plain=("{{answer}}", "{{'no'}}"))
    other = cached(task_manager=relabelled)
    assert "3 with another fingerprint (target, task)" in told(caplog)[0]
    assert [record.gold for record in other.run.records()] == [("no",)] * 3
    assert [record.correct for record in other.run.records()] == [
        None if record.correct is None else not record.correct for record in first.run.records()
    ]
    assert other.texts("plain") == first.texts("plain")
    assert stored(tmp_path / "cache_rank0.lens") == 6, "the records with the old labels are gone"


def test_every_repeat_has_its_record(cached: Cached, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    repeated = changed(tmp_path / "a", plain=("test_split: test", "test_split: test\nrepeats: 3"))
    first = cached(task_manager=repeated)
    assert len(first.run) == 9
    again = cached(task_manager=repeated)
    assert told(caplog) == [ALL.replace("3 of 3", "9 of 9")]
    assert reads_alike(first.run, again.run)


def test_choices_and_texts_of_another_model_are_scored_anew(cached: Cached, adapter: Path) -> None:
    scores = {}
    for name, arguments in (("plain", ""), ("adapted", f"peft={adapter}"), ("again", "")):
        outcome = cached(arguments, task="choice")
        scores[name] = [sample["resps"] for sample in outcome.results["samples"]["choice"]]
        assert len(outcome.run) == 3
    assert scores["plain"] == scores["again"] != scores["adapted"]


def test_the_database_of_log_probabilities_tells_configurations_apart() -> None:
    plain = lm_eval_model.hash_args("loglikelihood", ("a", "b"))
    keys = []
    for fingerprint in ({"dtype": "float32"}, {"dtype": "bfloat16"}, {"dtype": "float32"}):
        info = SimpleNamespace(fingerprint=fingerprint)
        with keys_of_run(SimpleNamespace(recorder=SimpleNamespace(run_info=info))):  # type: ignore[arg-type]
            keys.append(lm_eval_model.hash_args("loglikelihood", ("a", "b")))
    assert keys[0] == keys[2] != keys[1]
    assert all(key.endswith(plain) and key != plain for key in keys)
    assert lm_eval_model.hash_args("loglikelihood", ("a", "b")) == plain

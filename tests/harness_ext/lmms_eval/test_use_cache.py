"""`--use_cache` of lmms-eval: an answer and its record come back for an equal fingerprint, and for no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cached_runs import bytes_in, reads_alike, stored
from lmms_eval.tasks import TaskManager
from lmms_eval_outcome import Evaluate, Outcome
from loguru import logger
from tiny_tasks import rows, write_tasks

pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Passing `min_pixels` and `max_pixels` to a processor call:FutureWarning"),
    pytest.mark.filterwarnings("ignore:MatMul8bitLt:UserWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:bitsandbytes"),
    pytest.mark.filterwarnings("ignore:.*check_is_size.* will be removed:FutureWarning"),
]

Cached = Callable[..., Outcome]
PLAIN = "device=cpu"
ALL = "Lens: 8 of 8 answers are those of earlier runs, with their records"


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the run says of its cache; a test clears it."""
    found: list[str] = []
    sink = logger.add(lambda message: found.append(message.record["message"]), level="INFO", format="{message}")
    yield found
    logger.remove(sink)


@pytest.fixture
def cached(evaluate: Evaluate, tmp_path: Path, lines: list[str]) -> Cached:
    """Run a tiny task with the one cache of the test."""
    number = iter(range(99))

    def run(arguments: str = PLAIN, task: str = "tiny_yes_no", **more: Any) -> Outcome:
        lines.clear()
        return evaluate(task, arguments, use_cache=str(tmp_path / "cache"), output=f"out{next(number)}", **more)

    return run


def told(lines: list[str]) -> list[str]:
    return [line for line in lines if re.match(r"Lens: \d+ of \d+ answers", line)]


def manager(folder: Path, documents: list[dict[str, Any]], **changes: tuple[str, str]) -> TaskManager:
    """The tiny tasks with other documents, and files with a text replaced: name of the file -> (old, new)."""
    folder.mkdir()
    write_tasks(folder, documents)
    for name, (old, new) in changes.items():
        path = folder / (f"{name}.py" if name == "utils" else f"{name}.yaml")
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    return TaskManager("ERROR", include_path=str(folder), include_defaults=False, model_name="hf-multimodal-lens")


def test_another_configuration_is_computed_and_named_in_one_line(
    cached: Cached, lines: list[str], adapter: Path, tmp_path: Path
) -> None:
    first = cached()
    assert told(lines) == []
    changes = {
        f"peft={adapter}": "adapter",
        "load_in_8bit=True": "quantisation",
        "system_prompt=Be brief.": "arguments.system_prompt",
        "max_pixels=4608,min_pixels=4608": "arguments.max_pixels",
        "dtype=bfloat16": "dtype",
        "lens_norm=none": "lens.norm",
    }
    for arguments, part in changes.items():
        other = cached(f"{PLAIN},{arguments}")
        (line,) = told(lines)
        assert line.startswith("Lens: 0 of 8 answers") and f"8 with another fingerprint ({part}" in line, arguments
        assert not reads_alike(first.run, other.run), arguments
    size = bytes_in(tmp_path / "cache" / "lens")
    again = cached()
    assert told(lines) == [ALL]
    assert reads_alike(first.run, again.run)
    assert again.texts("tiny_yes_no") == first.texts("tiny_yes_no")
    assert again.results["results"]["tiny_yes_no"] == first.results["results"]["tiny_yes_no"]
    assert bytes_in(tmp_path / "cache" / "lens") == size, "records that were taken are not written again"


def test_where_and_how_fast_a_run_was_made_is_no_difference(cached: Cached, lines: list[str]) -> None:
    cached("")
    for arguments in ("device=cpu,batch_size=4,lens_memory_mb=64", "dtype=float32,lens_thumbnails=False"):
        cached(arguments)
        assert told(lines) == [ALL], arguments
    cached("", limit=3)
    assert told(lines) == [ALL.replace("8 of 8", "3 of 3")]


def test_an_edited_prompt_image_or_generation_argument_is_computed_and_the_first_comes_back(
    cached: Cached, lines: list[str], tmp_path: Path
) -> None:
    other_images = [{**row, "image": row["image"].rotate(180)} for row in rows()]
    edit = ('return doc["question"]', 'return "Please: " + doc["question"]')
    variants = {
        "prompt": manager(tmp_path / "b", rows(), utils=edit),
        "media": manager(tmp_path / "c", other_images),
        "generation": manager(tmp_path / "d", rows(), tiny_yes_no=("max_new_tokens: 4", "max_new_tokens: 3")),
    }  # fmt: skip
    plain = manager(tmp_path / "a", rows())
    first = cached(task_manager=plain)
    for part, changed in variants.items():
        other = cached(task_manager=changed)
        (line,) = told(lines)
        assert "8 are computed" in line and part in line
        assert part == "generation" or not reads_alike(first.run, other.run)
        again = cached(task_manager=plain)
        assert told(lines) == [ALL]
        assert reads_alike(first.run, again.run), f"the first {part} has its own records again"
    assert stored(tmp_path / "cache" / "lens") == 32


def test_corrected_gold_labels_and_a_new_task_version_make_the_record_anew(
    cached: Cached, lines: list[str], tmp_path: Path
) -> None:
    corrected = [{**row, "answer": {"yes": "no", "no": "yes"}[row["answer"]]} for row in rows()]
    first = cached(task_manager=manager(tmp_path / "a", rows()))
    other = cached(task_manager=manager(tmp_path / "b", corrected))
    assert told(lines) == [
        "Lens: 0 of 8 answers are those of earlier runs, with their records; 8 are computed: "
        "8 with another fingerprint (target)"
    ]
    assert first.texts("tiny_yes_no") == other.texts("tiny_yes_no")
    assert [not each for each in first.run.samples["correct"]] == [bool(each) for each in other.run.samples["correct"]]
    assert stored(tmp_path / "cache" / "lens") == 8, "the records with the old labels are gone"
    cached(task_manager=manager(tmp_path / "c", corrected, tiny_yes_no=("version: 1.0", "version: 2.0")))
    assert "8 with another fingerprint (task)" in told(lines)[0]
    assert stored(tmp_path / "cache" / "lens") == 8


def test_every_repeat_has_its_record(cached: Cached, lines: list[str], tmp_path: Path) -> None:
    repeated = manager(tmp_path / "a", rows(), tiny_yes_no=("test_split: test", "test_split: test\nrepeats: 3"))
    first = cached(task_manager=repeated)
    assert len(first.run) == 24
    assert sorted(first.run.samples["repeat"].unique()) == [0, 1, 2]
    again = cached(task_manager=repeated)
    assert told(lines) == [ALL.replace("8 of 8", "24 of 24")]
    assert reads_alike(first.run, again.run)


def test_sampled_answers_choices_and_rounds_are_put_to_the_model_again(cached: Cached, lines: list[str]) -> None:
    for task, requests in (("tiny_sampled", 8), ("tiny_rounds", 16)):
        cached(task=task)
        assert len(cached(task=task).run) == requests
        assert not [line for line in told(lines) if not line.startswith("Lens: 0 of")]


def test_changed_weights_in_the_same_folder_are_noticed(cached: Cached, lines: list[str], adapter: Path) -> None:
    from safetensors.torch import load_file, save_file

    first = cached(f"{PLAIN},peft={adapter}")
    weights = adapter / "adapter_model.safetensors"
    save_file({name: 2 * tensor for name, tensor in load_file(weights).items()}, weights)
    other = cached(f"{PLAIN},peft={adapter}")
    assert "8 with another fingerprint (adapter.weights)" in told(lines)[0]
    assert not reads_alike(first.run, other.run)


def test_a_control_with_another_documents_image_hangs_on_that_image(
    cached: Cached, lines: list[str], tmp_path: Path
) -> None:
    arguments = f"{PLAIN},lens_controls=shuffled"
    first = cached(arguments, task_manager=manager(tmp_path / "a", rows()))
    again = cached(arguments, task_manager=manager(tmp_path / "b", rows()))
    assert told(lines) == [ALL]
    source = "control_source.shuffled"
    assert again.run.samples[source].tolist() == first.run.samples[source].tolist()
    lender = first.run.samples[source].dropna().iloc[0]
    borrowers = int((first.run.samples[source] == lender).sum())
    changed = [{**row, "image": row["image"].rotate(180 * (number == lender))} for number, row in enumerate(rows())]
    cached(arguments, task_manager=manager(tmp_path / "c", changed))
    assert f"{borrowers} with another fingerprint (borrowed)" in told(lines)[0]
    assert "1 with another fingerprint (media)" in told(lines)[0]

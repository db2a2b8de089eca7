"""The run part of the fingerprint: the model, its arguments, the lens, package versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from harness_ext.tasks import task_definition
from lens_engine import description
from lens_engine.description import ModelOfRun, RunSettings, argument_defaults, describe_run, non_default_arguments
from lens_engine.model_arguments import ModelArguments
from lens_engine.options import take_lens_options
from lens_models import LENS_TINY, LogitLens, example_inputs, load_model
from lens_models.loading import resolve_pretrained
from lens_results.fingerprint import differing_parts

Part = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def part() -> Part:
    """The run part for lens arguments of a user."""
    loaded = load_model(device="cpu")

    def made(arguments: dict[str, Any] | None = None, **non_default: str) -> dict[str, Any]:
        options, _ = take_lens_options(arguments or {})
        lens = LogitLens(loaded.model, example_inputs(loaded.processor), options.settings)
        path = resolve_pretrained(LENS_TINY)
        read = ModelOfRun(lens, options, loaded.processor, LENS_TINY, path, None, 0)
        return dict(
            describe_run("r", read, harness="lmms-eval", settings=RunSettings(non_default=non_default)).fingerprint
        )

    return made


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"lens_norm": "none"}, ("lens.norm",)),
        ({"lens_layers": "1+2"}, ("lens.layer_index",)),
        ({"lens_topk": 3}, ("lens.topk",)),
        ({"lens_theta": 0.5, "lens_tau": 0.2}, ("thresholds.tau", "thresholds.theta")),
        ({"lens_controls": "blank"}, ("controls",)),
        ({"lens_memory_mb": 64, "lens_thumbnails": False, "lens_dir": "elsewhere", "lens_layers": "1-10"}, ()),
    ],
)
def test_what_the_lens_is_asked_for_is_a_part(part: Part, arguments: dict[str, Any], parts: tuple[str, ...]) -> None:
    assert differing_parts(part(), part(arguments)) == parts


def test_how_many_steps_are_read_is_a_part_where_steps_are(part: Part) -> None:
    steps = {"lens_probes": "steps"}
    assert differing_parts(part(steps), part({**steps, "lens_most_steps": 8})) == ("lens.extra",)
    assert differing_parts(part(steps), part({**steps, "lens_most_steps": 32})) == ()
    assert differing_parts(part(), part({"lens_most_steps": 8})) == ()


def test_versions_that_matter_are_parts_and_builds_are_not(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real = part(), description.metadata.version
    assert {"mm-logit-lens", "torch", "transformers", "lmms-eval"} <= before["versions"].keys()
    monkeypatch.setattr(description.metadata, "version", lambda name: f"{real(name).partition('+')[0]}+cu1")
    assert differing_parts(before, part()) == ()
    monkeypatch.setattr(description.metadata, "version", lambda name: "9" if name == "transformers" else real(name))
    assert differing_parts(before, part()) == ("versions.transformers",)


def test_arguments_count_when_they_can_change_an_answer_and_are_not_the_default() -> None:
    def non_default(**given: object) -> dict[str, str]:
        arguments, _ = ModelArguments.parse(given)
        return non_default_arguments(vars(arguments), {each.name: each.default for each in fields(ModelArguments)})

    assert (
        non_default()
        == non_default(device="cpu", batch_size=8, device_map="auto", dtype="float32", pretrained="x")
        == {}
    )
    assert non_default(use_cache="True", max_num_frames=32) == {}
    assert non_default(system_prompt="Be brief.", max_pixels=9, fps=2.0, use_cache=False) == {
        "system_prompt": "Be brief.", "max_pixels": "9", "fps": "2.0", "use_cache": "False",
    }  # fmt: skip


def test_arguments_of_lm_eval_are_compared_with_the_defaults_of_all_its_classes() -> None:
    from harness_ext.lm_eval.model import HFMultimodalLens

    defaults = argument_defaults(HFMultimodalLens)
    given = {"max_images": 999, "interleave": True, "batch_size": 4, "softmax_dtype": None, "device": "cuda"}
    assert non_default_arguments(given, defaults) == {}
    assert non_default_arguments({"max_images": 1, "image_width": 80, "max_length": 64}, defaults) == {
        "image_width": "80", "max_images": "1", "max_length": "64",
    }  # fmt: skip


def _task(**config: Any) -> Any:
    plain = {"output_type": "generate_until", "filter_list": [{"name": "none"}], "metadata": {"version": 1.0}}
    return SimpleNamespace(config=SimpleNamespace(**{**plain, **config}))


def test_a_task_is_defined_by_its_version_and_by_what_it_makes_of_an_answer() -> None:
    def score(doc: Any, results: Any, best: float = 1.0) -> dict[str, float]:
        return {"exact": best}

    def renamed(doc: Any, results: Any) -> dict[str, float]:
        return {"exact": 0.5}

    plain = task_definition(_task())
    assert plain == task_definition(_task(metadata={"version": 1.0, "pretrained": "x", "batch_size": 8}))
    assert plain == task_definition(_task(doc_to_text="asked in other words", num_fewshot=3, description="x"))
    others = [
        _task(metadata={"version": 2.0}),
        _task(filter_list=[{"name": "first", "filter": [{"function": "take_first"}]}]),
        _task(doc_to_target="label"),
        _task(process_results=score),
        _task(process_results=partial(score, best=0.9)),
        _task(process_results=renamed),
    ]
    assert len({plain, *map(task_definition, others)}) == 7
    assert task_definition(None)

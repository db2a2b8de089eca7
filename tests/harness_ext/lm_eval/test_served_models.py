"""Models behind a server: answers, requests and log files of lm-eval's own class, and a record of each answer."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_server import ChatServer, Said, question_of, serving
from lm_eval import evaluator
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Outcome
from tiny_chat import TinyChat

import lens_results
from harness_ext.lm_eval.plugin import CHAT_MODEL_ID, OPENAI_MODEL_ID
from lens_engine.served.output import PRECISION
from lens_models import LensArgumentError
from lens_models.candidates import candidate_tokens
from lens_tasks import target_for
from lens_tasks.surface import word_forms

STOCK = "local-chat-completions"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of sockets that requests leaves to the collector

Ask = Callable[..., Outcome]


@pytest.fixture
def ask(task_manager: TaskManager, tmp_path: Path) -> Ask:
    """Run lm-eval against a server, as its command line does, and write its files."""

    def run(server: ChatServer, tasks: str, model_args: str = "", *, model: str = CHAT_MODEL_ID, **given: Any) -> Outcome:
        tracker = EvaluationTracker(output_path=str(tmp_path / given.pop("output", "out")))
        named = f"model=tiny,base_url={server.url}"
        results = evaluator.simple_evaluate(
            model=model,
            model_args=",".join(filter(None, (named, model_args))),
            tasks=tasks.split(","),
            task_manager=task_manager,
            bootstrap_iters=0,
            evaluation_tracker=tracker,
            **{"apply_chat_template": True, "fewshot_as_multiturn": True, **given},
        )
        assert results is not None
        samples = results["samples"]
        tracker.save_results_aggregated(results={k: v for k, v in results.items() if k != "samples"}, samples=samples)
        for task in results["configs"]:
            tracker.save_results_samples(task_name=task, samples=[dict(sample) for sample in samples[task]])
        return Outcome(results, Path(tracker.output_path) / str(tracker.general_config_tracker.model_name_sanitized))

    return run


def answered(question: str, *, sure: float = 0.9) -> Said:
    """Da or net by the question, with a list that has nearly all of the probability."""
    first, other = ("да", "нет") if len(question) % 2 else ("нет", "да")
    return Said([[(first, math.log(sure)), (other, math.log(1 - sure - 1e-5)), ("Я", math.log(1e-5))], [(".", -0.1)]])


def saying(messages: list[Any], images: list[Any], body: dict[str, Any]) -> Said:
    return answered(question_of(messages))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(ChatServer(saying)) as started:
        yield started


@pytest.fixture(scope="module")
def tiny() -> TinyChat:
    return TinyChat()


def logged(outcome: Outcome, task: str) -> list[dict[str, Any]]:
    """The lines of the harness's log of a task, without the values that the lens adds."""
    (file,) = outcome.folder.glob(f"samples_{task}_*.jsonl")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line["metrics"] = [name for name in line["metrics"] if not name.startswith("lens_")]
    return [{name: value for name, value in line.items() if not name.startswith("lens_")} for line in lines]


@pytest.mark.parametrize(("tasks", "concurrent"), [("ruclevr,weird,private", 1), ("ruclevr,private", 4), ("text", 1)])
def test_answers_requests_and_logs_are_those_of_the_stock_class(
    ask: Ask, tiny: TinyChat, tasks: str, concurrent: int
) -> None:
    setting = f"num_concurrent={concurrent},max_images=2"
    with serving(ChatServer(tiny)) as one, serving(ChatServer(tiny)) as other, serving(ChatServer(tiny)) as third:
        stock = ask(one, tasks, setting, model=STOCK, output="stock")
        ours = ask(other, tasks, setting, output="ours")
        off = ask(third, tasks, f"{setting},lens=False", output="off")
    for task in tasks.split(","):
        assert ours.texts(task) == off.texts(task) == stock.texts(task)
        assert [name for name in stock.results["results"][task] if name not in ours.results["results"][task]] == []
    assert not list(off.folder.glob("lens_*"))
    bodies = [json.dumps(body, ensure_ascii=False) for body in one.bodies]
    without = [{k: v for k, v in body.items() if k not in ("logprobs", "top_logprobs")} for body in other.bodies]
    plain = [json.dumps(body, ensure_ascii=False) for body in without]
    assert all(body["logprobs"] is True and body["top_logprobs"] == 20 for body in other.bodies)
    order: Any = list if concurrent == 1 else sorted
    assert order(plain) == order(bodies) == order([json.dumps(body, ensure_ascii=False) for body in third.bodies])
    for task in tasks.split(","):
        assert logged(ours, task) == logged(stock, task)
    samples = ours.run.samples
    assert Counter(samples["task"]) == {task: len(stock.texts(task)) for task in tasks.split(",")}
    for _, row in samples.iterrows():
        assert row["response"] == ours.texts(row["task"])[row["doc_id"]]
        assert row["n_generated"] > 0


def test_images_go_out_as_lm_eval_sends_them_and_are_in_the_record(ask: Ask, server: ChatServer) -> None:
    outcome = ask(server, "ruclevr")
    kinds = [[part["type"] for part in body["messages"][-1]["content"]] for body in server.bodies]
    assert kinds == [["image_url", "text"]] * 5
    assert all(len(digests) == 1 for digests in outcome.run.samples["image_sha256"])
    assert set(lens_results.load_thumbnails(outcome.run)) == {d for own in outcome.run.samples["image_sha256"] for d in own}


def test_shares_are_those_of_the_whole_distribution(ask: Ask, tiny: TinyChat) -> None:
    """By token ids of the model's own tokenizer from all logits, against the text of the tokens that a server lists."""
    with serving(ChatServer(tiny)) as server:
        run = ask(server, "ruclevr", "lens_topk=20").run
    tokenizer = tiny.loaded.processor.tokenizer
    known = 0
    for record in run.records():
        if record.status != "ok":
            continue
        logprobs = next(steps for question, steps in tiny.steps.items() if record.question[-40:] in question)
        assert record.answer_step is not None
        p = logprobs[record.answer_step].exp().numpy()
        own = record.probes["output"]
        np.testing.assert_allclose(own["logprobs"], np.sort(logprobs[record.answer_step].numpy())[::-1][: len(own["logprobs"])], atol=1e-4)
        if len(record.candidates) < 2 or "shares" not in own:
            assert "output shares" in record.probe_status or len(record.candidates) < 2
            continue
        known += 1
        target = target_for("ruclevr", {}, prompt=record.question, gold=None)
        variants = [next((c.variants for c in target.candidates if c.label == label), word_forms([label])) for label in record.candidates]
        found = candidate_tokens(tokenizer, variants, labels=record.candidates)
        mass = np.array([sum(p[list(ids)]) if ids else 0.0 for ids in found.ids])
        np.testing.assert_allclose(own["shares"], mass / mass.sum(), atol=PRECISION + 1e-5)
    assert known > 0

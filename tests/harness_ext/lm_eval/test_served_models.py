"""Models behind a server: answers, requests and log files of lm-eval's own class, and a record of each answer."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_server import ChatServer, Said, question_of, serving
from lm_eval import evaluator
from lm_eval.models.openai_completions import LocalChatCompletion
from lm_eval.tasks import TaskManager
from lm_eval_outcome import Outcome, evaluated
from mera_dialogue import one_by_one, write_dialogue_task
from tiny_chat import TinyChat

import lens_results
from harness_ext.lm_eval.plugin import CHAT_MODEL_ID, OPENAI_MODEL_ID
from harness_ext.lm_eval.served import LocalChatLens
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

    def run(
        server: ChatServer, tasks: str, model_args: str = "", *, model: str = CHAT_MODEL_ID, **given: Any
    ) -> Outcome:
        folder = tmp_path / given.pop("output", "out")
        given = {"task_manager": task_manager, **given}
        return evaluated(folder, model, f"model=tiny,base_url={server.url}", model_args, tasks, **given)

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


def without_logprobs(body: dict[str, Any]) -> dict[str, Any]:
    """A request without the fields that ask for log-probabilities."""
    return {name: value for name, value in body.items() if name not in ("logprobs", "top_logprobs")}


def logged(outcome: Outcome, task: str) -> list[dict[str, Any]]:
    """The lines of the harness's log of a task, without the values that the lens adds."""
    (file,) = outcome.folder.glob(f"samples_{task}_*.jsonl")
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", file.read_text(encoding="utf-8"))  # lm-eval 0.4.9 logs images so
    lines = [json.loads(line) for line in text.splitlines()]
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
    plain = [json.dumps(without_logprobs(body), ensure_ascii=False) for body in other.bodies]
    assert all(body["logprobs"] is True and body["top_logprobs"] == 20 for body in other.bodies)
    order: Any = list if concurrent == 1 else sorted
    assert order(plain) == order(bodies) == order([json.dumps(body, ensure_ascii=False) for body in third.bodies])
    for task in tasks.split(","):
        assert logged(ours, task) == logged(stock, task)
    samples = ours.run.samples
    assert Counter(samples["task"]) == {task: len(stock.texts(task)) for task in tasks.split(",")}
    for _, row in samples.iterrows():
        assert row["response"] == ours.texts(row["task"])[row["doc_id"]]


def test_images_go_out_as_lm_eval_sends_them_and_are_in_the_record(ask: Ask, server: ChatServer) -> None:
    outcome = ask(server, "ruclevr")
    kinds = [[part["type"] for part in body["messages"][-1]["content"]] for body in server.bodies]
    assert kinds == [["image_url", "text"]] * 5
    assert all(len(digests) == 1 for digests in outcome.run.samples["image_sha256"])
    assert set(lens_results.load_thumbnails(outcome.run)) == {
        d for own in outcome.run.samples["image_sha256"] for d in own
    }


def test_shares_are_those_of_the_whole_distribution(ask: Ask, tiny: TinyChat) -> None:
    """By token ids of the model's own tokenizer from all logits, against the text of the tokens that a server lists."""
    with serving(ChatServer(tiny)) as server:
        run = ask(server, "ruclevr,weird").run
    tokenizer, known = tiny.loaded.processor.tokenizer, 0
    for record in run.records():
        if "shares" not in record.probes.get("output", {}):
            continue
        known += 1
        logprobs = tiny.steps[(record.question, *record.image_sha256)]
        assert record.answer_step is not None
        step = logprobs[record.answer_step].numpy()
        own = record.probes["output"]
        np.testing.assert_allclose(own["logprobs"], np.sort(step)[::-1][: len(own["logprobs"])], atol=1e-4)
        target = target_for(record.task, {}, prompt=record.question)
        variants = {candidate.label: candidate.variants for candidate in target.candidates}
        forms = [variants.get(label) or word_forms([label]) for label in record.candidates]
        ids = candidate_tokens(tokenizer, forms, labels=record.candidates).ids
        mass = np.array([np.exp(step[list(each)]).sum() for each in ids])
        np.testing.assert_allclose(own["shares"], mass / mass.sum(), atol=PRECISION + 1e-5)
        shares = np.sort(mass)
        if (margin := record.label_free["final_margin"]) is not None:
            assert margin == pytest.approx(np.log(shares[-1] / shares[-2]), abs=10 * PRECISION + 1e-5)
    assert known > 1, [(each.response, each.status_reason, each.probe_status) for each in run.records()]


def test_without_logprobs_the_text_and_the_verdict_are_kept_and_the_reason(ask: Ask) -> None:
    with serving(ChatServer(saying, with_logprobs=False)) as server:
        outcome = ask(server, "ruclevr")
    samples = outcome.run.samples
    assert set(samples["status"]) == {"not_run"}
    assert set(samples["status_reason"]) == {"the server gave no log-probabilities"}
    assert [tuple(each) for each in samples["output_tokens"]] == [()] * 5
    assert samples["correct"].notna().any()
    assert "label_free.final_prob" not in samples
    assert outcome.value("ruclevr", "lens_coverage") == 0.0
    assert outcome.value("ruclevr", "lens_final_prob") is None


def test_asking_for_none_sends_the_stock_request(ask: Ask, server: ChatServer) -> None:
    run = ask(server, "ruclevr", "lens_topk=0").run
    assert not any({"logprobs", "top_logprobs"} & set(body) for body in server.bodies)
    assert set(run.samples["status_reason"]) == {"no log-probabilities were asked for (lens_topk=0)"}


@pytest.mark.parametrize("concurrent", [1, 3])
@pytest.mark.parametrize("status", [400, 501])
def test_a_server_that_refuses_logprobs_still_answers(ask: Ask, status: int, concurrent: int) -> None:
    with serving(ChatServer(saying, refuses_logprobs=status)) as server:
        outcome = ask(server, "ruclevr,weird", f"num_concurrent={concurrent}")
    with serving(ChatServer(saying)) as other:
        stock = ask(other, "ruclevr,weird", model=STOCK, output="stock")
    for task in ("ruclevr", "weird"):
        assert outcome.texts(task) == stock.texts(task)
    asked = [body for body in server.bodies if "logprobs" in body]
    assert 3 <= len(asked) <= 3 + 2 * concurrent  # then no more
    assert len(server.bodies) == 10 + len(asked)
    reasons = set(outcome.run.samples["status_reason"])
    assert len(reasons) == 1
    assert f"the server refused log-probabilities: {status}" in reasons.pop()


def test_one_refusal_is_not_the_end_of_asking(ask: Ask) -> None:
    """A long prompt may be refused for its length: with and without the fields, and the others are asked as before."""
    failed: Counter[str] = Counter()

    def moody(messages: list[Any], images: list[Any], body: dict[str, Any]) -> Said | tuple[int, str]:
        question = question_of(messages)
        failed[question] += 1
        return (500, "busy") if failed[question] == 1 and len(failed) == 2 else answered(question)

    with serving(ChatServer(moody)) as server:
        run = ask(server, "ruclevr").run
    assert sum("logprobs" in body for body in server.bodies) == 5
    assert sorted(run.samples["status"]) == ["not_run", "ok", "ok", "ok", "ok"]
    (reason,) = run.samples["status_reason"].dropna()
    assert "500" in reason


@pytest.mark.parametrize("concurrent", [1, 3])
def test_retries_are_lm_evals_own(ask: Ask, concurrent: int) -> None:
    count: Counter[str] = Counter()

    def busy(messages: list[Any], images: list[Any], body: dict[str, Any]) -> Said | tuple[int, str]:
        question = question_of(messages)
        count[question] += 1
        return (429, "slow down") if count[question] == 1 and len(count) == 1 else answered(question)

    with serving(ChatServer(busy)) as server:
        run = ask(server, "ruclevr", f"num_concurrent={concurrent},max_retries=3").run
    assert len(server.bodies) == 6
    assert all("logprobs" in body for body in server.bodies)  # too many requests is no refusal of log-probabilities
    assert set(run.samples["status"]) == {"ok"}


def test_a_run_that_ends_in_an_error_keeps_what_it_has(ask: Ask, tmp_path: Path) -> None:
    def dying(messages: list[Any], images: list[Any], body: dict[str, Any]) -> Said | tuple[int, str]:
        return answered(question_of(messages)) if len(server.bodies) < 4 else (401, "no money left")

    with serving(ChatServer(dying)) as server, pytest.raises(Exception, match="401"):
        ask(server, "ruclevr", f"max_retries=1,lens_dir={tmp_path / 'kept'}")
    run = lens_results.load(tmp_path / "kept")
    assert not run.complete
    assert len(run) == 3
    assert set(run.samples["status"]) == {"ok"}


def test_equal_prompts_have_each_their_own_answer(ask: Ask) -> None:
    """Answers that overtake each other, of requests with the same prompt: the record's is the one in the log."""
    said: Counter[str] = Counter()

    def numbered(messages: list[Any], images: list[Any], body: dict[str, Any]) -> Said:
        question = question_of(messages)
        said[question] += 1
        return Said([[(f"answer {said[question]}", math.log(0.1 * said[question]))]])

    delays = {0: 0.4, 1: 0.2}
    with serving(ChatServer(numbered, delay=lambda number: delays.get(number % 3, 0.0))) as server:
        outcome = ask(server, "text", "num_concurrent=3")
    assert sorted(outcome.texts("text")) == ["answer 1", "answer 2", "answer 3"]
    for record in outcome.run.records():
        text = outcome.texts("text")[record.doc_id]
        assert record.response == text
        assert math.exp(record.probes["output"]["logprob_pred"][0]) == pytest.approx(0.1 * int(text[-1]), rel=1e-5)


@pytest.mark.parametrize("name", ["lens_layers=all", "lens_controls=blank", "lens_probes=attention"])
def test_what_needs_layers_is_refused(ask: Ask, server: ChatServer, name: str) -> None:
    with pytest.raises(LensArgumentError, match=f"{name.partition('=')[0]}: a model behind a server gives no layers"):
        ask(server, "ruclevr", name)
    assert server.bodies == []


def test_slips_of_names_are_named(ask: Ask, server: ChatServer) -> None:
    with pytest.raises(LensArgumentError, match="lens_topq"):
        ask(server, "ruclevr", "lens_topq=3")


def test_keys_are_in_no_record(ask: Ask, server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-the-environment")
    server.url = server.url.replace("http://", "http://user:key-in-the-address@") + "?key=key-in-the-query"
    outcome = ask(server, "ruclevr", "auth_token=key-of-the-arguments", model=CHAT_MODEL_ID)
    description = outcome.run.info.to_json()
    assert "key" not in description
    assert outcome.run.info.model.extra["url"].endswith("/v1/chat/completions")


def test_the_class_for_openai(ask: Ask, server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    ours = ask(server, "ruclevr", model=OPENAI_MODEL_ID)
    assert ours.run.info.model.model_class == "openai-chat-completions"
    assert all("max_completion_tokens" in body and body["logprobs"] is True for body in server.bodies)
    assert server.headers[0]["Authorization"] == "Bearer key"
    assert set(ours.run.samples["status"]) == {"ok"}


def test_a_cached_answer_comes_with_its_record_and_no_request(ask: Ask, server: ChatServer, tmp_path: Path) -> None:
    first = ask(server, "ruclevr", use_cache=str(tmp_path / "cache"), output="first")
    again = ask(server, "ruclevr", use_cache=str(tmp_path / "cache"), output="again")
    assert len(server.bodies) == 5
    assert again.texts("ruclevr") == first.texts("ruclevr")
    names = ["response", "status", "label_free.final_prob", "output_tokens"]
    assert again.run.samples[names].equals(first.run.samples[names])


def test_an_answer_without_logprobs_is_not_paid_for_twice(ask: Ask, tmp_path: Path) -> None:
    with serving(ChatServer(saying, with_logprobs=False)) as server:
        for output in ("first", "again"):
            ask(server, "ruclevr", use_cache=str(tmp_path / "cache"), output=output)
        assert len(server.bodies) == 5


def test_private_tasks_have_label_free_columns_alone(ask: Ask, server: ChatServer) -> None:
    outcome = ask(server, "private", predict_only=True)
    samples = outcome.run.samples
    assert samples["correct"].isna().all()
    assert samples["label_free.vocab_final_prob"].notna().all()  # without a right answer nobody knows the candidates
    assert not [name for name in samples if name.startswith("gold_based.")]


def test_a_chat_history_of_meras_fork_is_sent_and_recorded(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ruTiE through `--pass_multimodal_args_to_chat_history`: each question with earlier ones and own answers."""
    monkeypatch.setenv("LOAD_BASE64", "1")  # a server is sent text, so media are loaded as text
    for cls in (LocalChatLens, LocalChatCompletion):
        monkeypatch.setattr(cls, "generate_until", one_by_one(cls.generate_until))
    hash_string = evaluator.hash_string
    monkeypatch.setattr(evaluator, "hash_string", lambda text: hash_string(str(text)))  # as in the fork
    tasks = TaskManager(
        include_path=str(write_dialogue_task(tmp_path / "tasks", "rutie_vision_gen", "image", 2, "ABCDABCD")),
        include_defaults=False,
    )

    def letters(messages: list[Any], images: list[Any], body: dict[str, Any]) -> Said:
        first = "ABCD"[len(images)]
        return Said([[(first, math.log(0.9)), *((other, math.log(0.0333)) for other in "ABCD" if other != first)]])

    with serving(ChatServer(letters)) as one, serving(ChatServer(letters)) as other:
        ours = ask(one, "rutie_vision_gen", task_manager=tasks)
        stock = ask(other, "rutie_vision_gen", task_manager=tasks, model=STOCK, output="stock")
    assert ours.texts("rutie_vision_gen") == stock.texts("rutie_vision_gen") == list("BCDDBCDD")
    assert [without_logprobs(body) for body in one.bodies] == other.bodies
    assert [message["role"] for message in one.bodies[1]["messages"]] == ["user", "assistant", "user"]
    records = list(ours.run.records())
    assert [len(record.image_sha256) for record in records] == [1, 2, 3, 3] * 2
    assert [record.answers_shown for record in records] == [0, 1, 2, 2] * 2
    assert [record.turn for record in records] == [0, 1, 2, 3] * 2
    assert [record.correct for record in records] == [False, False, False, True] * 2
    for record in records:
        assert record.label_free["final_prob"] == pytest.approx(0.9, abs=PRECISION)

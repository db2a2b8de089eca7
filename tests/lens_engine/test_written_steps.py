"""Steps of a response: forced early answers against plain transformers, without a cache, one text at a time."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from controlled_records import mini_documents, mini_image
from PIL import Image
from plain_model import lens_tiny_bounds, plain_lens_tiny, pooled
from scipy.special import log_softmax, logsumexp

from lens_engine import Media, Sample, TransformersEngine, load
from lens_engine.candidates import SampleCandidates
from lens_engine.engine import Tokens
from lens_engine.image_maps import Observed
from lens_engine.position import AnswerPosition
from lens_engine.reading import residual_of
from lens_engine.steps import STEPS, StepReader, Thought, spread
from lens_models import LensSettings, load_model
from lens_models.comparison import compare_logits
from lens_models.metrics import METRICS, names, steps_gold_based, steps_label_free
from lens_tasks import AnswerSpan

PICTURE = Image.new("RGB", (56, 56), (200, 30, 30))
QUESTION = "Is there a red sphere in the image?"
WORDS = ("yes", "no", "red")

TEXTS = {
    # pieces of the response; which of them stand before the answer after 0, 1, 2, ... steps
    "numbered": (["Step 1: red cube.", " Step 2: 3.", " Answer:", " yes"], [[2], [0, 2], [0, 1, 2]]),
    "block": (
        ["<think>", "red cube.", " no sphere.", "</think>", " yes"],
        [[0, 3], [0, 1, 3], [0, 1, 2, 3]],
    ),
    "block and more": (
        ["<think>", "red cube.", "</think>", " So no.", " Answer:", " no"],
        [[0, 2, 4], [0, 1, 2, 4], [0, 1, 2, 3, 4]],
    ),
    "russian": (["РАССУЖДЕНИЕ:", " куб.", " сфера.", "\nОТВЕТ:", " yes"], [[0, 3], [0, 1, 3], [0, 1, 2, 3]]),
    "opened before": (["red cube.", " sphere.", "</think>", " yes"], [[2], [0, 2], [0, 1, 2]]),
}


class Prompts:
    """Puts the picture and the question to the model."""

    def __init__(self, prompt: str, processor: Any, dtype: torch.dtype) -> None:
        self.inputs = processor(text=[prompt], images=[PICTURE], return_tensors="pt").to("cpu", dtype)

    def encode(self, samples: Any) -> Any:
        return self.inputs


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def engine(request: pytest.FixtureRequest) -> TransformersEngine:
    loaded = load_model("lens_tiny", device="cpu", dtype=request.param)
    prompts: Any = Prompts(prompt(), loaded.processor, getattr(torch, request.param))
    return TransformersEngine(loaded.model, loaded.processor, prompts, LensSettings(probes=(STEPS,)))


def prompt() -> str:
    return plain_lens_tiny().prompt([{"type": "image"}, {"type": "text", "text": QUESTION}])


def ids_of(text: str) -> Tokens:
    return tuple(plain_lens_tiny().processor.tokenizer(text, add_special_tokens=False)["input_ids"])


def variants() -> tuple[Tokens, ...]:
    return tuple(tuple(sorted({ids_of(word)[0], ids_of(f" {word}")[0]})) for word in WORDS)


def thought(engine: TransformersEngine, pieces: list[str], opened: bool = False, **changed: Any) -> Thought:
    tokenizer = plain_lens_tiny().processor.tokenizer
    tokens = tuple(token for piece in pieces for token in ids_of(piece))
    text = "".join(pieces)
    word = pieces[-1].strip()
    span = AnswerSpan(len(text) - len(word), len(text), word, "after_marker", True, word)
    step = len(tokens) - len(ids_of(pieces[-1]))
    sample = Sample(("t", 0, 0, 0), prompt() + ("<think>" if opened else ""), Media((PICTURE,)), QUESTION)

    def residual(number: int) -> Any:
        return residual_of(engine.score(sample, [(tokens[number],)], before=tokens[:number])[0])

    candidates = SampleCandidates(WORDS, variants(), pred=WORDS.index(word), gold=1, method="first_token")
    own = Thought(tokenizer, sample, text, tokens, AnswerPosition(span, step, tokens[step]), candidates, residual)
    return replace(own, **changed)


def read(engine: TransformersEngine, own: Thought) -> Observed:
    assert engine.lens is not None
    observed = Observed({STEPS: {"entropy": np.arange(len(own.tokens), dtype=np.float32)}}, status={STEPS: "ok"})
    StepReader(engine, engine.lens).add(observed, own)
    return observed


@pytest.mark.parametrize("name", TEXTS)
def test_forced_answers_are_those_of_a_hand_run(engine: TransformersEngine, name: str) -> None:
    """Every text is put to the model whole, in one pass of the plain model; no cache, no code of the engine."""
    pieces, contexts = TEXTS[name]
    own = thought(engine, pieces, opened=name == "opened before")
    forced = read(engine, own).probes[STEPS]["forced"]
    assert forced.shape == (len(contexts), len(WORDS))
    for after, context in enumerate(contexts):
        given = tuple(token for piece in context for token in ids_of(pieces[piece]))
        assert own.forced(after) == given
        if engine.lens is not None and engine.lens.dtype == "float32":
            logits = plain_lens_tiny().logits(prompt(), [PICTURE], given)[-1, -1]
            expected = [logsumexp(log_softmax(logits)[list(ids)]) for ids in variants()]
            np.testing.assert_allclose(forced[after], expected, **lens_tiny_bounds())
        else:
            scored = engine.score(own.sample, [(1,)], before=given, observe=False)[0]
            assert engine.lens is not None
            by_hand = whole_pass(engine, given)
            assert compare_logits(scored.first_logits[None], by_hand[None], dtype=torch.bfloat16).exact
            logp = torch.log_softmax(scored.first_logits.float(), -1)
            expected = [float(torch.logsumexp(logp[list(ids)], 0)) for ids in variants()]
            np.testing.assert_allclose(forced[after], expected, rtol=1e-4, atol=1e-4)
    assert own.forced(len(contexts) - 1) == own.tokens[: own.position.step]  # type: ignore[union-attr]


def test_marks_that_are_special_tokens_are_given_with_the_steps(engine: TransformersEngine) -> None:
    """The text does not show them; an answer forced early stands behind the mark that closes the block."""
    tokenizer = copy.deepcopy(plain_lens_tiny().processor.tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    opened, closed = tokenizer.convert_tokens_to_ids(["<think>", "</think>"])
    steps, answer = [ids_of("red cube."), ids_of(" no sphere.")], ids_of(" yes")
    tokens = (opened, *steps[0], *steps[1], closed, *answer)
    text = "red cube. no sphere. yes"
    assert tokenizer.decode(tokens, skip_special_tokens=True) == text
    span = AnswerSpan(21, 24, "yes", "after_think", True, "yes")
    place = AnswerPosition(span, len(tokens) - len(answer), answer[0])
    own = thought(engine, ["red cube.", " yes"], tokenizer=tokenizer, text=text, tokens=tokens, position=place)
    assert own.reasoning.inside == 2
    assert [own.forced(after) for after in range(3)] == [
        (opened, closed), (opened, *steps[0], closed), (opened, *steps[0], *steps[1], closed)
    ]  # fmt: skip


def test_steps_that_were_let_go_are_read_again() -> None:
    """Residuals of a generation that outgrows its limit come from a run on the same tokens."""
    (document,) = [each for each in mini_documents("ruclevr_mini") if "РАССУЖДЕНИЕ" in each["instruction"]][:1]
    asked = document["instruction"].replace("<image>", "").format(**document["inputs"])
    found, passes = [], []
    for limit in (None, 1):
        vlm = load(device="cpu", probes="steps")
        lens: Any = vlm._opened.engine.lens
        if limit is not None:
            lens.settings = replace(lens.settings, capture_limit=limit)
        found.append(vlm.ask(mini_image(document), asked, candidates=["да", "нет", "серый"]).record)
        recording: Any = vlm._recording
        passes.append(recording.again.steps[STEPS].cost.forward_passes)
    assert passes == [2, 3]
    assert [each.probe_status[STEPS] for each in found] == ["ok", "ok"]
    first, second = (each.probes[STEPS] for each in found)
    np.testing.assert_allclose(first["lens_lead"], second["lens_lead"], **lens_tiny_bounds())
    np.testing.assert_array_equal(first["forced"].argmax(axis=1), second["forced"].argmax(axis=1))


def whole_pass(engine: TransformersEngine, given: Tokens) -> torch.Tensor:
    """Logits at the end of the prompt with these tokens behind it, from one call of the model."""
    inputs = dict(engine.prompts.encode([]))
    added = torch.tensor([given])
    for name, more in {
        "input_ids": added, "attention_mask": torch.ones_like(added), "mm_token_type_ids": added * 0
    }.items():  # fmt: skip
        if name in inputs:
            inputs[name] = torch.cat([inputs[name], more.to(inputs[name].dtype)], dim=1)
    with torch.no_grad():
        logits: torch.Tensor = engine.model(**inputs, use_cache=False).logits[0, -1]
    return logits


def test_the_lens_at_the_end_of_a_step_is_that_of_its_last_token(engine: TransformersEngine) -> None:
    if engine.lens is None or engine.lens.dtype != "float32":
        pytest.skip("the plain model is compared in float32")
    pieces, _ = TEXTS["numbered"]
    lead = read(engine, thought(engine, pieces)).probes[STEPS]["lens_lead"]
    for step in (0, 1):
        given = tuple(token for piece in pieces[: step + 1] for token in ids_of(piece))
        scores = pooled(plain_lens_tiny().logits(prompt(), [PICTURE], given)[:, -1], variants())
        np.testing.assert_allclose(lead[step], scores[:, 0] - scores[:, 1:].max(axis=1), **lens_tiny_bounds())


def test_places_lengths_and_entropy(engine: TransformersEngine) -> None:
    pieces, _ = TEXTS["numbered"]
    own = thought(engine, pieces)
    arrays = read(engine, own).probes[STEPS]
    first, second = (len(ids_of(piece)) for piece in pieces[:2])
    assert arrays["start"].tolist() == [0, 18] and arrays["end"].tolist() == [17, 28]
    assert arrays["tokens"].tolist() == [first, second]
    assert arrays["entropy"].tolist() == [np.arange(first).mean(), np.arange(first, first + second).mean()]


@pytest.mark.parametrize(
    ("changed", "status", "kept"),
    [
        ({"position": None, "candidates": None}, "no_answer: the answer was not located, so that none is forced", True),
        ({"candidates": SampleCandidates(WORDS, ((1,), (2,), (3,)), fixed=False, pred=0)}, "open: ", True),
        ({"candidates": SampleCandidates(WORDS, ((1,), (2,), (3,)))}, "open: the answer is none of the task's", True),
        ({"text": "Something else", "position": None, "candidates": None}, "failed: ", False),
    ],
)
def test_what_cannot_be_read_says_why(
    engine: TransformersEngine, changed: dict[str, Any], status: str, kept: bool
) -> None:
    observed = read(engine, thought(engine, TEXTS["numbered"][0], **changed))
    assert observed.status[STEPS].startswith(status)
    assert (STEPS in observed.probes) == kept and "forced" not in observed.probes.get(STEPS, {})
    assert not observed.label_free and not observed.gold_based


def test_of_more_steps_than_are_read_the_last_is_among_those_that_are(engine: TransformersEngine) -> None:
    """Half of what is forced; what needs all of them is not known."""
    assert engine.lens is not None
    own = thought(engine, TEXTS["numbered"][0])
    whole = read(engine, own)
    observed = Observed({STEPS: {"entropy": np.ones(len(own.tokens), np.float32)}}, status={STEPS: "ok"})
    reader = StepReader(engine, engine.lens, most=1)
    reader.add(observed, own)
    assert observed.status[STEPS] == "thinned: answers are forced after 1 of 2 steps (lens_most_steps)"
    arrays = observed.probes[STEPS]
    assert arrays["read"].tolist() == [2] and len(arrays["start"]) == 2
    for name, kept in (("forced", [0, 2]), ("lens_lead", [1])):
        np.testing.assert_allclose(arrays[name], whole.probes[STEPS][name][kept], rtol=1e-6)
    assert observed.label_free["written_steps"] == 2
    assert [observed.label_free[name] for name in ("commit_step", "steps_after_commit", "flips_over_steps")] == [
        None
    ] * 3
    assert observed.label_free["answer_without_thinking"] == whole.label_free["answer_without_thinking"]
    assert (reader.cost.forward_passes, reader.cost.samples) == (3, 1)  # two forced answers, and the residual of a step


@pytest.mark.parametrize(
    ("n", "most", "expected"), [(3, 32, [1, 2, 3]), (4, 2, [2, 4]), (5, 1, [5]), (7, 3, [2, 5, 7])]
)
def test_steps_are_thinned_evenly(n: int, most: int, expected: list[int]) -> None:
    assert spread(n, most) == expected
    assert len(set(spread(500, 32))) == 32 and spread(500, 32)[-1] == 500


def test_an_answer_alone_has_no_steps(engine: TransformersEngine) -> None:
    observed = read(engine, thought(engine, [" yes"]))
    assert observed.status[STEPS] == "nothing: no step is written before the answer" and not observed.probes


def test_candidates_of_several_tokens_are_scored_whole(engine: TransformersEngine) -> None:
    """Their log-probabilities are sums over their tokens, and the lens at one token says nothing of them."""
    pieces, contexts = TEXTS["numbered"]
    sequences = tuple((ids_of(f" {word} cube"),) for word in ("red", "blue"))
    assert all(len(own[0]) == 2 for own in sequences)
    candidates = SampleCandidates(("red cube", "blue cube"), ((1,), (2,)), pred=0, sequences=sequences)
    observed = read(engine, thought(engine, pieces, candidates=candidates))
    assert "lens_lead" not in observed.probes[STEPS]
    if engine.lens is None or engine.lens.dtype != "float32":
        return
    for after, context in enumerate(contexts):
        given = tuple(token for piece in context for token in ids_of(pieces[piece]))
        for place, (sequence,) in enumerate(sequences):
            logp = log_softmax(plain_lens_tiny().logits(prompt(), [PICTURE], (*given, *sequence))[-1], axis=-1)
            expected = logp[-3, sequence[0]] + logp[-2, sequence[1]]
            np.testing.assert_allclose(observed.probes[STEPS]["forced"][after, place], expected, **lens_tiny_bounds(2))


def test_answers_of_a_run_are_unchanged_and_steps_are_in_its_records() -> None:
    documents = [each for each in mini_documents("ruclevr_mini") if "РАССУЖДЕНИЕ" in each["instruction"]][:4]
    asked = [each["instruction"].replace("<image>", "").format(**each["inputs"]) for each in documents]
    pictures = [mini_image(each) for each in documents]
    answers = {}
    for batch, probes in ((1, "none"), (1, "steps+step_entropy"), (4, "steps+step_entropy")):
        vlm = load(device="cpu", batch_size=batch, probes=probes)
        answers[batch, probes] = [
            vlm.ask(picture, question, candidates=["да", "нет", "серый", "куб", "резина", "4", "цилиндр"])
            for picture, question in zip(pictures, asked, strict=True)
        ]
    plain, one, four = answers.values()
    assert [each.text for each in plain] == [each.text for each in one] == [each.text for each in four]
    for before, own, other in zip(plain, one, four, strict=True):
        assert STEPS not in before.record.probes and "steps" not in before.record.probe_status
        steps, entropy = own.record.probes[STEPS], own.record.probes["step_entropy"]["entropy"]
        assert own.record.response.startswith("РАССУЖДЕНИЕ: ") and own.record.probe_status[STEPS] == "ok"
        text = own.record.response[int(steps["start"][0]) : int(steps["end"][0])]
        assert text.endswith(".") and not text.startswith("РАССУЖДЕНИЕ")
        first = entropy.tolist().index(pytest.approx(entropy[0]))
        assert first == 0 and entropy.min() <= steps["entropy"][0] <= entropy.max()
        assert own.record.label_free["written_steps"] == 1.0
        # after the last step it is the answer itself: the readout of the answer's position says the same
        mass = logsumexp(own.record.cand_scores[-1])
        ratio = own.record.cand_scores[-1] - mass
        forced = steps["forced"][-1] - logsumexp(steps["forced"][-1])
        np.testing.assert_allclose(forced, ratio, **lens_tiny_bounds())
        np.testing.assert_allclose(other.record.probes[STEPS]["forced"], steps["forced"], **lens_tiny_bounds())


class Scripted:
    """Answers as a rule says, from the tokens that stand before the answer."""

    def __init__(self, rule: Any) -> None:
        self.rule = rule

    def score(self, sample: Any, continuations: Any, *, before: Tokens, observe: bool) -> list[Any]:
        said = plain_lens_tiny().processor.tokenizer.decode(before)
        wanted = variants()[WORDS.index(self.rule(said))]
        return [SimpleNamespace(logprob=-0.1 if sequence[0] in wanted else -5.0) for sequence in continuations]


@pytest.mark.parametrize(
    ("rule", "commit", "after", "flips", "at_once"),
    [
        (lambda said: "yes", 0.0, 2.0, 0.0, 1.0),  # the steps are idle
        (lambda said: "yes" if "red cube" in said else "no", 1.0, 1.0, 1.0, 0.0),  # the first step decides
        (lambda said: "yes" if "3" in said else "no", 2.0, 0.0, 1.0, 0.0),  # the last one does
        (lambda said: "no" if "red cube" in said and "3" not in said else "yes", 2.0, 0.0, 2.0, 1.0),
        (lambda said: "no", None, None, 0.0, 0.0),  # the answer given is another one
    ],
)
def test_planted_dependence_on_the_steps(
    engine: TransformersEngine, rule: Any, commit: float, after: float, flips: float, at_once: float
) -> None:
    own = thought(engine, TEXTS["numbered"][0])
    observed = Observed({STEPS: {"entropy": np.ones(len(own.tokens), np.float32)}}, status={STEPS: "ok"})
    scripted: Any = Scripted(rule)
    assert engine.lens is not None
    StepReader(scripted, engine.lens).add(observed, own)
    assert observed.status[STEPS] == "ok"
    assert observed.label_free == {
        "commit_step": commit, "steps_after_commit": after, "flips_over_steps": flips,
        "answer_without_thinking": at_once, "written_steps": 2.0,
    }  # fmt: skip
    assert observed.gold_based == {"right_without_thinking": 1.0 - at_once}


class TestScalars:
    FORCED = np.log([[0.7, 0.3], [0.2, 0.8], [0.6, 0.4], [0.1, 0.9], [0.3, 0.7]])

    def test_a_late_commit(self) -> None:
        assert steps_label_free(self.FORCED, 1) == {
            "commit_step": 3.0, "steps_after_commit": 1.0, "flips_over_steps": 3.0, "answer_without_thinking": 0.0,
            "written_steps": 4.0,
        }  # fmt: skip

    def test_a_commit_before_any_step(self) -> None:
        found = steps_label_free(self.FORCED[[1, 3, 4]], 1)
        assert (found["commit_step"], found["steps_after_commit"], found["flips_over_steps"]) == (0.0, 2.0, 0.0)
        assert found["answer_without_thinking"] == 1.0

    def test_without_a_commit_there_is_no_step_of_it(self) -> None:
        found = steps_label_free(self.FORCED, 0)
        assert found["commit_step"] is None and found["steps_after_commit"] is None
        assert found["answer_without_thinking"] == 1.0 and found["flips_over_steps"] == 3.0

    def test_of_the_right_answer(self) -> None:
        assert steps_gold_based(self.FORCED, 0) == {"right_without_thinking": 1.0}
        assert steps_gold_based(self.FORCED, 1) == {"right_without_thinking": 0.0}
        assert steps_gold_based(self.FORCED, None) == {}

    def test_the_registry_has_them(self) -> None:
        assert set(steps_label_free(self.FORCED, 0)) == set(names("label_free", "steps"))
        assert set(steps_gold_based(self.FORCED, 0)) == set(names("gold_based", "steps"))
        assert {METRICS[name].source for name in steps_label_free(self.FORCED, 0)} == {"steps"}

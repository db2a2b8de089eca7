"""Where answers are read: behind reasoning between special tokens, and open answers against the gold answer."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

from lens_engine.candidates import SampleCandidates, resolve_candidates
from lens_engine.failures import NoReadout
from lens_engine.position import AnswerPosition, find_position
from lens_engine.sample import Reference, Sample
from lens_tasks import AnswerTarget
from lens_tasks.vocabulary import YES_NO

CLOSED = AnswerTarget(YES_NO, "yes")


def tokenizer_of(*words: str) -> Any:
    """A byte-level tokenizer: one token for each of some words, with and without a space before, else one a byte."""
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = {piece: number for number, piece in enumerate(alphabet)}
    merges: list[tuple[str, str]] = []
    for word in words:
        for whole in (word, f"Ġ{word}"):
            left = whole[0]
            for character in whole[1:]:
                if (left, character) not in merges:
                    merges.append((left, character))
                    vocabulary.setdefault(left + character, len(vocabulary))
                left += character
    tokenizer = Tokenizer(BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False)
    fast.add_special_tokens({"additional_special_tokens": ["<think>", "</think>", "<end>"]})
    return fast


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tokenizer_of("Yes", "No", "The", "Beatles", "Who", "Paris")


def located(tokenizer: Any, generated: str, target: AnswerTarget, prompt: str = "p") -> AnswerPosition | NoReadout:
    tokens = tokenizer.encode(generated, add_special_tokens=False)
    response = tokenizer.decode(tokens, skip_special_tokens=True)
    request = Sample(("t", 0, 0, 0), prompt, question="Is there a cat?", make_reference=lambda: Reference(target))
    return find_position(tokenizer, request, response, tokens)


def test_the_answer_after_reasoning_between_special_tokens_is_read(tokenizer: Any) -> None:
    found = located(tokenizer, "<think>No, or is it?</think>Yes", CLOSED)
    assert isinstance(found, AnswerPosition)
    assert (found.span.label, tokenizer.decode([found.token_id])) == ("yes", "Yes")


@pytest.mark.parametrize(
    ("generated", "prompt"),
    [
        ("<think>No. Let me see", "p"),  # its marks are special tokens, so the text is "No. Let me see"
        ("No. Let me see", "Is there a cat?<end>\n<think>\n"),
        ("No", "<think></think><think>"),
    ],
)
def test_reasoning_that_is_cut_off_is_no_answer(tokenizer: Any, generated: str, prompt: str) -> None:
    found = located(tokenizer, generated, CLOSED, prompt)
    assert isinstance(found, NoReadout)
    assert "never closed" in found.reason


def test_reasoning_that_the_prompt_closes_leaves_the_answer_alone(tokenizer: Any) -> None:
    found = located(tokenizer, "No", CLOSED, "Is there a cat?<think>\n\n</think>\n\n")
    assert isinstance(found, AnswerPosition)
    assert found.span.label == "no"


def compared(tokenizer: Any, answer: str, *golds: str) -> tuple[AnswerPosition, SampleCandidates]:
    target = AnswerTarget((), None, gold_texts=golds)
    found = located(tokenizer, answer, target)
    assert isinstance(found, AnswerPosition), found
    return found, resolve_candidates(tokenizer, target, found)


def test_names_are_compared_behind_their_article(tokenizer: Any) -> None:
    found, candidates = compared(tokenizer, "The Beatles", "The Who")
    assert tokenizer.decode([found.token_id]).strip() == "Beatles"
    assert candidates.labels == ("The Beatles", "The Who")
    assert {tokenizer.decode([token]) for token in candidates.gold_ids} == {"Who"}


@pytest.mark.parametrize(
    ("answer", "gold"),
    [("2016", "2022"), ("2016", "20"), ("Parma", "Parana"), ("$1,250.00", "$1,300.00"), ("-5", "-50")],
)
def test_answers_that_share_the_token_read_are_not_compared(tokenizer: Any, answer: str, gold: str) -> None:
    _, candidates = compared(tokenizer, answer, gold)
    assert (candidates.gold, candidates.gold_ids, candidates.correct) == (None, (), None)
    assert "share the token that is read" in candidates.collisions[0]


@pytest.mark.parametrize(
    ("answer", "gold"), [("-5", "5"), ("14%", "14"), ("C++", "C"), ("\\frac{1}{2}", "\\frac{1}{3}"), ("(3, 4)", "3, 4")]
)
def test_answers_that_only_look_alike_are_not_the_same(tokenizer: Any, answer: str, gold: str) -> None:
    found, candidates = compared(tokenizer, answer, gold)
    assert found.span.text == answer
    assert candidates.correct is None


@pytest.mark.parametrize(
    ("answer", "gold"),
    [("U.S.A.", "U.S.A"), ("U.S.A", "u.s.a."), ("Paris.", "paris"), ("**$1,250.00**", "$1,250.00"), ("25%", "25%")],
)
def test_case_and_marks_around_an_answer_do_not_make_it_another(tokenizer: Any, answer: str, gold: str) -> None:
    _, candidates = compared(tokenizer, answer, gold)
    assert candidates.correct is True


def test_an_answer_within_a_sentence_is_not_located(tokenizer: Any) -> None:
    found = located(tokenizer, "The capital of France is Paris", AnswerTarget((), None, gold_texts=("Paris",)))
    assert isinstance(found, NoReadout)
    assert "is a sentence" in found.reason


def test_a_kind_that_only_the_gold_answer_tells_is_said(tokenizer: Any) -> None:
    target = AnswerTarget(YES_NO, "yes", kind="yes_no", kind_from="gold", from_gold=True)
    found = located(tokenizer, "Yes", target)
    assert isinstance(found, AnswerPosition)
    assert resolve_candidates(tokenizer, target, found).fixed is False
    assert resolve_candidates(tokenizer, CLOSED, found).fixed is True

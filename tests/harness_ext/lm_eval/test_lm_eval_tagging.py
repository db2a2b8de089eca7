from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from lm_eval.models.utils import Collator

from harness_ext.lm_eval.choices import continuation_tokens
from harness_ext.lm_eval.tagging import TaggedPrompt, TaggedRequest, tag, with_tagged_prompt


def instance(doc_id: int, repeats: int = 1, prompt: str = "question") -> Any:
    return SimpleNamespace(
        task_name="ruclevr", doc_id=doc_id, idx=0, repeats=repeats, args=(prompt, {"until": ["x"]}, {"visual": []})
    )


def test_repeats_are_numbered_and_padding_is_known() -> None:
    one, two = instance(0, repeats=2), instance(1)
    requests = tag([one, one, two, two])
    assert [request.key for request in requests] == [
        ("ruclevr", 0, 0, 0), ("ruclevr", 0, 0, 1), ("ruclevr", 1, 0, 0), ("ruclevr", 1, 0, 1),
    ]  # fmt: skip
    assert [request.padding for request in requests] == [False, False, False, True]


def test_a_tagged_prompt_is_a_string_in_every_respect() -> None:
    request = TaggedRequest(("ruclevr", 0, 0, 0), instance(0))
    prompt = TaggedPrompt("question", request)
    assert prompt == "question"
    assert hash(prompt) == hash("question")
    assert json.dumps([prompt]) == '["question"]'
    assert type(str(prompt)) is str
    assert prompt.request is request


def test_tags_survive_the_sorting_of_the_harness() -> None:
    originals = [instance(number, prompt="q" * number) for number in range(1, 6)]
    tagged = [with_tagged_prompt(request) for request in tag(originals)]
    assert [each.args[0] for each in originals] == ["q" * number for number in range(1, 6)], (
        "originals stay as they are"
    )
    order = Collator(
        [each.arguments for each in tagged], lambda x: -len(x[0]), group_by="gen_kwargs", group_fn=lambda x: x[1]
    )
    seen = [args[0].request.key[1] for chunk in order.get_batched(n=2) for args in chunk]
    assert seen == [5, 4, 3, 2, 1]


class Words:
    """A tokenizer that merges `a b` into one token."""

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [sum(map(ord, word)) for word in text.replace("a b", "ab").split()]


def test_continuations_are_what_they_add_to_the_prompt() -> None:
    words = Words()
    assert continuation_tokens(words, "x y", " z") == (ord("z"),)
    assert continuation_tokens(words, "x a", " b") == (ord("b"),), "a merged boundary falls back to the text alone"

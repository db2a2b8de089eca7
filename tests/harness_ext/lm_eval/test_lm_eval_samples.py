from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from harness_ext.lm_eval.samples import LmEvalSamples
from harness_ext.samples import HarnessRequest


def instance(doc_id: int, repeats: int = 1, **more: Any) -> Any:
    plain = {"args": ("question", {"until": ["x"]}, {"visual": []}), "doc": {}}
    return SimpleNamespace(task_name="ruclevr", doc_id=doc_id, idx=0, repeats=repeats, **(plain | more))


def test_repeats_are_numbered_and_padding_is_known() -> None:
    one, two = instance(0, repeats=2), instance(1)
    asked = LmEvalSamples(list, str, None).asked([one, one, two, two])
    assert [(each.key, each.padding) for each in asked] == [
        (("ruclevr", 0, 0, 0), False), (("ruclevr", 0, 0, 1), False),
        (("ruclevr", 1, 0, 0), False), (("ruclevr", 1, 0, 1), True),
    ]  # fmt: skip


class Words:
    """A tokenizer that merges `a b` into one token."""

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [sum(map(ord, word)) for word in text.replace("a b", "ab").split()]


def test_continuations_are_what_they_add_to_the_prompt() -> None:
    maker = LmEvalSamples(list, str, Words())

    def tokens(context: str, continuation: str) -> tuple[int, ...]:
        return tuple(maker.continuation_tokens(HarnessRequest(("ruclevr", 0, 0, 0), context), continuation))

    assert tokens("x y", " z") == (ord("z"),)
    assert tokens("x a", " b") == (ord("b"),), "a merged boundary falls back to the text alone"

"""Options in every combination of keys, marks, separators and surroundings: found whole, or not at all."""

from __future__ import annotations

import random

import pytest

from lens_tasks import target_for

TEXTS = [
    "cat", "a red cube", "the left one", "3 cows", "It is raining.", "blue, green", "red (dark)", "U.S.A.", "10.5",
    "vitamin C", "$5", "yes", "no", "Both A and B", "turn left", "x = 1", "1/2", "he said: no",
]  # fmt: skip
KEYS = {
    "upper": "ABCDEF", "lower": "abcdef", "cyrillic": "АБВГДЕ", "cyrillic lower": "абвгде", "numbers": "123456",
    "wide": "ＡＢＣＤＥＦ", "circled": "①②③④⑤⑥", "circled letters": "ⒶⒷⒸⒹⒺⒻ",
}  # fmt: skip
MARKS = [
    "{}. ",
    "{}) ",
    "({}) ",
    "{}: ",
    "[{}] ",
    "{} - ",
    "**{}.** ",
    "- {}. ",
    "Option {}: ",
    "{}、",
    "（{}）",
    "{}．",
]
RULES = [
    "Rules:\n1. Look at the image.\n2. Be brief.", "Note:\nA. no words\nB. no marks",
    "Follow these steps:\n- look\n- think",
    "Правила:\n1. Посмотри.\n2. Ответь.", "Please:\n1. look at it\n2. do not guess",
]  # fmt: skip


@pytest.mark.parametrize("keys", KEYS)
def test_options_are_found_whole_or_not_at_all(keys):
    rng = random.Random(keys)
    missed = 0
    for _ in range(120):
        texts = rng.sample(TEXTS, rng.randint(2, 6))
        mark = "{} " if keys.startswith("circled") else rng.choice(MARKS)
        labels = KEYS["cyrillic" if "cyrillic" in keys else "numbers" if keys in ("numbers", "circled") else "upper"]
        lines = rng.random() < 0.7 or mark.startswith("-")
        options = ("\n" if lines else rng.choice([" ", "; "])).join(
            mark.format(key) + text for key, text in zip(KEYS[keys], texts, strict=False)
        )
        asked = "Answer with the number of the correct option." if labels[0] == "1" else "Answer with the letter."
        parts = ["What is it?", rng.choice(["Options:", "Choices:"]) + ("\n" if lines else " ") + options, asked]
        parts.insert(rng.choice([0, 3]), rng.choice(RULES))
        right = rng.randrange(len(texts))
        gold = rng.choice([labels[right], texts[right], None])
        target = target_for("x", {}, prompt="\n".join(parts), gold=gold)
        assert target.labels in ((), tuple(labels[: len(texts)])), parts
        assert target.gold in (None, labels[right]), (parts, gold)
        missed += target.labels == () or (gold is not None and target.gold is None)
    assert missed <= 2

"""How the text of a prompt marks a picture, and how it marks one more."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from .errors import InputError
from .example_input import example_image, example_texts

__all__ = ["doubled_mark", "picture_marks"]


def picture_marks(processor: Any) -> dict[str, str]:
    """What stands for a picture in the text of a prompt -> what stands for two.

    First what a second one adds by chat template; then the bare tokens, on lines of their own: some models (Qwen2-VL)
    take image tokens that follow each other for one picture.
    """
    image = example_image()
    found: dict[str, str] = {}
    for one, two in zip(example_texts(processor, [image]), example_texts(processor, [image, image]), strict=False):
        before = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))
        mark = two[before : before + len(two) - len(one)]
        if mark.strip() and one[:before].endswith(mark) and one[:before] + mark + one[before:] == two:
            found[mark] = mark * 2
    tokens = [getattr(each, "image_token", None) for each in (processor, getattr(processor, "tokenizer", None))]
    for token in tokens:
        if isinstance(token, str):
            found.setdefault(token, f"{token}\n{token}")
    return found


def doubled_mark(text: str, marks: Mapping[str, str]) -> str:
    """A prompt about one picture as one about two, the second behind the first.

    Raises:
        InputError: it has none of the marks just once.
    """
    for mark, two in marks.items():
        if text.count(mark) == 1:
            return text.replace(mark, two)
    known = ", ".join(map(repr, marks)) or "no mark"
    raise InputError(f"a second picture has no place in the prompt; expected one of {known} once")

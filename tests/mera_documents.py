"""Documents of the form of MERA's: an instruction with fields, inputs, an answer, and what is known besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LATIN, CYRILLIC = "ABCDEFG", "АБВГД"


def document(
    outputs: object = "",
    *,
    options: Sequence[str] = (),
    keys: str = LATIN,
    mark: str = ". ",
    between: str = "\n",
    tail: str = "\nОтвет:",
    meta: Mapping[str, Any] | None = None,
    before: str = "Рассмотрите <image> и решите задание.",
) -> dict[str, Any]:
    names = [f"option_{letter}" for letter in "abcdefg"[: len(options)]]
    lines = [f"{key}{mark}{{{name}}}" for key, name in zip(keys, names, strict=False)]
    instruction = between.join([before, "Вопрос: {question}", *lines]) + tail
    inputs = {"question": "Что тут изображено?", **dict(zip(names, options, strict=True))}
    return {"instruction": instruction, "inputs": inputs, "outputs": outputs, "meta": {"id": 1, **(meta or {})}}

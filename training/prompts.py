"""The fixed texts around questions and answers."""

from __future__ import annotations

SYSTEM = "You are a helpful assistant."

STOCK_TAIL = "\nAnswer the question using a single word or phrase."

ENGLISH_TAILS = ("", STOCK_TAIL, "\nAnswer with one word or number.")

REASONS = {
    "binary": "проверяю, какие предметы есть на изображении.",
    "count": "считаю подходящие предметы.",
    "colors": "нахожу предмет и смотрю на его цвет.",
    "shapes": "нахожу предмет и смотрю на его форму.",
    "size": "нахожу предмет и смотрю на его размер.",
    "materials": "нахожу предмет и смотрю на его материал.",
    "weird": "смотрю на тени и свет, изображение {verdict}.",
}
"""What the model says under РАССУЖДЕНИЕ, by ruCLEVR question type (and for WEIRD)."""


def reasoned(reason: str, answer: str, verdict: str = "") -> str:
    """The answer to a prompt that asks for reasoning first; for WEIRD it names the verdict before the letter."""
    return f"РАССУЖДЕНИЕ: {REASONS[reason].format(verdict=verdict)}\nОТВЕТ: {answer}"


STRANGE_IN_A_WORD = (
    "<image>Is the image strange or normal?",
    "<image>\nИзображение странное или нормальное?\nОтветь одним словом.",
)
"""Training aids: a letter is the verdict crossed with the order of the options, which is slow to learn without them."""

THINK = {
    "en": "Think between <think> and </think>, then answer with a single word or number.",
    "ru": "Думай между <think> и </think>, затем ответь одним словом или числом.",
}
"""Asks for steps between think tags, by language."""

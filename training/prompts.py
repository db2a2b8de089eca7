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
    "weird": "смотрю на тени и свет.",
}
"""What the model says under РАССУЖДЕНИЕ, by ruCLEVR question type (and for WEIRD)."""


def reasoned(reason: str, answer: str) -> str:
    """The answer to a prompt that asks for reasoning first."""
    return f"РАССУЖДЕНИЕ: {REASONS[reason]}\nОТВЕТ: {answer}"

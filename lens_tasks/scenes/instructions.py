"""Block instructions in MERA's manner, our own wording: bare, formal and informal, with and without reasoning."""

from __future__ import annotations

from typing import Final

RUCLEVR: Final = (
    "<image>\n{question}\nОтвет:",
    "<image>\nВопрос: {question}\nОтветь одним словом или числом.",
    "Изображение:\n<image>\nНа изображении показаны геометрические тела. Дайте ответ одним словом в начальной форме "
    "или числом, записанным цифрами.\nВопрос: {question}\nОтвет:",
    "Внимательно рассмотрите изображение и ответьте на вопрос одним словом в начальной форме или цифрой.\n"
    "<image>\nВопрос: {question}\nОтвет:",
    "Смотри, вот картинка:\n<image>\nСкажи одним словом или цифрой. {question}",
    "<image>\nСначала напиши РАССУЖДЕНИЕ, потом ОТВЕТ.\n{question}",
    "Изображение:\n<image>\nПриведите краткое рассуждение после слова РАССУЖДЕНИЕ, а затем ответ одним словом "
    "или цифрой после слова ОТВЕТ.\nВопрос: {question}",
    "Задание выполняется по изображению.\n<image>\nОтвет без пояснений не принимается: сначала РАССУЖДЕНИЕ, "
    "затем ОТВЕТ в начальной форме.\nВопрос: {question}",
    "Глянь на картинку:\n<image>\nПодумай вслух (РАССУЖДЕНИЕ), а потом напиши ОТВЕТ одним словом или цифрой.\n"
    "{question}",
    "<image>\nДавай подумаем вместе! Напиши РАССУЖДЕНИЕ и ОТВЕТ.\n{question}",
)
"""Ten instructions for ruclevr_mini; those from the sixth on ask for reasoning."""

WEIRD: Final = (
    "<image>\n{question}\nA. {option_a}\nB. {option_b}\nОтвет:",
    "<image>\nВопрос: {question}\nОтветь только буквой.\nA. {option_a}\nB. {option_b}",
    "Изображение:\n<image>\nВ странных изображениях нарушены законы света и тяжести. Укажите литеру А или литеру В "
    "без пояснений.\nВопрос: {question}\nA. {option_a}\nB. {option_b}\nОтвет:",
    "Внимательно изучите изображение и выберите вариант: литера А или литера В.\n<image>\nВопрос: {question}\n"
    "A. {option_a}\nB. {option_b}\nОтвет:",
    "Смотри, вот картинка:\n<image>\nСкажи буквой, {question}\nA. {option_a}\nB. {option_b}",
    "<image>\nСначала напиши РАССУЖДЕНИЕ, потом ОТВЕТ: литера А или литера В.\n{question}\n"
    "A. {option_a}\nB. {option_b}",
    "Изображение:\n<image>\nПриведите краткое рассуждение после слова РАССУЖДЕНИЕ, а затем укажите литеру "
    "после слова ОТВЕТ.\nВопрос: {question}\nA. {option_a}\nB. {option_b}",
    "Задание выполняется по изображению.\n<image>\nОтвет без пояснений не принимается: сначала РАССУЖДЕНИЕ, "
    "затем ОТВЕТ (литера А или литера В).\nВопрос: {question}\nA. {option_a}\nB. {option_b}",
    "Глянь на картинку:\n<image>\nПодумай вслух (РАССУЖДЕНИЕ), а потом напиши ОТВЕТ одной буквой.\n"
    "{question}\nA. {option_a}\nB. {option_b}",
    "<image>\nДавай подумаем вместе! Напиши РАССУЖДЕНИЕ и ОТВЕТ.\n{question}\nA. {option_a}\nB. {option_b}",
)
"""Ten instructions for weird_mini. In four of them the letters are Cyrillic А and В, as in MERA's WEIRD,
while the options and the gold answer are Latin A and B."""

REASONING_FROM: Final = 5
"""Index of the first instruction that asks for reasoning, in both lists."""

WEIRD_QUESTION: Final = "изображение странное или нормальное?"
NORMAL: Final = "нормальное"
STRANGE: Final = "странное"


def asks_for_reasoning(instruction: str) -> bool:
    """Whether an instruction wants РАССУЖДЕНИЕ before ОТВЕТ."""
    return "РАССУЖДЕНИЕ" in instruction


REASONING: Final = {
    "en": 'Think in short numbered steps. Then write the answer, a single word or number, after "Answer:".',
    "ru": "Рассуждай короткими шагами по номерам. Затем напиши ответ, одно слово или число, после «Ответ:».",
}
DIRECT: Final = {
    "en": "Answer the question using a single word or number.",
    "ru": "Ответь на вопрос одним словом в начальной форме или числом.",
}
"""What reasoning_mini and reasoning_mini_direct ask for, by language."""

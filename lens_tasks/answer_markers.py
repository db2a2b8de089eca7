"""The words that announce an answer, in English and Russian."""

from __future__ import annotations

import re

_QUESTION_RU = r"(?:\s+на\s+(?:(?:этот|ваш|данный)\s+)?вопрос)?"
_SEPARATOR = r"[*_]*\s*(?:[:：=–—]|-(?=\s))"

MARKER = re.compile(
    "|".join(
        [
            r"\b(?:ОТВЕТ|ANSWER)\b[\s*_]*[:：.=–—-]?",  # in capitals no colon is needed
            rf"(?i:\bответ{_QUESTION_RU}{_SEPARATOR})",
            rf"(?i:\banswer{_SEPARATOR})",
            r"(?i:^[ \t#*_]*(?:(?:the|final|correct|итоговый|правильный|верный)\s+)*(?:answer|ответ)[*_]*[ \t]*$)",
            r"(?i:<answer>)",
            r"\\boxed\{(?:\\text\{)?",
            r"^####(?!#)",
        ]
    ),
    re.MULTILINE,
)
"""Counts whatever follows: "Answer:", "ОТВЕТ", a line that says "Final answer", "<answer>", "\\boxed{"."""

PHRASE = re.compile(
    r"\b(?:answer|option|choice|response)(?:\s+(?:to|for)\s+(?:the|this|your)\s+question)?"
    r"\s+(?:is|would\s+be|must\s+be)\b"
    rf"|\bответ(?:ом)?{_QUESTION_RU}\s+(?:является|будет|это)\b",
    re.IGNORECASE,
)
"""Counts where a candidate follows, or where no candidates are known: "The answer is"."""

WEAK_PHRASE = re.compile(
    rf"\bответ{_QUESTION_RU}(?=\s)|\banswer(?=\s)|\b(?:выбираю|выбрать)(?:\s+(?:вариант|ответ))?(?=\s)"
    r"|\bI\s+(?:would\s+|will\s+)?(?:choose|pick|select|say)\b",
    re.IGNORECASE,
)
"""Counts only where a candidate follows, and the first word is none: "Мой ответ да", "I choose"."""

_NUMBER = r"(?=\d|(?:zero|one|two|three|four|five|six|seven|eight|nine|ten)\b)"

LEAD_IN = re.compile(
    "(?:"
    + "|".join(
        [
            r"(?:(?:the|this)\s+)?(?:image|picture)\s+(?:is|looks)\b",
            r"(?:изображение|картинка|фотография)(?:\s+выглядит)?(?=\s)",
            r"(?:(?:the|correct|right|правильный|верный|правильная|верная)\s+)*"
            r"(?:option|choice|letter|вариант(?:\s+ответа)?|буква|литера|пункт)\b",
            rf"there\s+(?:is|are)\s+(?:(?:only|exactly)\s+)?{_NUMBER}",
            r"(?:it\s+is|it['’]s|это|an?|the)\b",
        ]
    )
    + r")[\s:*_\"'«(—-]*",
    re.IGNORECASE,
)
"""Stepped over, several in a row if need be, where a candidate follows: "Option", "буква", "It is a", "There are"."""

REASONING = re.compile(r"[\s#*_]*(?:рассуждени[ея]|reasoning)\b", re.IGNORECASE)
"""A response that begins so promises an answer marker further on."""

THINK_START = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
THINK_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)

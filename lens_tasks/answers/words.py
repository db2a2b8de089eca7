"""The words that announce an answer, take it back or refuse it, in English, Russian and Chinese; where a clause ends.

Responses are searched with plain characters (`lens_tasks.surface.plain`): full-width punctuation does not occur.
"""

from __future__ import annotations

import re

CONTENT = re.compile(r"[^\W_]")
CLAUSE_END = re.compile(r"[\s*_\"'»”)\]}<|/.,;:!…—–-]*(?:$|[\n.,;:!…—–(\[{}<])")
SENTENCE_END = re.compile(r"[*_\"'»”)\]}]*(?:\s*$|[.!;…\n<|}])")
NOTHING_LEFT = {
    "first_content": "the response has no words",
    "after_think": "nothing after the reasoning block",
    "after_marker": "an answer marker with nothing after it",
    "after_phrase": "an answer marker with nothing after it",
}
"""Rule that begins a search -> why it finds nothing where no word follows."""

_QUESTION_RU = r"(?:\s+на\s+(?:(?:этот|ваш|данный)\s+)?вопрос)?"
_SEPARATOR = r"[*_]*(?:\s*\([^()\n]{1,30}\))?[*_]*\s*(?:[:=–—]|-(?=\s))"
_FINAL = r"(?:final|correct|right|итоговый|окончательный|правильный|верный)"
_KEYS = (
    "final[_ ]?answer|answer|correct[_ ]?(?:answer|option)|choice|option|response|prediction|label|verdict"
    "|ответ|итоговый[_ ]ответ|вариант|выбор|вердикт|答案"
)

STRONG_MARKER = re.compile(
    "|".join(
        [
            r"\b(?:ОТВЕТ|ANSWER)\b[\s*_]*[:.=–—-]?",  # in capitals no colon is needed
            rf"(?i:\b{_FINAL}\s+(?:answer|ответ){_QUESTION_RU}{_SEPARATOR})",
            rf"(?i:^[ \t#*_]*(?:the\s+)?{_FINAL}\s+(?:answer|ответ)[*_]*[ \t]*$)",
            r"(?i:<answer>)",
            r"\\boxed\{(?:\\(?:text|textbf|mathrm|mathbf)\{)*",
            r"^####(?!#)",
            r"<\|begin_of_box\|>",
            rf"(?i:[\"'](?:{_KEYS})[\"']\s*:\s*)",  # a key of a JSON object
        ]
    ),
    re.MULTILINE,
)
"""Announces what the writer settles on: "ОТВЕТ", "Final answer:", "<answer>", "\\boxed{", '"answer":'."""

MARKER = re.compile(
    "|".join(
        [
            STRONG_MARKER.pattern,
            rf"(?i:\bответ{_QUESTION_RU}{_SEPARATOR})",
            rf"(?i:(?<!long )\banswer{_SEPARATOR})",
            r"(?i:^[ \t#*_]*(?:the\s+)?(?:answer|ответ)[*_]*[ \t]*$)",
            r"【答案】|答案\s*:",
        ]
    ),
    re.MULTILINE,
)
"""Counts whatever follows: the strong ones, "Answer:", "Ответ:", a line that says "Answer"."""

PHRASE = re.compile(
    r"\b(?:answer|option|choice|response|letter)(?:\s+(?:to|for)\s+(?:the|this|your)\s+question)?"
    r"\s+(?:is|would\s+be|must\s+be|should\s+be)\b"
    rf"|\bответ(?:ом)?{_QUESTION_RU}\s+(?:является|будет|это)\b"
    r"|\b(?:choice|verdict|conclusion|reply|response|selection|pick|вывод|вердикт|выбор)[*_]*\s*:"
    r"|(?:答案|选项)(?:应该|应)?(?:是|为|选)\s*:?|(?:应该|应|我|故)?选(?:择|项)?(?:是|为)?\s*:?(?=[\s*]*[A-Z(])",
    re.IGNORECASE,
)
"""Counts where a candidate follows, or where no candidates are known: "The answer is", "答案是"."""

WEAK_PHRASE = re.compile(
    rf"\bответ{_QUESTION_RU}(?=\s)|\b(?:выбираю|выберу|отвечаю|отвечу|выбрать)(?:\s+(?:вариант|ответ))?(?=\s)"
    r"|\bI\s*(?:would|will|['’]d|['’]ll)?\s*(?:\w+ly\s+)?(?:choose|pick|select|say|go\s+with|answer)\b",
    re.IGNORECASE,
)
"""Counts only where a candidate follows, and the first word is none: "Мой ответ да", "I choose"."""

CONCLUSION = re.compile(
    r"\b(?:so|therefore|thus|hence|значит|поэтому|следовательно|итак|таким\s+образом|выходит)\b[\s,:—–-]*",
    re.IGNORECASE,
)
"""Counts where a candidate follows that ends its clause: "so yes.", "значит, нет"."""

TOTAL = re.compile(
    r"=\s*"
    r"|\b(?:in\s+)?total(?:\s+(?:number|count|amount))?(?:\s+of(?:\s+(?!\d)\w+)*)?\s*(?:[:=]|is|of)?[\s*_]*(?=\d|[a-z]+\b)"
    r"|\b(?:итого|всего|в\s+сумме|в\s+общей\s+сложности)\b[\s:,—–*_-]*",
    re.IGNORECASE,
)
"""Before the sum of what was counted: "= 3", "a total of 3", "итого 3"."""

AFTER_TOTAL = re.compile(r"(?:\s+[^\W\d_]+){0,2}\s+(?:in\s+total|altogether|all\s+together|overall|в\s+сумме|всего)\b")
"""After the sum: "3 in total"."""

_NUMBER = r"(?=\d|(?:zero|one|two|three|four|five|six|seven|eight|nine|ten)\b)"

LEAD_IN = re.compile(
    "(?:"
    + "|".join(
        [
            r"(?:(?:the|this)\s+)?(?:image|picture)\s+(?:is|looks)\b",
            r"(?:изображение|картинка|фотография)(?:\s+выглядит)?(?=\s)",
            r"(?:(?:the|correct|right|правильный|верный|правильная|верная)\s+)*"
            r"(?:option|choice|letter|вариант(?:\s+ответа)?|буква|литера|пункт|选项)\b",
            rf"there\s+(?:is|are)\s+(?:(?:only|exactly)\s+)?{_NUMBER}",
            r"(?:it\s+is|it['’]s|это|an?|the)\b",
            r"(?:based\s+on|according\s+to|looking\s+at|judging\s+by|from|in)\s+(?:the|this)\s+(?:provided\s+|given\s+)?"
            r"(?:image|picture|photo)(?:\s+(?:provided|shown|above))?\s*,",
            r"(?:судя\s+по|на\s+основе|исходя\s+из)\s+\w+\s*,",
            r"(?:well|so|ok|okay|sure|hmm+|um|oh|ah|absolutely|certainly|definitely|of\s+course|indeed|honestly|clearly"
            r"|i\s+(?:think|believe|guess)(?:\s+that)?(?:\s+it\s+is|\s+it['’]s)?|in\s+short"
            r"|ну|итак|так|хорошо|конечно|безусловно|разумеется|думаю|полагаю|считаю"
            r"|по-моему|определ[её]нно|однозначно)\b",
        ]
    )
    + r")[\s,:.!*_\"'«(—–…-]*",
    re.IGNORECASE,
)
"""Stepped over, several in a row if need be, where a candidate follows: "Option", "буква", "It is a", "Well,"."""

REASONING = re.compile(
    r"[\s#*_]*(?:рассуждени[ея]|reasoning|explanation|объяснение|thoughts?|thinking|rationale|обоснование|мысл[ьи]|анализ"
    r"|analysis)\b(?=[\s*_]*[:.\n])|[\s#*_]*(?:рассуждени[ея]|reasoning)\b",
    re.IGNORECASE,
)
"""A response that begins so promises an answer marker further on."""

RETRACTED = re.compile(
    r"\b(?:scratch\s+that|correction|i\s+was\s+wrong|my\s+mistake|on\s+second\s+thought|i\s+mean|let\s+me\s+re\w+"
    r"|that(?:['’]s|\s+is)\s+(?:wrong|incorrect|not\s+(?:right|correct))|i\s+made\s+a\s+mistake|not\s+really|or\s+not"
    r"|wait|hold\s+on|on\s+closer|looking\s+(?:again|more\s+closely|closer)|double[- ]check"
    r"|(?:after|upon|on)\s+(?:review|reflection)"
    r"|possibly|maybe|perhaps|возможно|может\s+быть|присмотр\w+|при\s+ближайшем"
    r"|стоп|стой\w*|подожди\w*|погоди\w*|я\s+ошиб\w+|ошибся|ошиблась|поправка|вернее|точнее|то\s+есть\s+нет|нет,\s+не\s+так"
    r"|или\s+нет|хотя\s+нет|не\s+уверен\w*|не\s+знаю|передумал\w*|ой|упс|oops|hmm+|хм+|not\s+sure|unsure|i\s+don['’]?t\s+know)\b",
    re.IGNORECASE,
)
"""Takes back what was said before."""

SAYS_NO = re.compile(r"(?:^|[.!;:,—–\n-])\s*(?:no|nope|нет)\s*[,:.—–-]", re.IGNORECASE)
"""Takes back an answer that is neither yes nor no: "B. No, C"."""

BUT = re.compile(
    r"\b(?:but|however|although|though|actually|in\s+fact|instead|rather|yet|unless|or\s+(?:maybe|perhaps)|sorry"
    r"|но|однако|хотя|впрочем|на\s+самом\s+деле|зато|а\s+вернее|скорее|извините)\b",
    re.IGNORECASE,
)
"""May turn an answer round, where another candidate comes after it."""

REFUSAL = re.compile(
    r"\b(?:can(?:not|['’]t|\s+not)|could\s+not|couldn['’]t|unable\s+to|not\s+able\s+to|impossible\s+to)\s+"
    r"(?:\w+ly\s+)?(?:answer|determine|tell|say|judge|decide|see\s+(?:the|an|any|your|this)\s+(?:image|picture|photo)"
    r"|view|access|assist|help|provide|verify|confirm|be\s+(?:determined|answered|sure|certain)|process|analy[sz]e)"
    r"|\bno\s+(?:image|picture|photo|figure|attachment)\b|\b(?:image|picture|photo)\s+(?:was\s+|is\s+|has\s+)?(?:not|n['’]t)\s"
    r"|\b(?:hard|difficult)\s+to\s+(?:say|tell)\b|\bunclear\b|\bnot\s+enough\s+information\b|\bas\s+an\s+ai\b"
    r"|\bне\s+(?:могу|можем|удалось|удаётся|удается|представляется\s+возможным)\b|\bневозможно\s+(?:точно\s+)?(?:определить|сказать|ответить|понять|установить|увидеть)"
    r"|\bзатрудняюсь\b"
    r"|\b(?:трудно|сложно)\s+(?:сказать|определить)\b|\bнет\s+(?:изображения|картинки|данных|информации)\b"
    r"|\bне\s+виж\w+\s+(?:само\w*\s+)?(?:картин|изображ|фото)|\bизображени\w+\s+(?:не\s+(?:загру|прикреп|предостав|было)|отсутств)",
    re.IGNORECASE,
)
"""The writer declines to answer."""

_NOT_OWN = re.compile(
    r"\b(?:wrong|incorrect|false|not|your|their|student(?:['’]s)?|user(?:['’]s)?|previous|possible|example|sample|long"
    r"|неправильн\w*|неверн\w*|ваш\w*|их|его|её|пример\w*|возможн\w*)\s+(?:(?:the|an?|final|correct)\s+)*[*_]*$",
    re.IGNORECASE,
)


def own_markers(text: str, begin: int) -> list[re.Match[str]]:
    """The answer markers from `begin` on, without those of another's or a wrong answer: "Wrong answer: B"."""
    return [
        each
        for each in MARKER.finditer(text, begin)
        if not _NOT_OWN.search(text[max(0, each.start() - 40) : each.start()])
    ]


def clause_from(text: str, place: int) -> str:
    """The rest of the sentence from `place` on."""
    rest = re.match(r"[^.!?;\n]*", text[place:])
    return rest.group() if rest else ""


def sentence_start(text: str, place: int, marks: str = ".!?\n") -> int:
    """Where the sentence that holds `place` begins: behind the last of `marks` before it."""
    return max(text.rfind(mark, 0, place) for mark in marks) + 1

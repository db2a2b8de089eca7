"""Read a Russian question back into what it asks for; written from the wordings, not from the generator."""

from __future__ import annotations

import re

from lens_tasks.scenes.questions import Noun, Phrase, Question

ADJECTIVES = {
    "сер": ("color", "gray"),
    "красн": ("color", "red"),
    "син": ("color", "blue"),
    "зелен": ("color", "green"),
    "коричнев": ("color", "brown"),
    "фиолетов": ("color", "purple"),
    "голуб": ("color", "cyan"),
    "желт": ("color", "yellow"),
    "маленьк": ("size", "small"),
    "больш": ("size", "large"),
    "резинов": ("material", "rubber"),
    "металлическ": ("material", "metal"),
}
NOUNS = {"куб": "cube", "сфер": "sphere", "цилиндр": "cylinder", "предмет": None}
LINKS = {"слева от": "left", "справа от": "right", "перед": "front", "позади": "behind"}
SAME = {
    "того же цвета": "same_color",
    "той же формы": "same_shape",
    "того же размера": "same_size",
    "из того же материала": "same_material",
}
ASKED = {"цвета": "color", "формы": "shape", "размера": "size", "материала": "material"}


def noun(text: str) -> Noun:
    *adjectives, head = text.split()
    values: dict[str, str | None] = {}
    for word in adjectives:
        (found,) = [pair for stem, pair in ADJECTIVES.items() if re.fullmatch(stem + r"\w{2,3}", word)]
        values[found[0]] = found[1]
    (values["shape"],) = [shape for stem, shape in NOUNS.items() if re.fullmatch(stem + r"\w{0,2}", head)]
    return Noun(**values)


def phrase(text: str) -> Phrase:
    text = re.sub(r", котор(ый|ая) находится", "", text).replace(" находится", "")
    head, *rest = re.split(r" (слева от|справа от|перед|позади) ", text, maxsplit=1)
    if not rest:
        return Phrase(noun(head))
    return Phrase(noun(head), LINKS[rest[0]], phrase(rest[1]))


def read(text: str) -> Question:
    text = text.removesuffix("?")
    same = "(" + "|".join(SAME) + ")"
    if match := re.fullmatch(rf"(Есть ли еще какие-нибудь|Сколько еще на изображении) (\w+) {same}, что и (.+)", text):
        family = "exist" if match[1].startswith("Есть") else "count"
        return Question(family, (Phrase(noun(match[2]), SAME[match[3]], phrase(match[4])),))
    if match := re.fullmatch(r"Есть ли (?:на изображении )?(.+)", text):
        return Question("exist", (phrase(match[1]),))
    if match := re.fullmatch(r"Сколько (.+?)(?: на изображении)?", text):
        return Question("count", (phrase(match[1]),))
    if match := re.fullmatch(r"Верно ли, что (.+) (больше, чем|меньше, чем|столько же, сколько) (.+)", text):
        detail = {"бол": "greater", "мен": "less", "сто": "equal"}[match[2][:3]]
        return Question("compare_integer", (phrase(match[1]), phrase(match[3])), detail)
    if match := re.fullmatch(r"(?:Одинаков\w+ ли (\w+)|Из одного ли (материала) сделаны) (.+) и (.+)", text):
        return Question("compare_attribute", (phrase(match[3]), phrase(match[4])), ASKED[match[1] or match[2]])
    if match := re.fullmatch(r"(?:Как\w+ (\w+)|Из какого (материала) сделана?) (.+)", text):
        return Question("query_attribute", (phrase(match[3]),), ASKED[match[1] or match[2]])
    raise AssertionError(f"unexpected wording: {text}")

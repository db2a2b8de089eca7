"""Yes and no as answers, against the same words in other uses: "no doubt", "no dogs", "Да нет", "нет собаки"."""

from __future__ import annotations

import re

from lens_tasks.naming import Named
from lens_tasks.surface import fold

__all__ = ["contradicts_itself", "is_polar", "opposite_elsewhere", "states_polar"]

_POLAR = {"yes", "no", "да", "нет"}

# What may follow at once where the word answers: a pronoun, "there", "it is". "No" before a noun is a determiner.
_AFTER_NO = re.compile(
    r"[ \t]+(?:there|it|its|this|that|these|those|the|they|he|she|i|we|you|because|since|as|sir|in|on|at|from|based"
    r"|his|her|my|not|none|nothing)\b",
    re.IGNORECASE,
)
_AFTER_NET = re.compile(
    r"[ \t]+(?:на|в|это|этого|я|там|здесь|тут|потому|так|его|её|ее|он|она|они|оно|поскольку|ибо|не)\b", re.IGNORECASE
)
_NOT_AFTER_YES = re.compile(r"[ \t]+(?:and|or|no|not|but)\b|[ \t]*/", re.IGNORECASE)
_NOT_AFTER_DA = re.compile(
    r"[ \t]+(?:нет|и|ну|уж|ладно|что|кто|как|где|куда|брось|не|вот|неужели|бог|чтоб|будет"
    r"|здравствует|или|но|только|хоть)\b",
    re.IGNORECASE,
)
_EXCEPT = re.compile(r"\b(?:except|other\s+than|besides|apart\s+from|кроме|помимо|за\s+исключением)\b", re.IGNORECASE)
_NEGATION = re.compile(r"\b(?:no|not|never|none|nothing|without|нет|не|без|никак\w*|ни)\b|n['’]t\b", re.IGNORECASE)
_OPPOSITE = {
    "yes": re.compile(r"(?:\bнет|否|不是|没有)(?=\W|$)", re.IGNORECASE),
    "no": re.compile(r"\bда(?=[.,!;)\n]|\s*$)", re.IGNORECASE),
    "да": re.compile(r"\bno(?=[.,!;)\n]|\s*$)", re.IGNORECASE),
    "нет": re.compile(r"\byes(?=\W|$)", re.IGNORECASE),
}
_FEWEST_WORDS = 3
_NEXT_WORD = re.compile(r"[*_\"'»”)]*[ \t]+[^\W_]")


def is_polar(label: str) -> bool:
    """Whether a candidate is yes or no."""
    return label.lower() in _POLAR


def states_polar(text: str, named: Named) -> bool:
    """Whether "yes" or "no" at its place is the answer and not a determiner or a particle."""
    rest = text[named.end :]
    word = text[named.start : named.end].lower()
    sentence = re.match(r"[^.!?\n]*", rest)
    if word in ("no", "нет") and sentence and _EXCEPT.search(sentence.group()):
        return False
    if word == "yes":
        return not _NOT_AFTER_YES.match(rest)
    if word == "да":
        return not _NOT_AFTER_DA.match(rest)
    if re.match(r"\.\s*\d", rest):  # "No. 5"
        return False
    if not _NEXT_WORD.match(rest):
        return True
    allowed = _AFTER_NO if word == "no" else _AFTER_NET if word == "нет" else None
    return allowed is None or allowed.match(re.sub(r"^[*_\"'»”)]*", "", rest)) is not None


def contradicts_itself(text: str, named: Named, question: str | None) -> str | None:
    """Why the sentence behind "yes" or "no" says the opposite; None where it does not.

    "Yes, there is no dog", and "No, there is a dog" where the question asked is whether there is a dog.
    """
    clause = re.match(r"[^.!?;\n]*", text[named.end :])
    rest = clause.group() if clause else ""
    if named.label.lower() in ("yes", "да"):
        return f"it says {named.label} and denies it in the same sentence" if _NEGATION.search(rest) else None
    words = set(re.findall(r"\w+", fold(rest)))
    if question is None or len(words) < _FEWEST_WORDS or _NEGATION.search(rest):
        return None
    asked = set(re.findall(r"\w+", fold(question)))
    return f"it says {named.label} and affirms what was asked" if words <= asked else None


def opposite_elsewhere(text: str, named: Named) -> str | None:
    """The opposite word of another language that the response says too."""
    found = _OPPOSITE[named.label.lower()].search(text)
    return found.group() if found else None

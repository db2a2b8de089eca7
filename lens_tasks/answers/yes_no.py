"""Yes and no as answers, against the same words in other uses: "no doubt", "no dogs", "Да нет", "нет собаки"."""

from __future__ import annotations

import re

from lens_tasks.naming import Named
from lens_tasks.surface import fold, folded_words

from .numbers import said_in

__all__ = ["contradicts_itself", "is_yes_or_no", "opposite_elsewhere", "states_yes_or_no", "yes_or_no"]

_YES = ("yes", "да")
_NO = ("no", "нет")

# What may follow at once where the word answers: a pronoun, "there", "it is". Before a noun "no" is a determiner, and
# "yes" a part of a name; Russian "да" and "нет" before a word are particles as often as answers.
_MAY_FOLLOW = re.compile(
    r"[ \t]+(?:there|it|its|this|that|these|those|the|they|he|she|i|we|you|because|since|based)\b", re.IGNORECASE
)
_COURTESY = re.compile(
    r"\b(?:help|upload\w*|happy\s+to|glad\s+to|analy[sz]e|assist|provide|attach\w*|please|of\s+course|let\s+me"
    r"|загруз\w*|прикреп\w*|помо[чг]\w*|пожалуйста|правы|пришлите|рад\s+помочь)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:if|unless|as\s+long\s+as|provided|assuming|depends|depending|when|если|при\s+условии|зависит|когда)\b",
    re.IGNORECASE,
)
_EXCEPT = re.compile(r"\b(?:except|other\s+than|besides|apart\s+from|кроме|помимо|за\s+исключением)\b", re.IGNORECASE)
_NEGATION = re.compile(
    r"\b(?:no|not|never|none|nothing|nobody|without|lacks?|lacking|zero|absent|missing|нет|не|без|ни\w{0,5}"
    r"|отсутств\w*)\b|n['’]t\b",
    re.IGNORECASE,
)
_OPPOSITE = {
    "yes": re.compile(r"(?:\bнет|否|不是|没有)(?=\W|$)", re.IGNORECASE),
    "no": re.compile(r"\bда(?=[.,!;)\n]|\s*$)", re.IGNORECASE),
    "да": re.compile(r"\bno(?=[.,!;)\n]|\s*$)", re.IGNORECASE),
    "нет": re.compile(r"\byes(?=\W|$)", re.IGNORECASE),
}
_FUNCTION_WORDS = folded_words(
    "is are was were there here a an the in on at of to any some this that these those do does did can could you see it"
    " image picture photo have has be with or and yes no"
    " ли есть на в во и или это этой этом картинке изображении фото видно у"
)
_NEXT_WORD = re.compile(r"[*_\"'»”)]*[ \t]+[^\W_]")


def is_yes_or_no(label: str) -> bool:
    """Whether a candidate is yes or no."""
    return label.lower() in _YES + _NO


def yes_or_no(text: str, named: Named) -> str | None:
    """Yes or no where this is the word that names a candidate, whatever its label; None where it is another word."""
    word = text[named.start : named.end].lower()
    return word if is_yes_or_no(word) else None


def states_yes_or_no(text: str, named: Named) -> bool:
    """Whether "yes" or "no" at its place is the answer: no determiner, particle, courtesy, or half of a condition."""
    rest = text[named.end :]
    word = text[named.start : named.end].lower()
    sentence = re.split(r"[.!?\n]", rest, maxsplit=1)[0]
    if _COURTESY.search(rest) or _CONDITION.search(sentence) or (word in _NO and _EXCEPT.search(sentence)):
        return False
    if re.match(r"\.\s*\d|,\s*(?:said|says|answered|replied)\b", rest):  # "No. 5"
        return False
    if not _NEXT_WORD.match(rest):
        return True
    return word in ("yes", "no") and _MAY_FOLLOW.match(re.sub(r"^[*_\"'»”)]*", "", rest)) is not None


def contradicts_itself(text: str, named: Named, question: str | None) -> str | None:
    """Why what stands behind "yes" or "no" says the opposite; None where it does not.

    "Yes, there is no dog"; "Yes. There is no dog", "No. A dog is on the left" where the question asked is whether there
    is a dog.
    """
    word = yes_or_no(text, named)
    unquoted = re.sub(r"'[^'\n]*'(?!\w)|\"[^\"\n]*\"|«[^»\n]*»|“[^”\n]*”", "", text[named.end :])
    first, *later = re.split(r"[.!?\n]+", unquoted)
    if word in _YES and _NEGATION.search(first):
        return f"it says {word} and denies it in the same sentence"
    asked = _content_words(question)
    for sentence in (first, *later[:2]):
        about_it = bool(asked) and all(said_in(each, sentence) for each in asked)
        if about_it and (_NEGATION.search(sentence) is not None) == (word in _YES):
            return f"it says {word} and then the opposite of what was asked"
    return None


def _content_words(question: str | None) -> list[str]:
    """The words of a question that say what it asks about; of its first sentence that ends with a question mark."""
    asked = re.search(r"[^.!?\n]*\?", question or "")
    words = re.findall(r"[^\W\d_]+", asked.group() if asked else "")
    return [word for word in words if fold(word) not in _FUNCTION_WORDS]


def opposite_elsewhere(text: str, named: Named) -> str | None:
    """The opposite word of another language that the response says too."""
    found = _OPPOSITE[text[named.start : named.end].lower()].search(text)
    return found.group() if found else None

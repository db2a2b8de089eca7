"""Whether a number in a sentence is the count that was asked for."""

from __future__ import annotations

import re

from lens_tasks.naming import Named
from lens_tasks.surface import fold

__all__ = ["counts_what_was_asked", "said_in"]

_BEFORE = re.compile(
    r"(?:^|[.!?:;,=—–>|({\[$]|\b(?:is|are|see|sees|exactly|only|just|total|of|there|have|has|count|counted|so|thus|therefore"
    r"|answer|hence|say|equals|ответ|есть|ровно|только|вижу|видно|картинке|изображении|фото|всего|итого|равно|значит|это|их))"
    r"[\s*_\"'«]*$",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"(?:\b(?:at\s+(?:least|most)|up\s+to|nearly|almost|about|around|approximately|more\s+than|less\s+than"
    r"|fewer\s+than|over|total\s+of|не\s+(?:менее|более|меньше|больше)|около|примерно|почти|более|менее|до|image|step|figure|picture|рис\w*)\b\W*)$",
    re.IGNORECASE,
)
_NEUTRAL = frozenset(
    (
        "in",
        "total",
        "altogether",
        "the",
        "this",
        "image",
        "picture",
        "photo",
        "scene",
        "here",
        "all",
        "together",
        "visible",
        "of",
        "them",
        "such",
        "shown",
        "на",
        "этой",
        "этом",
        "картинке",
        "изображении",
        "фото",
        "рисунке",
        "сцене",
        "всего",
        "их",
        "итого",
        "здесь",
        "штук",
        "штуки",
    )
)
_FEWEST_LETTERS = 3


def counts_what_was_asked(body: str, named: Named, question: str | None) -> bool:
    """Whether the words around a number leave it the count of what the question names.

    "At least 3" and "Image 3" are none, "2 spheres" is none where the question asks for cubes. Where the question is
    not known, one noun may follow.
    """
    line = body[body.rfind("\n", 0, named.start) + 1 : named.start]
    bound = _BOUND.search(line) is not None and re.search(r"\btotal\s+of\W*$", line) is None
    if bound or not _BEFORE.search(line):
        return False
    rest = re.match(r"[*_\"'»”)]*(?P<words>(?:[ \t]+[*_]*[^\W\d_][\w-]*[*_]*)*)", body[named.end :])
    words = [word for word in re.findall(r"[^\W_]+", rest["words"] if rest else "") if fold(word) not in _NEUTRAL]
    if question is None:
        return len(words) <= 1
    return all(said_in(word, question) for word in words)


def said_in(word: str, question: str) -> bool:
    """Whether a question says a word, but for its ending: "cube" and "cubes", "куба" and "кубов"."""
    word = fold(word)
    stem = word[: max(_FEWEST_LETTERS, len(word) - 2)]
    return any(other.startswith(stem) for other in re.findall(r"\w+", fold(question)))

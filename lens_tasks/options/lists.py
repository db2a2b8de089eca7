"""Lists in a prompt that may be options, in the forms in which they are written; `asked_options` chooses among them.

"A. cat" on lines, "(A) cat (B) dog" in a line, "a) cat", "1. cat", "А) кот", "A、猫", "（Ａ）猫", "① cat",
"**A.** cat", "Option A: cat", and lists of texts: `["cat", "dog"]`, `{"A": "cat"}`, bullets.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lens_tasks.surface import letter_forms

__all__ = ["ALPHABETS", "FROM_ONE", "Option", "OptionList", "line_breaks", "option_lists"]

_LATIN = [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *(f"A{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")]
_CYRILLIC = list("АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЭЮЯ")
_CYRILLIC_WITH_Y = list("АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЭЮЯ")
_CYRILLIC_ALL = list("АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЭЮЯ")
ALPHABETS = {"letters": (_LATIN,), "cyrillic": (_CYRILLIC, _CYRILLIC_WITH_Y, _CYRILLIC_ALL)}
"""Kind of keys -> the orders in which they may stand."""
_LARGEST_GAP = 4
_BARE = "bare"
"""The style of "A cat" on a line of its own, without a mark: three such lines at least, for "A" may be an article."""
_FEWEST_BARE = 3
FROM_ONE, _FROM_ZERO = [str(n) for n in range(1, 100)], [str(n) for n in range(100)]

_KEY = r"(?:A?[A-Z]|[a-z]|[А-ЯЁа-яё]|\d{1,2}|[Ａ-Ｚａ-ｚ]|[０-９]{1,2})"
_EMPHASIS = r"[*_`]{0,3}"
_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # written without blanks
_MARKER = re.compile(
    rf"(?:(?P<line>(?:^|\n)[ \t]*(?:[-*•>#]+[ \t]+)?)|(?<=[\s,;:，；：。?？{_CJK}])|(?=[（【]))"
    rf"(?:(?i:option|choice|вариант|选项)[ \t]*(?={_EMPHASIS}{_KEY}\W))?{_EMPHASIS}"
    rf"(?:(?P<open>[(\[（【])[ \t]?(?P<inside>{_KEY})[ \t]?[)\]）】]{_EMPHASIS}[.:：]?"
    rf"|(?P<key>{_KEY}){_EMPHASIS}(?:(?P<mark>[.):])(?!\d)|(?P<wide>[．、：）])|(?P<dash>[ \t]+[-–—](?=[ \t])))"
    r"|(?P<circled>[①-⑳Ⓐ-Ⓩⓐ-ⓩ])|(?P<bare>[A-ZА-Я])(?=[ \t]+[^\s.):-]))"
    rf"{_EMPHASIS}[ \t]*"
)
_LITERAL = re.compile(r"\[[^\[\]{}]*\]|\{[^\[\]{}]*\}")
_BULLETS = re.compile(r"(?:(?:^|\n)[ \t]*[-*•][ \t]+[^\n]+){2,}")
_REQUEST = re.compile(
    r"(?<=[.。!;])\s*(?=(?:please|answer|give|choose|select|pick|reply|respond|ответ(?:ь|ьте|ом)|выбер|укаж|дай|напиш)\w*\s|请)",
    re.IGNORECASE,
)
"""Where the last option of a line ends and the sentence that asks for one of them begins."""
_WRITTEN_BREAK = re.compile(r"\\n(?![a-z])")  # `\neq` and its kin are formulas
_BLANK_LINE = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True)
class Option:
    """One option as the prompt writes it: `key` is its capital letter or number (or its text), `text` what it says.

    `written` is the key as the prompt writes it, such as "a" or "①".
    """

    key: str
    text: str
    written: str = ""


@dataclass(frozen=True)
class OptionList:
    """Options that stand in a prompt one after the other.

    Attributes:
        options: at least two, lettered from A or numbered from 1 or 0 without a gap; or texts without keys.
        start: first character of the prompt that belongs to it.
        end: one past the last.
        keys: `letters`, `cyrillic` (А, Б, В ...), `numbers` or `texts`.
    """

    options: tuple[Option, ...]
    start: int
    end: int
    keys: str


@dataclass(frozen=True)
class _Marker:
    """A key and its mark; `style` is equal for all markers of one list."""

    key: str
    written: str
    style: tuple[str, str]
    start: int
    end: int
    at_line_start: bool


def option_lists(prompt: str) -> tuple[OptionList, ...]:
    """All lists of a prompt in order; a list within an option of another one is left out.

    The time grows with the square of the prompt's length where it is full of markers: give the end of a long one.
    """
    found = sorted([*_lettered(prompt), *_literals(prompt), *_bullets(prompt)], key=lambda each: each.start)
    kept: list[OptionList] = []
    for each in found:
        if not kept or each.start >= kept[-1].end:
            kept.append(each)
    return tuple(kept)


def line_breaks(prompt: str) -> str:
    r"""The prompt with line breaks for the two characters `\n` that some templates hold; the length is kept."""
    return _WRITTEN_BREAK.sub(" \n", prompt)


def _markers(prompt: str) -> list[_Marker]:
    markers = []
    for match in _MARKER.finditer(prompt):
        written = match["inside"] or match["key"] or match["circled"] or match["bare"]
        at_line_start = match["line"] is not None
        if match["bare"] and not at_line_start:
            continue  # "vitamin A is"
        if match["mark"] and not at_line_start and match.end() < len(prompt) and not prompt[match.end() - 1].isspace():
            continue  # "e.g." and "12:30" are no markers
        key = unicodedata.normalize("NFKC", written)
        form = (
            _BARE
            if match["bare"]
            else "circled"
            if match["circled"]
            else match["open"] or match["mark"] or match["wide"] or "-"
        )
        case = "number" if key.isdigit() else "lower" if key.islower() else "upper"
        capital = str(int(key)) if key.isdigit() else key.upper()
        start = match.start() + (match["line"] or "").startswith("\n")
        style = (form, f"wide {case}" if key != written else case)
        markers.append(_Marker(capital, written, style, start, match.end(), at_line_start))
    return markers


def _lettered(prompt: str) -> Iterator[OptionList]:
    markers = _markers(prompt)
    place = 0
    while place < len(markers):
        run, keys = _longest_run(prompt, markers, place)
        if len(run) < (_FEWEST_BARE if markers[place].style[0] == _BARE else 2):
            place += 1
            continue
        yield from _as_list(prompt, run, keys)
        place = markers.index(run[-1], place) + 1


def _longest_run(prompt: str, markers: Sequence[_Marker], place: int) -> tuple[list[_Marker], str]:
    """The list that begins at a marker; lines before what stands within a line."""
    letters = [(keys, alphabet) for keys, several in ALPHABETS.items() for alphabet in several]
    alphabets = [*letters, ("numbers", FROM_ONE), ("numbers", _FROM_ZERO)]
    best: tuple[list[_Marker], str] = ([], "")
    for on_lines in (True, False):
        for keys, alphabet in alphabets:
            run = _run(prompt, markers, place, alphabet, keys, on_lines)
            if len(run) > len(best[0]):
                best = (run, keys)
        if len(best[0]) >= 2:
            break
    return best


def _run(
    prompt: str, markers: Sequence[_Marker], place: int, alphabet: Sequence[str], keys: str, on_lines: bool
) -> list[_Marker]:
    first = markers[place]
    if _key_in(first, keys) != alphabet[0]:
        return []
    run = [first]
    for number in range(place + 1, len(markers)):
        marker = markers[number]
        if marker.style != first.style or (on_lines and not marker.at_line_start):
            continue
        between = prompt[run[-1].end : marker.start].strip()
        key, expected = _key_in(marker, keys), len(run)
        if _BLANK_LINE.search(between) or expected == len(alphabet):
            break
        if key in alphabet[expected + 1 : expected + _LARGEST_GAP]:
            return []  # an option in between was not recognised
        if not on_lines and "\n" in between:  # the next option is on this line or begins the next
            break
        if key == alphabet[expected]:
            run.append(marker)
        elif key == alphabet[0]:
            break
    return run


def _key_in(marker: _Marker, keys: str) -> str:
    """The key in the letters of an alphabet: a Cyrillic В is drawn like a Latin B."""
    if keys != "letters" or len(marker.key) != 1 or marker.style[0] == _BARE:  # А and В are Russian words
        return marker.key
    return letter_forms(marker.key)[0]


def _as_list(prompt: str, run: Sequence[_Marker], keys: str) -> Iterator[OptionList]:
    texts = [prompt[one.end : other.start] for one, other in pairwise(run)]
    several_lines = any("\n" in text.strip() for text in texts)
    rest = prompt[run[-1].end :]
    last = re.split(r"\n[ \t]*\n", rest, maxsplit=1)[0] if several_lines else rest.partition("\n")[0]
    last = _REQUEST.split(last, maxsplit=1)[0]
    texts.append(last)
    options = [
        Option(
            _key_in(marker, keys), re.sub(r"\s*(?:[,;，；]|\b(?:and|or|и|или))?\s*$", "", text).strip(), marker.written
        )
        for marker, text in zip(run, texts, strict=True)
    ]
    if all(option.text for option in options):
        yield OptionList(tuple(options), run[0].start, run[-1].end + len(last), keys)


def _literals(prompt: str) -> Iterator[OptionList]:
    """Python or JSON lists of texts, and dictionaries from letters or numbers to texts."""
    for match in _LITERAL.finditer(prompt):
        try:
            value = ast.literal_eval(match[0])
        except (ValueError, SyntaxError):
            continue
        if isinstance(value, list) and _distinct_texts(value):
            yield OptionList(tuple(Option(text, text) for text in value), *match.span(), "texts")
        if isinstance(value, dict) and _distinct_texts(list(value)) and all(isinstance(v, str) for v in value.values()):
            options = tuple(Option(key, text, key) for key, text in value.items())
            for keys, alphabet in (("letters", _LATIN), ("cyrillic", _CYRILLIC), ("numbers", FROM_ONE)):
                if [option.key for option in options] == alphabet[: len(options)]:
                    yield OptionList(options, *match.span(), keys)


def _bullets(prompt: str) -> Iterator[OptionList]:
    for match in _BULLETS.finditer(prompt):
        texts = [re.sub(r"^[ \t]*[-*•][ \t]+", "", line).strip() for line in match[0].strip("\n").split("\n")]
        if _distinct_texts(texts) and not any(_MARKER.match(f"\n{text}") for text in texts):
            yield OptionList(tuple(Option(text, text) for text in texts), *match.span(), "texts")


def _distinct_texts(values: Sequence[object]) -> bool:
    texts = {value.strip().casefold() for value in values if isinstance(value, str) and value.strip()}
    return len(values) >= 2 and len(texts) == len(values)

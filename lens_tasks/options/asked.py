"""Which list of a prompt the answer is chosen from, if any: numbered instructions, rules and facts are lists as well.

It is chosen from where the document holds the same options, where a heading ("Options:") or the task ("Answer with the
option's letter") says so, or where the right answer is one of them. What is not certain is left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lens_tasks.options.gold import OptionGold, gold_option
from lens_tasks.options.lists import OptionList, line_breaks, option_lists

__all__ = ["LONGEST_PROMPT", "AskedOptions", "asked_options"]

_OPTION_COLUMNS = ("options", "choices", "candidates", "answer_choices", "multi-choice options", "option", "Options")

_HEADING = re.compile(
    r"\b(?:options?|choices|alternatives|choose\s+(?:one\s+)?(?:from|of|between)|select\s+(?:one\s+)?from)\b"
    r"|\b(?:вариант\w*|опции)\b|选项|选择|選択肢|선택지|보기",
    re.IGNORECASE,
)
_OTHER_HEADING = re.compile(
    r"\b(?:steps?|rules?|instructions?|guidelines?|requirements?|notes?|format|criteria|facts?|statements?|context|hints?"
    r"|data|remember|important|follow\w*|tasks?|authors?|examples?)\b|\b(?:шаг\w*|правил\w*|инструкци\w*|требовани\w*"
    r"|поряд\w+|формат\w*|факт\w*|утверждени\w*|примечани\w*|указани\w*|подсказк\w*|важно|задани\w*|пример\w*)\b"
    r"|步骤|规则|要求|说明|注意|格式|事实",
    re.IGNORECASE,
)
_ANNOUNCES = re.compile(r"[:：]\W*$|^\W*\S+(?:\s+\S+){0,2}\W*$|\b(?:choices|options|below|from|between|вариантов)\W*$")
"""A line that announces what follows: it ends in a colon, or is two or three words, or ends in "choices"."""
_ASKS = re.compile(
    r"[?？]|\b(?:which|what|who|where|when|how|choose|select)\b|\b(?:как\w+|что|кто|где|выбер\w*)\b|哪|什么", re.I
)
_IMPERATIVE = re.compile(
    r"(?:please\s+)?(?:look|answer|read|do|don['’]t|think|use|write|give|count|identify|provide|respond|reply|choose|select"
    r"|describe|examine|analy[sz]e|be|never|always|only|explain|return|output|follow|consider|check|first|then|finally"
    r"|keep|avoid|make|pick|find|state|name|determine|locate|compare|ensure"
    r"|remember|you (?:must|should)|no(?=\s+\w))\b"
    r"|(?:пожалуйста,?\s+)?(?:посмотр|ответ[ьа]|не\b|дай|укажи|назови|опиши|прочит|подумай"
    r"|со?считай|посчитай|напиши|используй|выбер|объясн|только|без\b|изучи|внимательно|сначала|затем)|请|看|回答|不要|先|再|仔细",
    re.IGNORECASE,
)
_BY_LETTER = re.compile(
    r"\bletters?\b[^.\n]{0,40}\b(?:option|choice|answer|correct|right)|\b(?:option|choice)(?:['’]?s)?\s+letter"
    r"|\b(?:with|by|only|just)\s+(?:the|a|one|its|only the)?\s*(?:\w+\s+)?letter\b"
    r"|\bA\s?(?:,|/|or\b|или\b)\s?B\b|single character from the given options"
    r"|\bбуквой\b|\bбукв[уы]\s+(?:правильн|верн|вариант|ответ|выбранн)|\b(?:только|одн[уа]|виде)\s+букв\w\b"
    r"|选项字母|选项的字母|字母作为|答案字母|옵션의 문자",
    re.IGNORECASE,
)
_BY_NUMBER = re.compile(
    r"\bnumber\s+of\s+(?:the|your)\s+(?:\w+\s+)?(?:option|choice|answer)|\b(?:option|choice|answer)(?:['’]?s)?\s+number"
    r"|\bномер\w*\s+(?:\w+\s+)?(?:ответ|вариант)\w*|(?:选项|答案)(?:的)?(?:编号|序号)",
    re.IGNORECASE,
)
_TO_CHOOSE = re.compile(
    r"\b(?:choose|select|pick)\b|\bwhich of (?:the following|these)\b|\b(?:correct|right|best)\s+(?:option|choice)\b"
    r"|\bвыбер\w*\b|\bвыбрать\b|\bиз (?:предложенных|перечисленных|следующих)\b|选择|选出|下列|以下哪",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    r"\b(?:how|numbers?|count|sum|total|score|value|year|age|digits?|result|date|page|time|price|amount|level|row"
    r"|column|images?|pictures?|photos?|figures?|panels?|frames?)\b"
    r"|\b(?:сколько|числ\w*|номер\w*|сумм\w*|итог\w*|счёт|счет|значени\w*|год\w*|возраст|цифр\w*|результат\w*|цен\w*|изображени\w*"
    r"|картин\w*|фото\w*)\b"
    r"|几|多少|数",
    re.IGNORECASE,
)
_LETTER_WANTED = re.compile(r"\b(?:letters?|grades?|initials?|vitamin|key|буква|буквы|оценк\w*)\b|字母", re.IGNORECASE)
_BRIEF_WORDS = 4
LONGEST_PROMPT = 12_000
"""Characters at the end of a prompt in which options are looked for."""
_MOST_LISTS = 12
_LONGEST_LINE = 300
_ANSWERED = re.compile(r"(?:\b(?:answer|ответ)[*_ \t]*[:：]|答案[:：是])[*_ \t]*\S[^\n]*\n\s*\S", re.IGNORECASE)
"""An answer with more text behind it: what stands before belongs to an example."""


@dataclass(frozen=True)
class AskedOptions:
    """The list that the answer is chosen from.

    Attributes:
        found: the list.
        gold: which of its options is right.
        from_gold: without the right answer this list would not have been chosen.
    """

    found: OptionList
    gold: OptionGold
    from_gold: bool


@dataclass(frozen=True)
class _Evidence:
    """What is known of a list.

    Attributes:
        found: the list.
        right: which of its options is right.
        in_document: the document holds the same options.
        headed: a heading announces options.
        keys_asked: the prompt asks for the key of an option.
        imperative: half of the options or more tell what to do, as rules do.
    """

    found: OptionList
    right: OptionGold
    in_document: bool
    headed: bool
    keys_asked: bool
    imperative: bool


def asked_options(prompt: str, doc: Mapping[str, Any], gold: object) -> tuple[AskedOptions | None, str | None]:
    """(the list that the answer is chosen from, why there is none although a list could be it).

    Args:
        prompt: the text the model is asked with.
        doc: the document; columns of options are compared with the lists.
        gold: what the task's `doc_to_target` returned.
    """
    prompt = line_breaks(prompt[-LONGEST_PROMPT:])
    lists = option_lists(prompt)[-_MOST_LISTS:]
    chosen, note = _chosen(prompt, lists, doc, gold)
    if chosen is None:
        return None, note
    blind, _ = _chosen(prompt, lists, doc, None)
    from_gold = blind is None or blind.found != chosen.found
    return AskedOptions(chosen.found, chosen.right, from_gold), None


def _chosen(
    prompt: str, lists: Sequence[OptionList], doc: Mapping[str, Any], gold: object
) -> tuple[_Evidence | None, str | None]:
    known = [each for each in (_evidence_of(prompt, found, doc, gold) for found in lists) if each is not None]
    for preferred in (
        [each for each in known if each.in_document],
        [each for each in known if each.headed and each.right.named],
        [each for each in known if each.right.named and not each.imperative],
        [each for each in known if each.right.named],
        [each for each in known if each.headed],
        [each for each in known if not each.imperative],
        known,
    ):
        if len(preferred) == 1:
            return preferred[0], None
        if preferred:
            return None, "the prompt has several lists that the answer could be chosen from"
    return None, None


def _evidence_of(prompt: str, found: OptionList, doc: Mapping[str, Any], gold: object) -> _Evidence | None:
    """What says that the answer is chosen from a list; None where nothing certain does."""
    before, after = prompt[: found.start], prompt[found.end :]
    own_line = before.rstrip(" \t\n-*•>").rpartition("\n")[2][-_LONGEST_LINE:]
    in_document = _in_document(found, doc)
    if not in_document and (_heads_others(own_line) or _ANSWERED.search(after)):
        return None
    around = before + "\n" + after
    by_letter = _BY_LETTER.search(around) is not None
    keys_asked = _BY_NUMBER.search(around) is not None if found.keys == "numbers" else by_letter
    right = gold_option(gold, found, keys_asked=keys_asked)
    if (_named_like_others(found) and not keys_asked) or (right.beyond and not in_document):
        return None
    imperative = sum(_IMPERATIVE.match(option.text) is not None for option in found.options) * 2 >= len(found.options)
    headed = _HEADING.search(own_line) is not None and _ANNOUNCES.search(own_line) is not None
    if found.keys == "numbers" and _BY_LETTER.search(own_line):
        headed = False  # "Answer with the letter of one of the options:" and then rules
    evidence = _Evidence(found, right, in_document, headed, keys_asked, imperative)
    if in_document or _is_asked(evidence, own_line, around, by_letter) or _holds_gold(evidence, own_line, gold):
        return evidence
    return None


def _is_asked(evidence: _Evidence, own_line: str, around: str, by_letter: bool) -> bool:
    """Whether a heading or the task says that the answer is chosen from the list."""
    right, numbers = evidence.right, evidence.found.keys == "numbers"
    if evidence.found.keys == "texts":
        return evidence.headed and (right.named or right.unknown)
    if evidence.headed or evidence.keys_asked:
        return True
    # a numbered list near "choose" may be of other things: there the right answer has to be one of them
    fits = right.named or (right.unknown and not numbers)
    to_choose = _TO_CHOOSE.search(around) is not None and not (numbers and by_letter)
    placed = _follows_question(own_line) or any(words.search(own_line) for words in (_TO_CHOOSE, _HEADING))
    return to_choose and fits and placed and not evidence.imperative


def _holds_gold(evidence: _Evidence, own_line: str, gold: object) -> bool:
    """Whether the list follows the question and the right answer is one of its options, not by chance."""
    right, found = evidence.right, evidence.found
    if not right.named or evidence.imperative or found.keys == "texts" or not _follows_question(own_line):
        return False
    return right.by_text or _answers_by_key(own_line, found, gold)


def _named_like_others(found: OptionList) -> bool:
    """Whether an option's text is the key of another one: an answer "B" then names either of the two."""
    keys = {option.key.casefold() for option in found.options}
    return any(
        _plain(option.text) in keys - {option.key.casefold()} for option in found.options if found.keys != "texts"
    )


def _follows_question(own_line: str) -> bool:
    """Whether the line before a list is a question or the beginning of a sentence that the options end."""
    return re.search(r"[^\s.:;!。：；！…][\s\"'”»*_)<>]*$", re.sub(r"<[^<>]*>", "", own_line)) is not None


def _answers_by_key(own_line: str, found: OptionList, gold: object) -> bool:
    """Whether a right answer "B" or "2" is the key of an option: the question is for no letter or number itself."""
    if found.keys != "numbers":
        by_place = isinstance(gold, int)
        return _LETTER_WANTED.search(own_line) is None and not (by_place and _QUANTITY.search(own_line))
    brief = all(len(option.text.split()) <= _BRIEF_WORDS and option.text[-1] not in ".:!" for option in found.options)
    return brief and own_line.rstrip().endswith(("?", "？")) and _QUANTITY.search(own_line) is None


def _heads_others(line: str) -> bool:
    """Whether a line announces rules, steps or facts; a question about them does not."""
    announces = _OTHER_HEADING.search(line) is not None and _ANNOUNCES.search(line) is not None
    return announces and _HEADING.search(line) is None and _ASKS.search(line) is None


def _in_document(found: OptionList, doc: Mapping[str, Any]) -> bool:
    """Whether the document holds the same options in the same order."""
    texts = [_plain(option.text) for option in found.options]
    lettered = [doc.get(option.key) for option in found.options]
    columns = [*(doc.get(column) for column in _OPTION_COLUMNS), lettered]
    return any([_plain(text) for text in _texts(column)] == texts for column in columns)


def _texts(column: object) -> Sequence[str]:
    if isinstance(column, str) and column.strip().startswith("["):
        try:
            column = ast.literal_eval(column)
        except (ValueError, SyntaxError):
            return ()
    if isinstance(column, Mapping):
        column = column.get("text")
    return [str(item) for item in column] if isinstance(column, list | tuple) else ()


def _plain(text: str) -> str:
    return re.sub(r"^\s*\(?[A-Z][.):]\s+", "", text).strip().rstrip(".").casefold()

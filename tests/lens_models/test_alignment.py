from __future__ import annotations

import pytest
from small_tokenizers import byte_level_bpe, llama_bpe, unigram

from lens_models.alignment import AlignmentError, chars_of, step_of_char

BYTE_LEVEL, LLAMA, UNIGRAM = byte_level_bpe(), llama_bpe(), unigram()
TEXTS = [
    "The answer is yes.",
    "Ответ: да",
    "РАССУЖДЕНИЕ: тень.\nОТВЕТ: нет",
    "\n\nyes",
    "🙂 no 🙂🙂 да",
    "2",
    " yes no ",
]


def encode(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False)


class CountingTokenizer:
    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.decodes = 0

    def decode(self, ids, **options):
        self.decodes += 1
        return self.tokenizer.decode(ids, **options)


def reference_step(tokenizer, ids, char):
    """By the bytes: the byte-level token in which the first byte of the character lies."""
    text = tokenizer.decode(ids, skip_special_tokens=True)
    place, position = len(text[:char].encode()), 0
    for step, token in enumerate(ids):
        if token in tokenizer.all_special_ids:
            continue
        piece = tokenizer.convert_ids_to_tokens(token)
        if position <= place < position + len(piece):  # one letter of a byte-level piece is one byte
            return step
        position += len(piece)
    raise AssertionError


@pytest.mark.parametrize("text", TEXTS)
def test_every_character_of_byte_level_text(text):
    ids = encode(BYTE_LEVEL, text)
    assert BYTE_LEVEL.decode(ids, skip_special_tokens=True) == text
    for char in range(len(text)):
        assert step_of_char(BYTE_LEVEL, ids, char) == reference_step(BYTE_LEVEL, ids, char), char


@pytest.mark.parametrize("text", TEXTS)
def test_special_tokens_are_stepped_over(text):
    end, think = BYTE_LEVEL.convert_tokens_to_ids(["<|end|>", "<think>"])
    plain = encode(BYTE_LEVEL, text)
    middle = len(plain) // 2
    ids = [end, *plain[:middle], end, end, *plain[middle:], end]
    for char in range(len(text)):
        step = step_of_char(BYTE_LEVEL, ids, char)
        assert step == reference_step(BYTE_LEVEL, ids, char)
        assert ids[step] not in (end, think)


def test_special_tokens_count_as_text_where_they_are_shown():
    end = BYTE_LEVEL.eos_token_id
    ids = [end, *encode(BYTE_LEVEL, "yes")]
    assert step_of_char(BYTE_LEVEL, ids, 0, skip_special_tokens=False) == 0
    assert step_of_char(BYTE_LEVEL, ids, len("<|end|>"), skip_special_tokens=False) == 1


@pytest.mark.parametrize(
    ("pieces", "char", "expected"),
    [
        (["▁yes"], 0, 0),  # the leading space is not in the text
        (["▁the", "▁answer", "▁is", "▁yes"], len("the answer is "), 3),
        (["▁the", "▁answer", "▁is", "▁yes"], len("the answer is"), 3),  # the space belongs to the word after it
        (["▁", "yes"], 0, 1),
        (["<s>", "▁yes", "</s>"], 0, 1),
        (["yes", ":", "▁", "no"], len("yes: "), 3),
    ],
)
@pytest.mark.parametrize("tokenizer", [LLAMA, UNIGRAM], ids=["llama_bpe", "unigram"])
def test_sentencepiece(tokenizer, pieces, char, expected):
    assert step_of_char(tokenizer, tokenizer.convert_tokens_to_ids(pieces), char) == expected


def test_byte_fallback_means_the_first_byte():
    ids = LLAMA.convert_tokens_to_ids(["▁is", "<0xF0>", "<0x9F>", "<0x99>", "<0x82>", "<0xD0>", "<0x94>", "а"])
    assert LLAMA.decode(ids) == "is🙂Да"
    assert [step_of_char(LLAMA, ids, char) for char in range(5)] == [0, 0, 1, 5, 7]


def test_an_unfinished_character_at_the_end():
    ids = [*encode(BYTE_LEVEL, "yes "), encode(BYTE_LEVEL, "🙂")[0]]
    text = BYTE_LEVEL.decode(ids)
    assert text == "yes \ufffd"
    assert step_of_char(BYTE_LEVEL, ids, len(text) - 1) == len(ids) - 1


@pytest.mark.parametrize("char", [-1, 3, 100])
def test_a_character_outside_the_text_is_an_error(char):
    with pytest.raises(AlignmentError, match=rf"character {char} is outside the decoded text of 3 characters"):
        step_of_char(BYTE_LEVEL, encode(BYTE_LEVEL, "yes"), char)


def test_nothing_generated_is_an_error():
    with pytest.raises(AlignmentError):
        step_of_char(BYTE_LEVEL, [], 0)


def test_long_generations_take_few_decodes():
    ids = encode(BYTE_LEVEL, "the answer is не ясен, " * 400 + "yes")[-4096:]
    counting = CountingTokenizer(BYTE_LEVEL)
    text = BYTE_LEVEL.decode(ids)
    assert step_of_char(counting, ids, len(text) - 3) == len(ids) - 1
    assert counting.decodes < 40


class CleaningTokenizer:
    """Decodes as transformers 4 does by default: spaces before marks and in contractions are taken out."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def decode(self, ids, *, skip_special_tokens=False, clean_up_tokenization_spaces=True):
        text = self.tokenizer.decode(ids, skip_special_tokens=skip_special_tokens, clean_up_tokenization_spaces=False)
        if clean_up_tokenization_spaces:
            for mark in (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"):
                text = text.replace(mark, mark.strip())
        return text


CLEANED = [
    "Is it red ? I do n't know , it 's yes .",
    "do n't",
    "no , it is a ' cat '  .",
    "Ответ : да , я 'm",
]


@pytest.mark.parametrize("text", CLEANED)
def test_cleaned_up_spaces_move_no_character_to_another_step(text):
    """Each letter of the cleaned text belongs to the token that holds it in the text as it was generated."""
    ids = encode(BYTE_LEVEL, text)
    cleaning = CleaningTokenizer(BYTE_LEVEL)
    cleaned = cleaning.decode(ids, skip_special_tokens=True)
    assert cleaned != text
    places = [place for place, letter in enumerate(text) if not letter.isspace()]
    letters = [place for place, letter in enumerate(cleaned) if not letter.isspace()]
    for char, place in zip(letters, places, strict=True):
        expected = reference_step(BYTE_LEVEL, ids, place)
        assert step_of_char(cleaning, ids, char) == expected, cleaned[char:]
        assert step_of_char(cleaning, ids, char, text=cleaned) == expected
        assert step_of_char(cleaning, ids, place, text=text) == expected  # as lmms-eval decodes


def test_a_text_that_the_tokens_do_not_give():
    ids = encode(BYTE_LEVEL, "the answer is yes")
    with pytest.raises(AlignmentError, match=r"the text 'the answer was no' is not what the tokens decode to: 'the"):
        step_of_char(BYTE_LEVEL, ids, 15, text="the answer was no")
    assert step_of_char(BYTE_LEVEL, ids, 0, text="the answer was no") == 0


@pytest.mark.parametrize("text", [*CLEANED, *TEXTS])
def test_the_characters_of_the_first_tokens(text):
    """Up to the last letter that they hold, in the text as it was generated and in the cleaned one."""
    ids = encode(BYTE_LEVEL, text)
    cleaning = CleaningTokenizer(BYTE_LEVEL)
    cleaned = cleaning.decode(ids, skip_special_tokens=True)
    for count in range(len(ids) + 1):
        begun = BYTE_LEVEL.decode(ids[:count])
        if "\ufffd" in begun:
            continue
        for whole in (text, cleaned):
            found = whole[: chars_of(cleaning, ids[:count], whole)]
            assert "".join(found.split()) == "".join(begun.split())

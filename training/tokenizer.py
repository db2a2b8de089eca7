"""Train byte-level BPE tokenizers: that of ``lens_tiny`` on the texts of the four benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from lens_tasks.scenes import declension, english, instructions, russian
from lens_tasks.scenes.ask import draw_question
from lens_tasks.scenes.programs import ANSWERS
from lens_tasks.scenes.questions import FAMILIES
from lens_tasks.scenes.sample import sample_scene
from training.prompts import ENGLISH_TAILS, REASONS, SYSTEM

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

# The pattern of Qwen2's tokenizer: words with their leading space, single digits, runs of punctuation.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif content['type'] == 'video' or 'video' in content %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_PLAIN = """
yes no true false left right front behind above below A B C D E answer Answer image picture question the a
one two three four five six seven eight nine ten zero none thing object ball block shiny matte tiny big strange normal
user assistant system
"""
_PLAIN_RU = """
да нет верно неверно слева справа спереди сзади ответ рассуждение странное нормальное странный нормальный
литера литеру буква один два три четыре пять шесть семь восемь девять ноль шар шара предмет объект металлический
резиновый картинка изображение вопрос А Б В Г бирюзовый металл резина
"""


def _forms(word: str) -> set[str]:
    """A word in the cases and with the leading space that real vocabularies hold as single tokens."""
    cases = {word, word.capitalize(), word.upper()}
    return cases | {" " + case for case in cases}


def _vocabulary() -> list[str]:
    words = [*_PLAIN.split(), *_PLAIN_RU.split(), *ANSWERS, *(a + "s" for a in ("cube", "sphere", "cylinder", "thing"))]
    words += list(russian.ANSWERS.values())
    for noun in declension.NOUNS:
        words += [declension.noun_form(noun, form) for form in declension.FORMS]
    for value in declension.ADJECTIVES:
        words += [declension.adjective_form(value, g, form) for g in "mf" for form in declension.FORMS]
    return sorted(set(words))


def corpus(scenes: int = 400, seed: int = 7) -> list[str]:
    """Every template, tail and instruction, questions in both languages, and the answers' surface variants."""
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    for word in _vocabulary():
        for form in _forms(word):
            texts += [form] * 60
    for i in range(scenes):
        scene = sample_scene(30_000_000_000 + i)
        for family in FAMILIES:
            for hops in range(3):
                drawn = draw_question(rng, scene, family, hops)
                if drawn is not None:
                    texts += [english.question_text(drawn[0]), russian.question_text(drawn[0])]
    fixed = [
        *ENGLISH_TAILS,
        *(text.replace(", изображение {verdict}", "") for text in REASONS.values()),
        *instructions.RUCLEVR,
        *instructions.WEIRD,
        SYSTEM,
    ]
    fixed += [instructions.WEIRD_QUESTION, "РАССУЖДЕНИЕ: ", "\nОТВЕТ: да", "ОТВЕТ: A"]
    return texts + fixed * 50


def train_qwen_tokenizer(
    texts: Sequence[str], vocabulary: int, *, special: Sequence[str], chat_template: str, max_length: int
) -> PreTrainedTokenizerFast:
    """A Qwen2-style tokenizer with left padding: byte-level pairs merged over the texts.

    Args:
        texts: What the merges are counted on.
        vocabulary: Number of tokens with the special ones.
        special: Special tokens, with "<|im_end|>" that ends a turn and "<|endoftext|>" that pads.
        chat_template: In Jinja.
        max_length: Tokens of the longest text.
    """
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = BpeTrainer(
        vocab_size=vocabulary - len(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        additional_special_tokens=[token for token in special if token != "<|endoftext|>"],
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = chat_template
    return fast


def train_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """The tokenizer of the picture and video models."""
    return train_qwen_tokenizer(corpus(), vocabulary, special=SPECIAL, chat_template=CHAT_TEMPLATE, max_length=4096)

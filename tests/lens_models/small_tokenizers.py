"""Small tokenizers that behave like the families in use: byte-level BPE, Llama's BPE and SentencePiece Unigram."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = [
    "Is it there? yes\nyes no\nno Yes\nYes No\nNo the answer is yes, the answer is no.",
    "A B C D\nA\nB\nC\nD (A) (B) two 2 one 1 three 3",
    "да нет\nда\nнет Да\nДа Нет\nНет Ответ: да ОТВЕТ: нет серый",
]
SPECIAL = ["<unk>", "<s>", "</s>"]
PIECES = ["▁yes", "yes", "▁Yes", "Yes", "▁no", "no", "▁", "▁the", "▁answer", "▁is", "▁да", "да", "▁нет", ":", "▁Answer"]


def byte_level_bpe() -> PreTrainedTokenizerFast:
    """As in GPT and Qwen: every byte has a token, a leading space is part of the word's token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|end|>", "<think>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")


def llama_bpe() -> PreTrainedTokenizerFast:
    """As in Llama 2: a dummy space before the text, byte tokens for what is not in the vocabulary."""
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = sorted({letter for piece in PIECES for letter in piece} | set("aieswrАВ"))
    vocab = {piece: index for index, piece in enumerate([*SPECIAL, *byte_tokens, *letters])}
    merges = []
    for piece in PIECES:
        for end in range(2, len(piece) + 1):
            pair = (piece[: end - 1], piece[end - 1])
            if pair not in merges:
                merges.append(pair)
            vocab.setdefault(piece[:end], len(vocab))
    model = models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def unigram() -> PreTrainedTokenizerFast:
    """As in T5 and Gemma's ancestors: SentencePiece Unigram with Metaspace, unknown characters have no piece."""
    letters = sorted({letter for piece in PIECES for letter in piece if letter != "▁"} | set("aieswrхо\n"))
    pieces = [(piece, -2.0) for piece in PIECES] + [(letter, -6.0) for letter in letters if letter not in PIECES]
    vocab = [*((special, 0.0) for special in SPECIAL), *pieces]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")

"""A checkpoint that says one text whatever it is asked: its weights are a chain from each token to the next."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch

from lens_models import LENS_TINY, load_model

__all__ = ["scripted_checkpoint"]

_THINK = ("<think>", "</think>")
_TURN = "<|im_start|>assistant\n"
_LOGIT = 14.0
"""Of the token that comes next; all others have 0, so that it has nearly all of the probability."""


def scripted_checkpoint(folder: Path, script: str, *, opens: bool = False) -> Path:
    """Write lens_tiny with two blocks that add nothing, whose head says after each token of a script the next one.

    The marks of a reasoning block are one token each, as in models that are trained with them.

    Args:
        folder: a new folder.
        script: what is said; no token may stand in it twice.
        opens: the chat template ends with `<think>`, so that the script begins inside.
    """
    loaded = load_model(LENS_TINY, device="cpu", dtype="float32")
    model, tokenizer, processor = loaded.model, loaded.tokenizer, loaded.processor
    tokenizer.add_tokens(list(_THINK))
    assert processor.chat_template.count(_TURN) == 1
    if opens:
        processor.chat_template = processor.chat_template.replace(_TURN, _TURN + _THINK[0])
    said = tokenizer(script, add_special_tokens=False)["input_ids"]
    begin = tokenizer(_TURN + (_THINK[0] if opens else ""), add_special_tokens=False)["input_ids"][-1]
    chain = [begin, *said, tokenizer.eos_token_id]
    assert len(set(chain)) == len(chain) <= model.config.get_text_config().hidden_size, "a token stands in it twice"
    _write_chain(model, chain)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@torch.no_grad()
def _write_chain(model: torch.nn.Module, chain: list[int]) -> None:
    decoder, text = model.model.language_model, model.config.get_text_config()
    decoder.layers, model.model.visual.blocks = decoder.layers[:2], model.model.visual.blocks[:1]
    text.num_hidden_layers, text.layer_types, model.config.vision_config.depth = 2, text.layer_types[:2], 1
    for block in decoder.layers:
        block.self_attn.o_proj.weight.zero_()
        block.mlp.down_proj.weight.zero_()
    decoder.norm.weight.fill_(1.0)
    embedding = decoder.embed_tokens.weight
    head = torch.nn.Linear(embedding.shape[1], embedding.shape[0], bias=False)
    head.weight.zero_()
    width = embedding.shape[1]
    for place, (token, following) in enumerate(itertools.pairwise(chain)):
        embedding[token] = torch.nn.functional.one_hot(torch.tensor(place), width).float()
        head.weight[following, place] = _LOGIT / width**0.5  # the norm gives a unit vector the length sqrt(width)
    model.lm_head = head
    model.config.tie_word_embeddings = text.tie_word_embeddings = False

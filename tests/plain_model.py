"""The bundled model read by plain transformers: every hidden state kept, norm and head applied by hand."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from PIL import Image
from scipy.special import logsumexp
from tolerances import bounds, sums_of
from transformers import AutoProcessor

from lens_models import LENS_TINY
from lens_models.loading import resolve_pretrained

Floats = npt.NDArray[np.float64]


class PlainModel:
    """A Qwen2-VL checkpoint with nothing of the lens around it."""

    def __init__(self, path: str) -> None:
        kind = getattr(transformers, "AutoModelForImageTextToText", None) or transformers.AutoModelForVision2Seq
        self.processor: Any = AutoProcessor.from_pretrained(path)
        self.model: Any = kind.from_pretrained(path).float().eval()

    def prompt(self, content: Sequence[dict[str, str]]) -> str:
        """A user's turn as the model reads it."""
        turn = [{"role": "user", "content": list(content)}]
        return str(self.processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False))

    def generated(self, prompt: str, images: Sequence[Image.Image], count: int) -> list[int]:
        """The first tokens that greedy decoding gives."""
        inputs = self._inputs(prompt, images)
        with torch.no_grad():
            out = self.model.generate(**inputs, max_new_tokens=count, do_sample=False)
        return [int(token) for token in out[0, inputs["input_ids"].shape[1] :]]

    def logits(self, prompt: str, images: Sequence[Image.Image], tokens: Sequence[int] = ()) -> Floats:
        """Logits [blocks, tokens + 1, vocabulary] at the last prompt position and at each of the tokens after it."""
        inputs = self._inputs(prompt, images)
        added = torch.tensor([list(tokens)], dtype=torch.long)
        more = {"input_ids": added, "attention_mask": torch.ones_like(added), "mm_token_type_ids": added * 0}
        for name in more.keys() & inputs.keys():
            inputs[name] = torch.cat([inputs[name], more[name].to(inputs[name].dtype)], dim=1)
        with torch.no_grad():
            out = self.model(**inputs, output_hidden_states=True)
            rows = slice(-len(tokens) - 1, None)
            blocks = [state[0, rows] for state in out.hidden_states[1:]]
            norm, head = self.model.model.language_model.norm, self.model.lm_head
            # the last one is behind the norm already
            read = [head(norm(state)) for state in blocks[:-1]] + [head(blocks[-1])]
        return torch.stack(read).double().numpy()

    def _inputs(self, prompt: str, images: Sequence[Image.Image]) -> dict[str, Any]:
        return dict(self.processor(text=[prompt], images=list(images) or None, return_tensors="pt"))


@functools.cache
def plain_lens_tiny() -> PlainModel:
    """lens_tiny, loaded once."""
    return PlainModel(resolve_pretrained(LENS_TINY))


@functools.cache
def lens_tiny_bounds(tokens: int = 1) -> dict[str, float]:
    """Bounds of what two runs of lens_tiny in fp32 read, in batches or by code of other shapes.

    Its logits stay below 16 and its prompts below 256 tokens; `tokens` log-probabilities are added up in a score.
    """
    model = plain_lens_tiny().model
    vocabulary = model.get_output_embeddings().weight.shape[0]
    return bounds("float32", sums_of(model, 256), vocabulary, tokens, scale=16.0 * tokens)


def pooled(logits: Floats, candidates: Sequence[Sequence[int]]) -> Floats:
    """Scores [blocks, candidates] of logits [blocks, vocabulary]: logsumexp over each candidate's tokens."""
    return np.stack([logsumexp(logits[:, list(ids)], axis=1) for ids in candidates], axis=1)


def answer_log_odds(scores: Floats, answer: int) -> Floats:
    """log q / (1 - q) [blocks] of one candidate: its score against all the others together."""
    others = np.delete(scores, answer, axis=1)
    return np.asarray(scores[:, answer] - logsumexp(others, axis=1))


def grey(image: Image.Image) -> Image.Image:
    """An image of the same size without content."""
    return Image.fromarray(np.full((image.height, image.width, 3), 128, dtype=np.uint8))

"""The contextual lens: which word's own states in text are nearest to an image token's state of the same layer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lens_models.parts import ModelParts
from lens_models.probes.positions import Positions
from lens_models.probes.residual import ResidualCapture

__all__ = ["REFERENCE", "TEMPLATES", "ContextualBank"]

_WORDS_A_BATCH = 16
TEMPLATES = ("{}", "a {}", "a photo of a {}", "there is a {} in the image", "the color, shape and place of the {}")
REFERENCE = (
    *("red", "blue", "green", "yellow", "black", "white", "gray", "brown", "purple", "orange"),
    *("person", "man", "woman", "child", "dog", "cat", "bird", "horse", "car", "bus", "train", "boat", "bicycle"),
    *("chair", "table", "bed", "bottle", "cup", "book", "phone", "clock", "tree", "grass", "sky", "water", "road"),
    *("house", "door", "window", "food", "hand", "face", "ball", "cube", "sphere", "cylinder", "shadow", "light"),
    *("metal", "rubber", "small", "large", "left", "right", "one", "two", "yes", "no"),
)
"""Words that every other word is compared with; fixed, so that a value does not depend on what else was asked."""


class ContextualBank:
    """States of words in text, made by the model itself when they are first asked for.

    The logit lens reads few image tokens: their states are nearer to those of text tokens in the middle of the network
    than to the unembedding (LatentLens, arXiv:2602.00462). The bank holds, for each word and layer, the mean direction
    of its last token after the beginnings in `TEMPLATES`; an image token is compared with it by cosine.

    Args:
        model: in eval mode.
        parts: its parts.
        tokenizer: of the model.
        layers: the layers that are compared, rising.
    """

    def __init__(self, model: Any, parts: ModelParts, tokenizer: Any, layers: Sequence[int]) -> None:
        self._model, self._parts, self._tokenizer = model, parts, tokenizer
        self.layers = tuple(layers)
        self._states: dict[str, Tensor] = {}

    @property
    def fingerprint(self) -> str:
        """Of what the bank is made of, apart from the model: templates, reference words, layers."""
        made_of = json.dumps([TEMPLATES, REFERENCE, self.layers])
        return hashlib.sha256(made_of.encode()).hexdigest()[:16]

    @torch.inference_mode()
    def nearness(self, residual: Tensor, words: Sequence[str]) -> npt.NDArray[np.float32]:
        """`[words, layers, tokens]`: the share of the reference words that are farther from an image token than a word.

        1 says that the word is the nearest of all, one half that it is like any other.

        Args:
            residual: `[layers, tokens, d]` of image tokens at the bank's layers.
            words: any words.
        """
        self.prepare([*REFERENCE, *words])
        unit = torch.nn.functional.normalize(residual.float(), dim=-1)
        reference = torch.stack([self._states[word] for word in REFERENCE]).to(unit.device)
        others = torch.einsum("ltd,wld->wlt", unit, reference)
        found = []
        for word in words:
            own = torch.einsum("ltd,ld->lt", unit, self._states[word].to(unit.device))
            another = torch.tensor([each != word for each in REFERENCE], device=unit.device)
            found.append((others[another] < own).float().mean(dim=0))
        return torch.stack(found).cpu().numpy()

    @torch.inference_mode()
    def prepare(self, words: Sequence[str]) -> None:
        """Make the states of words that are not there yet: `[layers, d]` each, fp32, of unit length.

        Raises:
            Exception: whatever the model raises for a text without a picture.
        """
        missing = [word for word in dict.fromkeys(words) if word not in self._states]
        for start in range(0, len(missing), _WORDS_A_BATCH):
            self._make(missing[start : start + _WORDS_A_BATCH])

    def _make(self, words: Sequence[str]) -> None:
        texts = [template.partition("{}")[0] + word for word in words for template in TEMPLATES]
        rows = [self._tokenizer(text)["input_ids"] for text in texts]
        # padding stands behind the last token, where no causal model sees it
        width = max(map(len, rows))
        ids = torch.tensor([row + [row[-1]] * (width - len(row)) for row in rows], device=self._model.device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=ids.device)
        last = Positions(torch.tensor([[len(row) - 1] for row in rows]))
        with ResidualCapture(self._parts, layer_index=self.layers, positions=last, keep_logits=False) as trace:
            self._model(input_ids=ids, attention_mask=mask)
        wanted = [trace.layer_index.index(layer) for layer in self.layers]
        unit = torch.nn.functional.normalize(trace.steps[0][wanted, :, 0].float(), dim=-1)  # [layers, texts, d]
        means = unit.reshape(len(self.layers), len(words), len(TEMPLATES), -1).mean(dim=2)
        for number, word in enumerate(words):
            self._states[word] = torch.nn.functional.normalize(means[:, number], dim=-1)

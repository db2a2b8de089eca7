"""lens_tiny with a last block by rule: what it says next follows from the picture and the text before, and is known."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from PIL import Image

BOXES = ((0, 0, 16, 16), (48, 48, 64, 64))
"""Of the two objects, in pixels of a picture of 64: one image token each."""
COLOURS = {"red": (220, 20, 20), "blue": (20, 20, 220)}
QUESTION = "Is the red thing of the same colour as the blue thing?"
_FIXED = ("Step 1:", ". Step 2:", ". Answer:")
_TURN = "assistant\n"
_COLOUR = re.compile(r" (red|blue|green|brown)")


def picture(first: str, second: str, seed: int = 0) -> Image.Image:
    """Two squares of a colour on grey noise."""
    pixels = np.random.default_rng(seed).integers(90, 150, (64, 64, 3), dtype=np.uint8)
    for colour, (left, top, right, bottom) in zip((first, second), BOXES, strict=True):
        pixels[top:bottom, left:right] = COLOURS[colour]
    return Image.fromarray(pixels)


def shorten(model: Any) -> None:
    """Two blocks of the decoder and one of the tower: what the model says is planted, and the others only take time."""
    model.model.language_model.layers = model.model.language_model.layers[:2]
    model.model.visual.blocks = model.model.visual.blocks[:1]
    text = model.config.get_text_config(decoder=True)
    text.num_hidden_layers, text.layer_types = 2, text.layer_types[:2]


class Planted:
    """Stands in the last decoder block of lens_tiny, which then says "Step 1: red. Step 2: blue. Answer: no".

    Args:
        loaded: lens_tiny, which is changed.
        steps: where the colours of the steps come from: `picture`, or `question`, which names them.
        answer: whether the two colours are one, of `steps` (their text) or of the `picture`.
    """

    def __init__(self, loaded: Any, *, steps: str, answer: str) -> None:
        shorten(loaded.model)
        self._model, self._tokenizer = loaded.model, loaded.processor.tokenizer
        self._processor = loaded.processor.image_processor
        self._steps, self._answer = steps, answer
        self._said: list[list[int]] = []
        self._new = 0
        self._lean = [(0.0, 0.0)]
        self._model.register_forward_pre_hook(self._begin, with_kwargs=True)
        self._model.model.visual.register_forward_pre_hook(self._see, with_kwargs=True)
        self._decoder = self._model.model.language_model
        self._decoder.layers[-1].register_forward_hook(self._end)
        head = self._model.lm_head.weight.detach().float()
        self._towards = torch.linalg.solve(head.T @ head, head.T).T  # a state that says one token and few others

    def _begin(self, module: Any, args: Any, kwargs: Any) -> None:
        rows, self._new = kwargs["input_ids"].tolist(), kwargs["input_ids"].shape[1]
        self._said = rows if self._new > 1 else [[*said, *new] for said, new in zip(self._said, rows, strict=True)]

    def _see(self, module: Any, args: Any, kwargs: Any) -> None:
        """The tower runs before the first pass of the decoder, in `generate` outside of the model's own forward."""
        pixels = args[0] if args else kwargs["hidden_states"]
        each = pixels.chunk(len(kwargs["grid_thw"] if "grid_thw" in kwargs else args[1]))
        self._lean = [(self._of(own[:4]), self._of(own[-4:])) for own in each]

    def _of(self, patches: torch.Tensor) -> float:
        """Red minus blue of the four patches of an image token, -0.4 to 0.4."""
        mean, std = (torch.tensor(getattr(self._processor, name)) for name in ("image_mean", "image_std"))
        colour = patches.float().reshape(4, 3, -1).mean(dim=(0, 2)) * std + mean
        return float(colour[0] - colour[2]) / 2

    def _end(self, module: Any, args: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        for row, own in enumerate(self._said):
            for back in range(self._new):
                said = self._tokenizer.decode(own[: len(own) - back])
                if _TURN not in said:  # the prompt stays what it is
                    break
                hidden[row, -1 - back] = self._state(self._next(said, self._lean[row]), hidden.dtype)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    def _next(self, said: str, lean: tuple[float, float]) -> dict[int, float]:
        """Token -> weight of what comes after a text, given how red the two objects are."""
        question, _, answer = said.partition(_TURN)
        for place, mark in enumerate(("Step 1:", "Step 2:")):
            if answer.endswith(mark):
                return self._colour(place, _COLOUR.findall(question), lean)
        told = _COLOUR.findall(answer)
        if answer.endswith("Answer:"):
            return self._same(told, lean)
        if "Answer:" in answer:
            return {self._tokenizer.eos_token_id: 1.0}
        fixed = self._ids(_FIXED[min(len(told), 2)])
        done = max(n for n in range(len(fixed)) if answer.endswith(self._tokenizer.decode(fixed[:n])))
        return {fixed[done]: 1.0}

    def _colour(self, place: int, named: list[str], lean: tuple[float, float]) -> dict[int, float]:
        if self._steps == "question":
            return {self._ids(f" {named[place]}")[0]: 1.0} if len(named) > place else self._either(0.0, "red", "blue")
        return self._either(lean[place], "red", "blue")

    def _same(self, told: list[str], lean: tuple[float, float]) -> dict[int, float]:
        if self._answer == "steps":
            return self._either(0.4 if len(set(told)) == 1 else -0.4, "yes", "no")
        first, second = lean
        return self._either(float(np.sign(first * second)) * min(abs(first), abs(second)), "yes", "no")

    def _either(self, lean: float, one: str, other: str) -> dict[int, float]:
        return {self._ids(f" {one}")[0]: 0.5 + lean, self._ids(f" {other}")[0]: 0.5 - lean}

    def _ids(self, text: str) -> list[int]:
        found: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def _state(self, weights: dict[int, float], dtype: torch.dtype) -> torch.Tensor:
        """A residual whose logits after norm and head are largest at the tokens of largest weight."""
        rows, own = self._towards[list(weights)], torch.tensor(list(weights.values()))[:, None]
        summed = torch.sum(own * rows / rows.norm(dim=1, keepdim=True), dim=0)
        return (summed / self._decoder.norm.weight.float()).to(dtype)

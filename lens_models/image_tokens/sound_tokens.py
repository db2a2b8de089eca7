"""Which positions of a prompt stand for its sounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lens_models.encoding import tokenizer_of
from lens_models.errors import LensError
from lens_models.example_input import example_sound, example_sound_inputs
from lens_models.parts import find_parts

from .decoder_input import decoder_input
from .tokens import ImageTokens

__all__ = ["STANDS_FOR_SOUND", "SoundTokenLocator", "prove_sound_tokens", "wrong_positions"]

STANDS_FOR_SOUND = "its tokens stand for sounds, which have no place in a picture"
_NAMES = ("audio_token_id", "audio_token_index")


class SoundTokenLocator:
    """Finds the tokens of sounds by the token that a model's configuration or its processor names for them.

    Args:
        model: in eval mode; it is not run.
        processor: the model's own, or None.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        self._ids = _token_ids(model, processor)

    def locate(self, ids: npt.NDArray[np.int64], n_sounds: int) -> ImageTokens:
        """The tokens of the sounds of one prompt: `image` is the number of the sound, there are no boxes.

        Where runs of the token are not as many as the sounds, nothing is said: a prompt may spell the token in its
        text, and sounds may stand side by side.

        Args:
            ids: `[sequence]`, as the model is given them.
            n_sounds: how many sounds the prompt has.
        """
        places = np.flatnonzero(np.isin(ids, self._ids)).astype(np.int64)
        if not len(places):
            return ImageTokens.none("no position of the prompt holds the token that stands for a part of a sound")
        number = np.cumsum(np.diff(places, prepend=places[0]) > 1)
        runs = int(number[-1]) + 1
        if runs != n_sounds:
            return ImageTokens.none(f"{runs} runs of the token that stands for sounds, and {n_sounds} sounds")
        return ImageTokens(places, number.astype(np.int64), None, STANDS_FOR_SOUND)


def _token_ids(model: Any, processor: Any) -> list[int]:
    audio = getattr(model.config, "audio_config", None)
    found = [getattr(config, name, None) for config in (model.config, audio) for name in _NAMES]
    token = getattr(processor, "audio_token", None)
    if isinstance(token, str):
        found.append(tokenizer_of(processor).convert_tokens_to_ids(token))
    return sorted({each for each in found if isinstance(each, int)})


def prove_sound_tokens(model: Any, processor: Any) -> str | None:
    """Why the located positions are not those of a sound; None where they are.

    Two sounds of one length are encoded, and what the first decoder layer is given must differ at exactly these.
    """
    try:
        inputs, others = (
            example_sound_inputs(processor, [sound]).to(model.device, model.dtype)
            for sound in (example_sound(), example_sound(pitch=310))
        )
        return wrong_positions(model, SoundTokenLocator(model, processor), inputs, others)
    except (LensError, RuntimeError, ValueError, TypeError) as error:
        return f"the tokens of sounds were not examined: {type(error).__name__}: {str(error)[:200]}"


def wrong_positions(
    model: Any, locator: SoundTokenLocator, inputs: Mapping[str, Any], others: Mapping[str, Any]
) -> str | None:
    """Why the positions in `inputs` are not right; None where `others`, the same prompt with another sound, confirms
    them."""
    ids = inputs["input_ids"]
    if not torch.equal(torch.as_tensor(ids), torch.as_tensor(others["input_ids"])):
        return "the prompt depends on what a sound holds, not on its length alone"
    found = locator.locate(np.asarray(ids[0].tolist()), 1)
    if not len(found):
        return found.problem
    first = find_parts(model).layers[0]
    given: list[Tensor] = [decoder_input(model, first, each) for each in (inputs, others)]
    changed = (given[0] != given[1]).any(dim=-1)[0].nonzero().flatten().numpy()
    if np.array_equal(changed, found.positions):
        return None
    return f"another sound changes {len(changed)} positions, and {len(found)} hold the token that stands for sounds"

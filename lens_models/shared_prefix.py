"""Keys and values of what a prompt shares with the one before: its pictures, and what stands in front of them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .deviation import logit_deviation, logit_tolerance
from .encoded_media import same_inputs
from .forced_run import STEP_BY_STEP, run_forced
from .memory import attempted
from .peft_adapters import model_itself
from .shadowing import shadowed

__all__ = ["SharedPrefix", "prefix_problem"]

_OF_EACH_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
_PICTURE_TOKENS = ("image_token_id", "image_token_index")
_OTHER_TOKENS = ("video_token_id", "video_token_index", "audio_token_id", "audio_token_index")
_REMEMBERED = "rope_deltas"
"""How far positions behind pictures are from the number of tokens; M-RoPE models keep it from one pass to the next."""


@dataclass
class _Prompt:
    """The last prompt: its tokens `[n]`, its other inputs, and what the pass over it left."""

    tokens: Tensor
    media: Mapping[str, Any]
    cache: Any
    remembered: Mapping[Any, Any]


class SharedPrefix:
    """Lets `generate` go on from the keys and values of the prompt before, where a prompt begins as that one did.

    What is shared ends at the first token that differs, and holds all pictures: prompts are told apart by every number
    of their inputs. A prompt alone shares; batches, beams, prompts whose picture stands behind what differs, and those
    with videos or sounds run as they are. The numbers behind a shared beginning differ from those of a whole pass by
    rounding.

    Args:
        model: of transformers, in eval mode, which nobody changes from one prompt to the next.

    `computed` and `reused` count positions of prompts that ran, and that did not have to.
    """

    def __init__(self, model: Any) -> None:
        self._model = model_itself(model)  # whose `generate` runs, also that of an adapter around it
        self._last: _Prompt | None = None
        self._pictures, self._others = _token_ids(model, _PICTURE_TOKENS), _token_ids(model, _OTHER_TOKENS)
        self._remembering = [module for module in model.modules() if hasattr(module, _REMEMBERED)]
        self.computed = self.reused = 0

    @contextmanager
    def shared(self, inputs: Mapping[str, Any], arguments: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The inputs for one call of `generate`, made while this lasts; its prompt is kept for the next one."""
        tokens = inputs.get("input_ids")
        if not isinstance(tokens, Tensor) or not self._one_whole_prompt(inputs, arguments):
            yield inputs
            return
        media = {name: value for name, value in inputs.items() if name not in _OF_EACH_TOKEN}
        last, self._last = self._last, None
        begun = 0 if last is None else self._shared_length(last, tokens[0], media)
        cache = None if last is None or not begun else _cut(last, begun)
        begun = begun if cache is not None else 0
        self.reused += begun
        self.computed += tokens.shape[1] - begun
        given = dict(inputs)
        if last is not None and cache is not None:
            given = {name: value for name, value in inputs.items() if name not in media} | {"past_key_values": cache}
            for module, value in last.remembered.items():
                setattr(module, _REMEMBERED, value)
        with shadowed(self._model, forward=self._keeping(tokens[0], media)):
            yield given

    def _one_whole_prompt(self, inputs: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
        """Whether there is one prompt, without padding, whose generation keeps keys and values of its own alone."""
        mask = inputs.get("attention_mask")
        default = getattr(self._model, "generation_config", None)
        beams, keeps = (
            arguments.get(name) if arguments.get(name) is not None else getattr(default, name, None)
            for name in ("num_beams", "use_cache")
        )
        whole = mask is None or bool((mask == 1).all())
        return len(inputs["input_ids"]) == 1 and whole and keeps is not False and (beams or 1) == 1

    def _keeping(self, tokens: Tensor, media: Mapping[str, Any]) -> Any:
        """The model's forward method, which keeps what the first pass left, before steps are added to it."""
        forward = self._model.forward
        passes = 0

        @functools.wraps(forward)
        def keep(*args: Any, **kwargs: Any) -> Any:
            nonlocal passes
            output = forward(*args, **kwargs)
            passes += 1
            cache = getattr(output, "past_key_values", None)
            if passes == 1 and cache is not None and cache.get_seq_length() == len(tokens):
                kept, _ = attempted(lambda: copy.deepcopy(cache))  # without memory for it the next prompt runs whole
                remembered = {module: getattr(module, _REMEMBERED) for module in self._remembering}
                self._last = None if kept is None else _Prompt(tokens, media, kept, remembered)
            return output

        return keep

    def _shared_length(self, last: _Prompt, tokens: Tensor, media: Mapping[str, Any]) -> int:
        """How many leading tokens the two share, none where pictures are not among them or are not the same."""
        if not media or not same_inputs(last.media, media):
            return 0
        shortest = min(len(last.tokens), len(tokens) - 1)  # something has to run
        differing = (last.tokens[:shortest] != tokens[:shortest]).nonzero()
        length = int(differing[0]) if len(differing) else shortest
        pictures = torch.isin(tokens, self._pictures.to(tokens.device))
        others = torch.isin(tokens, self._others.to(tokens.device))
        return length if pictures.any() and not pictures[length:].any() and not others.any() else 0


@torch.no_grad()
def prefix_problem(model: Any, prompts: tuple[Any, Any, Any]) -> str | None:
    """Why a model does not go on from a beginning that prompts share; None where its logits behind it are the same.

    Args:
        model: in eval mode.
        prompts: encoded: a question about a picture, one about another picture of another size, and another question
            about the first picture.
    """
    first, other, again = prompts
    prefix = SharedPrefix(model)
    try:
        tokens = model.generate(**again, max_new_tokens=3, do_sample=False)[:, -3:]
        expected = run_forced(model, again, tokens, way=STEP_BY_STEP).logits
        with prefix.shared(first, {}) as given:
            model.generate(**given, max_new_tokens=1, do_sample=False)
        model.generate(**other, max_new_tokens=1, do_sample=False)  # it may remember something of another picture
        with prefix.shared(again, {}) as given:
            found = run_forced(model, given, tokens, way=STEP_BY_STEP).logits
    except Exception as error:  # whatever a class does with keys and values that are given
        return f"it does not go on from keys and values that are given ({type(error).__name__}: {str(error)[:200]})"
    if not prefix.reused:
        return (
            "its prompts share no beginning that holds the picture (the chat template puts it behind the question), or "
            "it leaves no keys and values of them"
        )
    deviation, allowed = logit_deviation(found, expected), logit_tolerance(model.dtype, _n_layers(model))
    if deviation > allowed:
        return (
            f"behind a shared beginning its logits are off by {deviation:.1e} of their range (allowed {allowed:.1e}): "
            "what stands in it depends on what follows"
        )
    return None


def _token_ids(model: Any, names: Sequence[str]) -> Tensor:
    """The ids that the configuration has under these names."""
    found = [value for name in names if isinstance(value := getattr(model.config, name, None), int)]
    return torch.tensor(found, dtype=torch.long)


def _n_layers(model: Any) -> int:
    return int(getattr(model.config.get_text_config(decoder=True), "num_hidden_layers", 1))


def _cut(prompt: _Prompt, length: int) -> Any:
    """The keys and values of the first tokens; None where they are not there (a sliding window that moved on)."""
    try:
        prompt.cache.crop(length - len(prompt.tokens))
    except Exception:  # what a kind of cache raises is its own affair
        return None
    return prompt.cache if prompt.cache.get_seq_length() == length else None

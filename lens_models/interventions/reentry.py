"""Whether an image token that comes again is what it was in the prompt: nothing but what the first block is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial, wraps
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.generation import GenerationMixin

from lens_models.deviation import logit_deviation, logit_tolerance
from lens_models.errors import LensArgumentError
from lens_models.shadowing import shadowed

from .host import Host
from .prompt import own_mask, own_positions, shown_media, until

__all__ = ["call_of_generate", "reentry_problem"]

Forward = Callable[..., Any]


class _ReachedError(Exception):
    """`generate` has called the model."""


@torch.inference_mode()
def reentry_problem(host: Host, name: str) -> str | None:
    """Why image tokens of a model cannot come again by what its first block is given; None where they can.

    Two proofs on the example prompt. Pixels that are turned to their negatives must leave the logits as they are, bit
    for bit, when the first block is given the same: else later blocks are given the picture too (DeepStack). And the
    prompt's last image token must predict the same when it comes behind the cache of those before it, as what the first
    block was given at it: else it has something by its place or its id (embeddings of each layer, experts, a scale).

    Args:
        host: the model, with an example prompt.
        name: of the intervention, for errors.

    Raises:
        LensArgumentError: the prompt has no image tokens, or the model an input of its length that is not known.
    """
    assert host.example is not None
    given: list[Tensor] = []
    with _given_first(host, given.append):
        plain = host.parts.model(**host.example).logits
    other = {key: -each if _is_real(each) else each for key, each in host.example.items()}
    with _given_first(host, given.append), _first_block_is_given(host, given[0]):
        negative = host.parts.model(**other).logits
    if torch.equal(given[0], given[1]):
        return "the first block is given the same of two pictures, so they are not known to be"
    if not torch.equal(plain, negative):
        return "blocks behind the first one are given the picture too (DeepStack, or another way)"
    return _of_the_last_one(host, name)


def _of_the_last_one(host: Host, name: str) -> str | None:
    assert host.example is not None
    forward, kwargs = call_of_generate(host.parts.model, host.example)
    model, ids = host.parts.model, kwargs["input_ids"]
    shown = shown_media(ids, host.media_ids)[0]
    if not bool(shown.any()):
        raise LensArgumentError(f"{name}: the example prompt of {host.parts.model_class} has no image tokens")
    end = int(shown.nonzero()[-1]) + 1
    positions, mask = own_positions(kwargs, model, name), own_mask(kwargs, name)
    prompt = {**kwargs, **until({**kwargs, "position_ids": positions}, end, name), "use_cache": True}
    prompt.pop("logits_to_keep", None)
    given: list[Tensor] = []
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    with _given_first(host, given.append):
        expected = forward(**{**prompt, "past_key_values": cache}).logits[:, -1]
    try:
        cache.crop(-1)
    except (RuntimeError, ValueError) as error:
        return f"its cache cannot be cut before the last image token, so they are not known to be ({error})"
    found = forward(
        inputs_embeds=given[0][:, -1:],
        attention_mask=mask[:, :end],
        position_ids=positions[..., end - 1 : end],
        past_key_values=cache,
        use_cache=True,
        return_dict=True,
    ).logits[:, -1]
    deviation, allowed = logit_deviation(found, expected), logit_tolerance(model.dtype, host.parts.n_layers)
    if deviation <= allowed:
        return None
    return (
        f"what the last one predicts differs by {deviation:.1e} of the logit range (allowed {allowed:.1e}) when it "
        "comes by its embedding alone"
    )


def _is_real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


@contextmanager
def _given_first(host: Host, keep: Callable[[Tensor], object]) -> Iterator[None]:
    """While this lasts, `keep` is told what the first block is given."""

    def look(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        keep((args[0] if args else kwargs["hidden_states"]).clone())

    handle = host.parts.layers[0].register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _first_block_is_given(host: Host, hidden: Tensor) -> Iterator[None]:
    def give(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return ((hidden, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": hidden})

    handle = host.parts.layers[0].register_forward_pre_hook(give, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def call_of_generate(model: Any, inputs: Mapping[str, Any]) -> tuple[Forward, Mapping[str, Any]]:
    """The forward method that `generate` calls, and what it gives it, positions too; it is not run.

    Args:
        model: in eval mode.
        inputs: encoded prompts.
    """
    calls: list[tuple[Forward, Mapping[str, Any]]] = []

    def stop(forward: Forward, *args: Any, **kwargs: Any) -> None:
        calls.append((forward, kwargs))
        raise _ReachedError

    with ExitStack() as stack:
        for module in model.modules():
            if isinstance(module, GenerationMixin):
                through = wraps(module.forward)(partial(stop, module.forward))
                stack.enter_context(shadowed(module, forward=through))
        with suppress(_ReachedError):
            model.generate(**inputs, max_new_tokens=1, do_sample=False)
    return calls[0]

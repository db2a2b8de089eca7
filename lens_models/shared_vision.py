"""The vision encoder runs once a picture, also within and across batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from .deviation import logit_deviation, logit_tolerance
from .encoded_media import KEPT_BYTES, PICTURES, EncodedMedia, bytes_of, same_inputs
from .encoder_calls import EncoderCall, OutputLayout, cloned, encoder_call
from .errors import LensArgumentError
from .forced_run import STEP_BY_STEP, run_forced

__all__ = ["SharedVision", "prove_shared_vision"]


_KEPT_PICTURES = 64  # more than inputs of whole calls, for those with one digest alone are compared


@dataclass(eq=False)
class _Picture:
    digest: int
    given: EncoderCall
    gave: Any = None
    size: int = 0

    def is_that_of(self, digest: int, given: EncoderCall) -> bool:
        """Whether every number of the two is the same."""
        return self.digest == digest and same_inputs(self._inputs(self.given), self._inputs(given))

    def take(self, gave: Any) -> None:
        """What the encoder gave for it; counts the bytes of what went in and came out."""
        self.gave, self.size = gave, bytes_of([*self._inputs(self.given), gave])

    @staticmethod
    def _inputs(call: EncoderCall) -> tuple[Any, ...]:
        return call.args, dict(call.kwargs), call.sizes


class SharedVision(EncodedMedia):
    """What the vision encoder gave for the last pictures, given again for each of them, whatever stands beside it.

    The pictures of a call that are new run together. Each alone would give the same numbers beside any others, but the
    decoder's products are of a batch's shape anyway, and the pieces of a picture would each be a call. So a picture's
    numbers differ from those of the whole call by rounding; where all are new, it is that call. Calls that are not laid
    out as proven, videos and sounds are those of `EncodedMedia`.

    Args:
        model: of transformers, in eval mode, which nobody changes from one prompt to the next.
        layout: where its encoder's output holds pictures; None learns it from one picture of the first call.
        limit: bytes of inputs and outputs to keep, on the device of the model; of the last 64 pictures at most.

    `problem` says why a call was not taken apart, the last one that was not.
    """

    def __init__(self, model: Any, layout: OutputLayout | None = None, limit: int = KEPT_BYTES) -> None:
        super().__init__(model, limit)
        self.layout = layout
        self.problem: str | None = None
        self._pictures: list[_Picture] = []

    def _again(self, name: str, encoder: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if name != PICTURES:
            return super()._again(name, encoder, args, kwargs)
        call = encoder_call(args, kwargs)
        if isinstance(call, str):
            self.problem = call
            return super()._again(name, encoder, args, kwargs)
        digests = call.digests()
        if 0 in digests:  # an empty place, which some encoders leave out
            return super()._again(name, encoder, args, kwargs)
        alone = [call.of([place]) for place in range(len(digests))]
        shown, new = self._shown(alone, digests)
        if not new:
            self._remember(shown, new)
            return self._joined(shown)
        if self.layout is None:
            self.layout = OutputLayout.of(encoder(*alone[0].args, **alone[0].kwargs), alone[0].sizes[0])
        run = call if len(new) == len(alone) else call.of([shown.index(each) for each in new])
        self._ran(len(new))
        gave = encoder(*run.args, **run.kwargs)
        parts = self.layout.apart(gave, run.sizes)
        if parts is None:
            self.problem = f"its output for {len(new)} pictures does not show which part of it is whose"
            return gave if run is call else super()._again(name, encoder, args, kwargs)
        for picture, part in zip(new, parts, strict=True):
            picture.take(part)
        output = gave if run is call else self._joined(shown)
        self._remember(shown, new)
        return output

    def _shown(self, alone: list[EncoderCall], digests: list[int]) -> tuple[list[_Picture], list[_Picture]]:
        """Each picture of a call, and those of them that were never encoded."""
        shown: list[_Picture] = []
        new: list[_Picture] = []
        for given, digest in zip(alone, digests, strict=True):
            known = (each for each in (*new, *reversed(self._pictures)) if each.is_that_of(digest, given))
            picture = next(known, None)
            if picture is None:
                picture = _Picture(digest, given.cloned())  # the encoder may write into its inputs
                new.append(picture)
            shown.append(picture)
        return shown, new

    def _joined(self, shown: list[_Picture]) -> Any:
        assert self.layout is not None
        return self.layout.joined([each.gave for each in shown])

    def _remember(self, shown: list[_Picture], new: list[_Picture]) -> None:
        """Keep the last pictures, those of this call behind the others."""
        last = list(dict.fromkeys(shown))
        small = [each for each in last if each.size <= self._limit]  # no other is let go for one that is not kept
        kept = [*(each for each in self._pictures if each not in last), *small][-_KEPT_PICTURES:]
        while sum(each.size for each in kept) > self._limit:
            kept.pop(0)
        for picture in set(new).intersection(kept):
            picture.gave = cloned(picture.gave)  # a part of a larger output, which the model may write into
        self._pictures = kept


@torch.no_grad()
def prove_shared_vision(model: Any, together: Any, turned: Any) -> SharedVision:
    """What runs the vision encoder of a model for pictures that are new alone, proven to lead to the same logits.

    Args:
        model: in eval mode.
        together: an encoded batch of prompts about pictures A, B, C and again A.
        turned: one of the same prompts about C, A and B.

    Raises:
        LensArgumentError: why it does not; among it that the pictures lead to the same logits, so nothing is proven.
    """
    shared = SharedVision(model, limit=2**62)
    try:
        expected = [_logits(model, each) for each in (together, turned)]
    except Exception as error:  # there are models of one prompt at a time, and of one picture size
        raise LensArgumentError(
            f"it does not answer a batch about example pictures ({type(error).__name__}: {str(error)[:200]})"
        ) from error
    try:
        with shared.at_hand():
            found = [_logits(model, each) for each in (together, turned)]
    except Exception as error:  # whatever a class does with an output from which the tower's own is left out
        raise LensArgumentError(
            f"it does not take pictures that were encoded apart ({type(error).__name__}: {str(error)[:200]})"
        ) from error
    if not shared.pictures:
        raise LensArgumentError("it has no method get_image_features that encodes its pictures")
    if shared.problem is not None or shared.pictures_encoded == shared.pictures:
        raise LensArgumentError(shared.problem or "its encoder is given other numbers for a picture beside other ones")
    text = model.config.get_text_config(decoder=True)
    allowed = logit_tolerance(model.dtype, int(getattr(text, "num_hidden_layers", 1)))
    apart = min(logit_deviation(*pair) for logits in expected for pair in combinations(logits[:3], 2))
    if apart <= allowed:
        raise LensArgumentError(
            f"two example pictures lead to logits that differ by {apart:.1e} of their range (at least {allowed:.1e} is "
            "needed), so it cannot be seen whether each prompt is given its own"
        )
    deviation = max(logit_deviation(*pair) for pair in zip(found, expected, strict=True))
    if deviation > allowed:
        raise LensArgumentError(
            f"with pictures that were encoded apart its logits are off by {deviation:.1e} of their range (allowed "
            f"{allowed:.1e})"
        )
    return SharedVision(model, shared.layout)


def _logits(model: Any, inputs: Any) -> Tensor:
    """Those of the first token, `[rows, 1, vocabulary]`, whatever is said."""
    return run_forced(model, inputs, inputs["input_ids"][:, -1:], way=STEP_BY_STEP).logits

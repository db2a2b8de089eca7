"""What probes observe under vLLM: the workers keep it, and are asked for it when a sample is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from lens_models import CaptureError
from lens_models.example_input import example_inputs, example_texts
from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.painting import Run
from lens_models.probes import Answered, Arrays, ImageTokenLens, Probe, Step, StepEntropy
from lens_models.vllm_worker.prompt_states import EMBEDDED

__all__ = ["Asked", "ServedImageTokens", "ServedStepEntropy", "embedded_by", "probes_of"]

Asked = Callable[..., Any]
"""A method of the workers by name, then its arguments -> what the first rank answers."""


class _Served:
    """A probe whose hooks are the workers' own.

    Args:
        ask: the workers.
        marks: of each row's request.
        tokens: the image tokens of each row.
    """

    def __init__(self, ask: Asked, marks: Sequence[int], tokens: Sequence[ImageTokens]) -> None:
        self._ask, self._marks, self._tokens = ask, marks, tokens

    def attach(self, parts: Any) -> Any:
        """See `Probe`: nothing is attached here."""
        return nullcontext()

    def on_step(self, step: Step) -> None:
        """See `Probe`: steps are the workers'."""


class ServedImageTokens(_Served):
    """See `lens_models.probes.ImageTokenLens`; every probability is computed from all logits, so none is estimated."""

    name: ClassVar[str] = ImageTokenLens.name

    def result(self, answered: Answered) -> Arrays:
        """See `ImageTokenLens.result`.

        Raises:
            CaptureError: vLLM did not compute a position of a picture.
        """
        words = {word: ids for word, ids in answered.words.items() if ids}
        tokens = self._tokens[answered.sample]
        if not words or not len(tokens):
            return {}
        asked = [list(ids) for ids in words.values()]
        found = self._ask("lens_image_tokens", self._marks[answered.sample], tokens.positions.tolist(), asked)
        arrays = {"layers": found["layers"], "error": [0.0]}
        for word, own, rank in zip(words, found["maps"], found["rank"], strict=True):
            arrays |= {f"map {word}": own, f"rank {word}": rank}
        return {name: np.asarray(values, dtype=np.float32) for name, values in arrays.items()}


class ServedStepEntropy(_Served):
    """See `lens_models.probes.StepEntropy`."""

    name: ClassVar[str] = StepEntropy.name

    def result(self, answered: Answered) -> Arrays:
        """`entropy`: fp32 `[steps]`, in nats.

        Raises:
            CaptureError: vLLM's first rank has not seen the logits of each step.
        """
        found = self._ask("lens_entropy", self._marks[answered.sample])
        if len(found) < len(answered.rows):
            raise CaptureError(f"vLLM's first rank saw the logits of {len(found)} of {len(answered.rows)} steps")
        return {"entropy": np.asarray(found[: len(answered.rows)], dtype=np.float32)}


_SERVED = {each.name: each for each in (ServedStepEntropy, ServedImageTokens)}


def probes_of(
    names: Sequence[str], ask: Asked, marks: Sequence[int], tokens: Sequence[ImageTokens]
) -> tuple[Probe, ...]:
    """The probes of a batch of requests, of those names that are observed under vLLM."""
    return tuple(_SERVED[name](ask, marks, tokens) for name in names if name in _SERVED)


def embedded_by(
    ask: Asked, generate: Callable[[Mapping[str, Any], Mapping[str, int]], tuple[int, Any]], processor: Any
) -> Run:
    """What vLLM's first block is given for a prompt with pictures, see `prove_geometry`.

    Args:
        ask: the workers.
        generate: answers a prompt that is marked with these `extra_args` -> its mark, and what vLLM answered.
        processor: the checkpoint's own.
    """

    def run(pictures: Sequence[Image.Image]) -> Any:
        wanted = np.asarray(example_inputs(processor, pictures)["input_ids"][0]).tolist()
        seen = []
        for text in example_texts(processor, pictures):
            prompt = {"prompt": text, "multi_modal_data": {"image": list(pictures)}}
            mark, output = generate(prompt, {EMBEDDED: 1})
            seen.append(list(output.prompt_token_ids))
            if seen[-1] == wanted:
                return np.asarray(ask("lens_embedded", mark), dtype=np.float32)
        lengths = ", ".join(str(len(each)) for each in seen)
        raise CaptureError(
            f"vLLM makes prompts of {lengths or 'no'} tokens of the picture and the question of which the processor "
            f"makes {len(wanted)}; where the parts of a picture stand is not known"
        )

    return run

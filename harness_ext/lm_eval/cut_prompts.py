"""lm-eval cuts prompts that are longer than the context at their beginning; where the images stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

from lens_models import InputError

__all__ = ["CutPrompts", "cut_alike"]

_ADVICE = "Pass a larger max_length in --model_args if the model has one, or make images smaller (image_max_side)"
_ONE_A_TOKEN = ("mm_token_type_ids", "token_type_ids", "cross_attention_mask")


def cut_alike(inputs: MutableMapping[str, Any]) -> None:
    """Cut what else has one entry a token; the harness cuts ids and mask alone, and newer models stop over that."""
    tokens = inputs["input_ids"].shape[1]
    for name in _ONE_A_TOKEN:
        value = inputs.get(name)
        if value is not None and value.shape[1] > tokens:
            inputs[name] = value[:, -tokens:]


class CutPrompts:
    """Tells, once, of a prompt that the harness cut, and refuses one that lost a part of its images.

    Args:
        tell: hears of the first prompt that lost text alone.
    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._told = False

    def see(
        self,
        inputs: Mapping[str, Any],
        where: Sequence[str],
        encode_whole: Callable[[int], Mapping[str, Any]],
        image_token_id: int | None,
    ) -> None:
        """Look at an encoded batch.

        Args:
            inputs: `input_ids` `[rows, tokens]` and `attention_mask`, cut on the left.
            where: names each row.
            encode_whole: encodes one row without cutting it.
            image_token_id: stands for a piece of an image.

        Raises:
            InputError: an image was cut; the model would stop over it, or see a part of it.
        """
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        for row, name in enumerate(where):
            if not bool(mask[row, 0]):  # padded on the left, so it is whole
                continue
            whole = encode_whole(row)["input_ids"][0]
            if len(whole) <= ids.shape[1]:
                continue
            found = f"{name}: the prompt has {len(whole)} tokens, and lm-eval keeps the last {ids.shape[1]} of them"
            if ids[row].tolist().count(image_token_id) < whole.tolist().count(image_token_id):
                raise InputError(f"{found}, which cuts its images. {_ADVICE}; or remove this sample.")
            if not self._told:
                self._told = True
                self._tell(f"{found}; others may be cut too. {_ADVICE}.")

"""Errors and warnings about encoding a batch, with the document they are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, TypeVar

from lens_models import InputError, example_inputs
from lens_models.audio import Sound, seconds_heard
from lens_models.memory import is_out_of_memory

__all__ = ["ContextWatch", "SoundWatch", "TruncationWatch", "context_length", "encode_or_name", "truncate_alike"]

T = TypeVar("T")


def encode_or_name(encode: Callable[[Sequence[int]], T], where: Sequence[str], processor: Any) -> T:
    """What `encode` gives for all rows of a batch.

    Args:
        encode: encodes the rows with these numbers.
        where: names each row.
        processor: what it encodes with.

    Raises:
        InputError: names the first row that cannot be encoded by itself; no row where the processor does not encode a
            picture and a question of our own either. A lack of memory passes as it is.
    """
    rows = range(len(where))
    try:
        return encode(rows)
    except Exception as error:  # what a processor raises for an image it cannot take is its own affair
        if isinstance(error, InputError) or is_out_of_memory(error):
            raise
        _require_working(processor, error)
        culprit = next((where[row] for row in rows if len(rows) > 1 and not _encodes(encode, row)), None)
        name = culprit or (where[0] if len(rows) == 1 else f"{where[0]} to {where[-1]}, together")
        raise InputError(f"{name}: the processor cannot encode this sample ({error}); check or remove it") from error


def _require_working(processor: Any, error: Exception) -> None:
    try:
        example_inputs(processor)
    except InputError as refusal:
        raise InputError(
            f"the processor of this model encodes nothing, whatever the document ({error}); look at the tokenizer and "
            f"processor files of the checkpoint. A picture and a question of our own fail too: {refusal}"
        ) from error


def _encodes(encode: Callable[[Sequence[int]], object], row: int) -> bool:
    try:
        encode([row])
    except Exception:
        return False
    return True


def context_length(config: Any) -> int | None:
    """Number of positions a language model was made for, or None where its configuration does not say."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    found = getattr(text, "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None


class ContextWatch:
    """Tells, once, of a prompt that is longer than the model's context.

    The prompt is answered as it is: cutting it would change answers, and most models can run beyond their context.

    Args:
        config: configuration of the model.
        warn: is called with the first such prompt.
    """

    def __init__(self, config: Any, warn: Callable[[str], object]) -> None:
        self._limit = context_length(config)
        self._warn = warn
        self._warned = False

    def see(self, inputs: Any, where: Sequence[str]) -> None:
        """Look at an encoded batch, `input_ids` `[rows, tokens]` with its `attention_mask`."""
        ids, mask = inputs.get("input_ids"), inputs.get("attention_mask")
        if self._warned or self._limit is None or ids is None or ids.shape[1] <= self._limit:
            return
        lengths = [ids.shape[1]] * ids.shape[0] if mask is None else mask.sum(dim=1).tolist()
        for name, length in zip(where, lengths, strict=True):
            if length > self._limit:
                self._warned = True
                self._warn(
                    f"{name}: the prompt has {int(length)} tokens, and the model was made for {self._limit}. It is "
                    "answered as it is, like any other such prompt of this run, and the answer may mean little; "
                    "max_pixels makes images shorter."
                )
                return


class SoundWatch:
    """Tells, once, of a sound that a processor cuts: the model hears its beginning alone.

    It is answered about as it is, as without the lens.

    Args:
        processor: the model's own.
        warn: is called with the first such sound.
    """

    def __init__(self, processor: Any, warn: Callable[[str], object]) -> None:
        self._processor = processor
        self._warn = warn
        self._warned = False

    def see(self, inputs: Mapping[str, Any], sounds: Sequence[Sequence[Sound]], where: Sequence[str]) -> None:
        """Look at an encoded batch and the sounds of each of its rows."""
        n = sum(map(len, sounds))
        reach = None if self._warned or not n else seconds_heard(self._processor, inputs, n)
        if reach is None:
            return
        for name, own in zip(where, sounds, strict=True):
            long = [sound.duration for sound in own if sound.duration > reach + 0.1]
            if long and not self._warned:
                self._warned = True
                self._warn(
                    f"{name}: a sound lasts {max(long):.1f} s, and the model's processor hands on the first "
                    f"{reach:.1f} s of it. It is answered about as it is, like any other such sound of this run."
                )


_ADVICE = "Pass a larger max_length in --model_args if the model has one, or make images smaller (image_max_side)"
_ONE_A_TOKEN = ("mm_token_type_ids", "token_type_ids", "cross_attention_mask")


def truncate_alike(inputs: MutableMapping[str, Any]) -> None:
    """Cut what else has one entry a token; the harness cuts ids and mask alone, and newer models stop over that."""
    tokens = inputs["input_ids"].shape[1]
    for name in _ONE_A_TOKEN:
        value = inputs.get(name)
        if value is not None and value.shape[1] > tokens:
            inputs[name] = value[:, -tokens:]


class TruncationWatch:
    """Tells, once, of a prompt that the harness cut, and refuses one that lost a part of its images.

    Args:
        warn: is called with the first prompt that lost text alone.
    """

    def __init__(self, warn: Callable[[str], object]) -> None:
        self._warn = warn
        self._warned = False

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
            if not self._warned:
                self._warned = True
                self._warn(f"{found}; others may be cut too. {_ADVICE}.")

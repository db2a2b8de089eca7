"""Is the lens exact on one model type that takes sounds? Its own processor and forward passes are the judge."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor
from transformers.models.auto import modeling_auto

from lens_models import LensError, LogitLens, prove_forcing
from lens_models.architectures import REFUSED as REFUSED_TYPES
from lens_models.image_tokens.sound_tokens import SoundTokenLocator, wrong_positions

from .audio_reasons import AUDIO_REASONS, NOTES
from .examine import TOLERANCE, WrongReadoutError, compare, deviation_of
from .forced import A_BATCH, A_PROMPT, REFUSED, compared
from .hearing import Hearing, hearing, tone

__all__ = ["TWO_SOUNDS", "AudioOutcome", "audio_types", "examine_audio"]

TWO_SOUNDS = "two sounds"
_MAPPINGS = ("MULTIMODAL_LM", "IMAGE_TEXT_TO_TEXT", "SEQ_TO_SEQ_CAUSAL_LM")
_SOUNDS = re.compile(r"input_features|input_values|audio_input_features|audio_input_ids")
_SHORT, _LONG, _LONGER = "Is there a circle", "Is there a circle in the picture", "Is there a circle in the picture ?"
_NEW_TOKENS = 4


@dataclass(frozen=True)
class AudioOutcome:
    """What came of one model type: `result` is exact, refused or unbuildable.

    Attributes:
        model_type, model_class: of transformers.
        result: exact, refused or unbuildable.
        deviation: the largest difference from the model's own logits, as a share of their range, over the last layer,
            the middle layers and the steps of a generation.
        bitwise: whether the last layer's logits, read over the whole prompt as the model reads it, are the model's bit
            for bit.
        one_off: the smallest difference, as a share of the range, of a step's readout from the model's logits one step
            on: what a readout at a wrong place would give.
        forced, forced_deviation, forced_inputs: how given tokens are scored, the difference in nats a token, and what
            it was compared on.
        forced_layers: the largest difference of any layer's logits between the forced run and the generation, as a
            share of their range.
        processor: `own`, or why prompts were made by hand.
        sound_tokens: how many positions of the prompt stand for the sound, each confirmed by another sound; 0 where
            that is not known.
        reason: why it is refused or could not be built, or what was left out.
    """

    model_type: str
    model_class: str
    result: str
    deviation: float | None = None
    bitwise: bool | None = None
    one_off: float | None = None
    forced: str = ""
    forced_deviation: float | None = None
    forced_inputs: tuple[str, ...] = ()
    forced_layers: float | None = None
    processor: str = ""
    sound_tokens: int = 0
    reason: str = ""


def audio_types() -> dict[str, str]:
    """Model type -> class, of every type that transformers maps to a class which takes sounds and answers in text.

    Those of images and text, of any media, and sequence-to-sequence models, where the class is no encoder-decoder.
    """
    named: dict[str, str] = {}
    for mapping in _MAPPINGS:
        named |= getattr(modeling_auto, f"MODEL_FOR_{mapping}_MAPPING_NAMES", {})
    found = {}
    for model_type, name in sorted(named.items()):
        cls = getattr(transformers, name, None)
        if cls is None:
            continue
        arguments = inspect.signature(cls.forward).parameters
        if any(map(_SOUNDS.fullmatch, arguments)) and "decoder_input_ids" not in arguments:
            found[model_type] = name
    return found


def examine_audio(model_type: str) -> AudioOutcome:
    """Build, prove, generate and compare every layer.

    Raises:
        WrongReadoutError, ForcedError: a readout or forced scores that passed the check at load are wrong.
    """
    cls = audio_types()[model_type]
    if model_type in REFUSED_TYPES:
        return AudioOutcome(model_type, cls, "refused", reason=REFUSED_TYPES[model_type])
    try:
        heard = hearing(model_type)
        inputs, other = (heard.encode([([tone(pitch)], _SHORT)]) for pitch in (440, 660))
        changes = _changes(heard.model, inputs, other)
    except Exception as error:  # whatever a family's classes do with tiny numbers
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return AudioOutcome(model_type, cls, "unbuildable", reason=AUDIO_REASONS.get(model_type, said))
    if not changes:
        return AudioOutcome(model_type, cls, "unbuildable", reason="another sound changes no logit of the tiny model")
    return _examined(model_type, cls, heard, inputs, other)


def _examined(
    model_type: str, cls: str, heard: Hearing, inputs: dict[str, Tensor], other: dict[str, Tensor]
) -> AudioOutcome:
    forced = _forced(heard, inputs)
    try:
        lens = LogitLens(heard.model, inputs)
        deviation, note = compare(lens, inputs)
    except LensError as error:
        return AudioOutcome(model_type, cls, "refused", reason=AUDIO_REASONS.get(model_type, str(error)), **forced)
    locator = SoundTokenLocator(heard.model, heard.processor)
    problem = wrong_positions(heard.model, locator, inputs, other)
    located = locator.locate(np.asarray(inputs["input_ids"][0].tolist()), 1)
    return AudioOutcome(
        model_type,
        cls,
        "exact",
        deviation,
        _bitwise(lens, inputs),
        _one_off(lens, inputs),
        **forced,
        forced_layers=_forced_layers(lens, inputs) if forced["forced"] != REFUSED else None,
        processor=heard.reason or "own",
        sound_tokens=0 if problem else len(located),
        reason="; ".join(filter(None, (NOTES.get(model_type), note, problem and f"sound tokens: {problem}"))),
    )


@torch.no_grad()
def _changes(model: Any, inputs: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    first, second = (model(**each).logits[:, -1] for each in (inputs, other))
    return not torch.allclose(first, second, atol=1e-6)


def _forced(heard: Hearing, inputs: dict[str, Tensor]) -> dict[str, Any]:
    """The prompt, three prompts of unequal lengths, two sounds in one prompt."""
    forcing = prove_forcing(heard.model, inputs)
    if forcing.way is None:
        return {"forced": REFUSED}
    texts = (_SHORT, _LONG, _LONGER)
    cases = {
        A_PROMPT: [([tone(440)], _SHORT)],
        A_BATCH: [([tone(300 + 90 * number)], text) for number, text in enumerate(texts)],
        TWO_SOUNDS: [([tone(440), tone(660)], _SHORT)],
    }
    worst, named = 0.0, []
    for name, prompts in cases.items():
        try:
            encoded = heard.encode(prompts)
        except Exception:  # whatever a processor says to several sounds
            continue
        found = compared(forcing, encoded)
        if found is not None:
            worst = max(worst, found)
            named.append(name)
    return {"forced": forcing.way, "forced_deviation": worst, "forced_inputs": tuple(named)}


@torch.no_grad()
def _forced_layers(lens: LogitLens, inputs: dict[str, Tensor]) -> float:
    """Each layer of a forced run against the same layer of the generation of the same tokens."""
    traced = lens.generate(inputs, max_new_tokens=_NEW_TOKENS)
    tokens = traced.sequences[:, -_NEW_TOKENS:]
    forced = lens.forcing.run(inputs, tokens, _NEW_TOKENS, lens.layer_index).residual
    assert forced is not None
    worst = max(
        deviation_of(ours, theirs)
        for step in range(_NEW_TOKENS)
        for ours, theirs in zip(lens.logits(forced[:, 0, step]), lens.logits(traced.residual(0, step)), strict=True)
    )
    if worst > TOLERANCE:
        raise WrongReadoutError(f"{lens.parts.model_class}: a layer of a forced run is off by {worst:.2e} of its range")
    return worst


@torch.no_grad()
def _bitwise(lens: LogitLens, inputs: dict[str, Tensor]) -> bool:
    """The last block's output at all positions, through the norm and head that the lens found, against the logits."""
    kept: list[Tensor] = []

    def keep(module: Any, args: Any, output: Any) -> None:
        kept.append(output[0] if isinstance(output, tuple) else output)

    handle = lens.parts.layers[-1].register_forward_hook(keep)
    try:
        theirs = lens.model(**inputs).logits
    finally:
        handle.remove()
    normed = kept[-1] if lens.parts.norm is None else lens.parts.norm(kept[-1])
    return torch.equal(lens.transform(lens.parts.head(normed)), theirs)


@torch.no_grad()
def _one_off(lens: LogitLens, inputs: dict[str, Tensor]) -> float:
    plain = lens.model.generate(**inputs, max_new_tokens=_NEW_TOKENS, output_logits=True, return_dict_in_generate=True)
    traced = lens.generate(inputs, max_new_tokens=_NEW_TOKENS)
    found = [
        deviation_of(lens._exact(traced.residual(0, step)[-1]), plain.logits[step + 1][0])
        for step in range(len(plain.logits) - 1)
    ]
    if min(found) <= TOLERANCE:
        raise WrongReadoutError(f"{lens.parts.model_class}: the readout of a step is also that of the next one")
    return min(found)

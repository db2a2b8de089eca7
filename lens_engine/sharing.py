"""What a user may ask a model not to compute twice, where it is proven to lead to the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image, ImageOps

from lens_models import Forcing, ForcingError, InputError, LensArgumentError
from lens_models.example_input import example_batch, example_image
from lens_models.forcing import sharing_prefill
from lens_models.interventions import Intervention
from lens_models.peft_adapters import model_itself
from lens_models.shared_prefix import SharedPrefix, prefix_problem
from lens_models.shared_vision import SharedVision, prove_shared_vision

from .media import Media
from .prompts import about

__all__ = ["shared_prefill", "shared_prefix", "shared_vision"]

_PICTURES = (((64, 64), "Is there a cat?"), ((128, 64), "Is there a cat?"), ((64, 64), "What is this?"))


def shared_prefill(forcing: Forcing, example: Any, interventions: Sequence[Intervention]) -> Forcing:
    """How given tokens are scored when all continuations of a prompt share the pass over it.

    Args:
        forcing: how they are scored without that.
        example: an encoded prompt with a picture.
        interventions: what is changed in every run of the model.

    Raises:
        LensArgumentError: the model does not do it, or is changed.
    """
    _require_unchanged("lens_one_prefill", interventions)
    try:
        return sharing_prefill(forcing, example)
    except ForcingError as error:
        raise LensArgumentError(f"lens_one_prefill=True: {error}") from error


@torch.inference_mode()
def shared_prefix(
    model: Any, processor: Any, interventions: Sequence[Intervention], *, looks_at_images: bool
) -> SharedPrefix:
    """What lets prompts go on from the beginning that they share with the one before.

    Args:
        model: in eval mode.
        processor: its own, with a chat template.
        interventions: what is changed in every run of the model.
        looks_at_images: probes look at the image tokens of each prompt.

    Raises:
        LensArgumentError: the model does not do it or is changed, or there are such probes.
    """
    _require_unchanged("lens_shared_prefix", interventions)
    if looks_at_images:
        raise LensArgumentError(
            "lens_shared_prefix=True with probes that look at the image tokens: those do not run again; leave one of "
            "them out"
        )
    first, other, again = (
        about(processor, Media((Image.new("RGB", size, "grey"),)), question).to(model.device, model.dtype)
        for size, question in _PICTURES
    )
    problem = prefix_problem(model, (first, other, again))
    if problem is not None:
        raise LensArgumentError(f"lens_shared_prefix=True: {type(model_itself(model)).__name__}: {problem}")
    return SharedPrefix(model)


@torch.inference_mode()
def shared_vision(model: Any, processor: Any) -> SharedVision:
    """What encodes each picture once, also within and across batches.

    Interventions change a decoder, or give its encoder other pictures: both are the same beside it.

    Args:
        model: in eval mode.
        processor: its own.

    Raises:
        LensArgumentError: the model does not do it.
    """
    first = example_image(64)
    others = (first.rotate(90).resize((128, 64)), ImageOps.invert(first))
    try:
        together, turned = (
            example_batch(processor, pictures).to(model.device, model.dtype)
            for pictures in ((first, *others, first), (others[1], first, others[0]))
        )
        return prove_shared_vision(model, together, turned)
    except (InputError, LensArgumentError) as error:
        raise LensArgumentError(f"lens_shared_vision=True: {type(model_itself(model)).__name__}: {error}") from error


def _require_unchanged(argument: str, interventions: Sequence[Intervention]) -> None:
    if interventions:
        raise LensArgumentError(
            f"{argument}=True with lens_intervene: what an intervention makes of a pass over a prompt is not given "
            "again; leave one of them out"
        )

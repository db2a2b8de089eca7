"""Load a model as its arguments say and put an engine around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accelerate import Accelerator

from lens_models import LensSettings, LoadedModel, load_model
from lens_models.interventions import Intervention
from lens_models.loading import resolve_pretrained

from .description import ModelOfRun
from .model_arguments import ModelArguments
from .options import LensOptions
from .placement import Placement, place
from .prompts import ProcessorPrompts
from .recording import Log
from .session import Session
from .transformers_engine import TransformersEngine

__all__ = ["OpenedModel", "open_model", "reading_engine"]


@dataclass(frozen=True)
class OpenedModel:
    """A loaded model with its engine, and the session that puts requests to it."""

    engine: TransformersEngine
    session: Session
    loaded: LoadedModel
    placement: Placement
    options: LensOptions

    @property
    def model_of_run(self) -> ModelOfRun:
        """What the records say of it; the engine has a lens."""
        assert self.engine.lens is not None
        path = resolve_pretrained(self.loaded.name_or_path)
        return ModelOfRun(
            self.engine.lens,
            self.options,
            self.loaded.processor,
            self.loaded.name_or_path,
            path,
            self.loaded.revision,
            self.placement.rank,
            self.engine.interventions,
        )


def open_model(
    arguments: ModelArguments,
    options: LensOptions,
    log: Log,
    interventions: Sequence[Intervention] = (),
    *,
    encode_once: bool = False,
) -> OpenedModel:
    """Load the checkpoint, prove the lens, and answer prompts as the checkpoint's processor encodes them.

    `encode_once` is the engine's.

    Raises:
        LensArgumentError, ModelLoadError, PartsError, IdentityError: see `lens_models.errors`.
    """
    placement = place(Accelerator(), arguments)
    loaded = load_model(
        arguments.pretrained,
        dtype=arguments.dtype,
        device=placement.device,
        device_map=placement.device_map,
        attn_implementation=arguments.attn_implementation,
        revision=arguments.revision,
        trust_remote_code=arguments.trust_remote_code,
        allow_pickle=arguments.allow_pickle,
        peft=arguments.peft,
        quantisation=arguments.quantisation,
        processor_kwargs=arguments.processor_arguments,
    )
    model: Any = loaded.model
    prompts = ProcessorPrompts(model, loaded.processor, use_cache=arguments.use_cache, warn=log.warning)
    settings = options.settings if options.enabled else None
    changes = (*options.interventions, *interventions)
    engine = TransformersEngine(
        model,
        loaded.processor,
        prompts,
        settings,
        interventions=changes,
        encode_once=encode_once,
        one_prefill=options.one_prefill,
        shared_prefix=options.shared_prefix,
        shared_vision=options.shared_vision,
        log=log,
    )
    return OpenedModel(engine, Session(engine, arguments.batch_size), loaded, placement, options)


def reading_engine(loaded: LoadedModel, log: Log, probes: Sequence[str] = ()) -> TransformersEngine:
    """An engine with the logit lens and probes around a loaded model, whose processor encodes the prompts.

    Raises:
        PartsError, IdentityError, CaptureError: see `lens_models.errors`.
    """
    prompts = ProcessorPrompts(loaded.model, loaded.processor, use_cache=True, warn=log.warning)
    return TransformersEngine(loaded.model, loaded.processor, prompts, LensSettings(probes=tuple(probes)))

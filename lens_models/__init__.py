"""The logit lens for vision-language models: capture, exact readout, identity check, metrics.

    loading, peft_adapters, quantised       load a checkpoint
    encoding, example_input, video/         conversations, images and videos as model inputs
    parts, architectures, placement         decoder layers, final norm and head: which they are, where they compute
    unembed, transforms, head_positions     from a residual to logits, as the model does it
    identity, comparison, chain, deviation  proof that the last layer's readout is the model's own logits
    generation, probes/, interventions      `generate` while probes observe and interventions change it
    forced_run, first_pass, forcing         how tokens are given to a model; one pass over a prompt for several
    encoded_media, shared_vision,           pictures that were encoded before, as whole calls or one by one
      encoder_calls
    shared_prefix                           keys and values of the beginning that two prompts share
    continuations                           given tokens scored as the model's own generation (teacher forcing)
    lens, readout*, distributions           the lens: quantities of each layer at chosen positions
    lenses/                                 logit, tuned and Jacobian lens: how a layer becomes what the last one is
    image_tokens/, attention/               where the image tokens lie in sequence and picture; what attention looks at
    candidates, alignment                   candidates in tokens; from a character to its generated token
    metrics/                                scalars of one sample's layers
    definition, memory, shadowing, errors   a model's definition; memory; other attributes for a while; exceptions

Importing this package loads torch and transformers, registers nothing and touches no network.
"""

from .architectures import LayoutRule, add_layout_rule
from .comparison import IdentityReport
from .errors import (
    CaptureError,
    ForcingError,
    IdentityError,
    InputError,
    LensArgumentError,
    LensError,
    LensFileError,
    MaskingError,
    ModelLoadError,
    NotMultimodalError,
    PartsError,
    SampleTooLargeError,
    StepNotKeptError,
    UnknownModelError,
)
from .example_input import example_inputs
from .forcing import Forcing, prove_forcing
from .generation import TracedGeneration, generate_with_trace
from .identity import prove_identity
from .lens import LensSettings, LogitLens
from .loading import LENS_TINY, LoadedModel, load_model
from .parts import ModelParts, find_parts
from .readout import Readout, ReadoutRow, read_layers
from .transforms import LogitTransform, observe_transform
from .unembed import Unembedding

__all__ = [
    "LENS_TINY",
    "CaptureError",
    "Forcing",
    "ForcingError",
    "IdentityError",
    "IdentityReport",
    "InputError",
    "LayoutRule",
    "LensArgumentError",
    "LensError",
    "LensFileError",
    "LensSettings",
    "LoadedModel",
    "LogitLens",
    "LogitTransform",
    "MaskingError",
    "ModelLoadError",
    "ModelParts",
    "NotMultimodalError",
    "PartsError",
    "Readout",
    "ReadoutRow",
    "SampleTooLargeError",
    "StepNotKeptError",
    "TracedGeneration",
    "Unembedding",
    "UnknownModelError",
    "add_layout_rule",
    "example_inputs",
    "find_parts",
    "generate_with_trace",
    "load_model",
    "observe_transform",
    "prove_forcing",
    "prove_identity",
    "read_layers",
]

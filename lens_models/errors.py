"""The exceptions of the lens.

LensError
├── ModelLoadError          the checkpoint cannot be loaded
│   ├── UnknownModelError   no such folder, and no such repository at hand
│   └── NotMultimodalError  the checkpoint is not an image-text-to-text model
├── PartsError              decoder layers, final norm or output embedding were not found
├── IdentityError           the last layer's readout is not the model's own output
├── CaptureError            a run gave other shapes than one residual per layer, row and step
│   ├── ForcingError        given tokens cannot be scored as the model's own generation
│   └── StepNotKeptError    the step lies in the middle of a long generation, whose residuals were let go
├── SampleTooLargeError     one sample alone needs more memory than there is
├── InputError              an image, video or prompt cannot be encoded
├── LensFileError           a learnt lens cannot be read, is of another model, or is worse than the logit lens
└── LensArgumentError       a lens setting has a wrong name or value
"""

from __future__ import annotations

__all__ = [
    "CaptureError",
    "ForcingError",
    "IdentityError",
    "InputError",
    "LensArgumentError",
    "LensError",
    "LensFileError",
    "ModelLoadError",
    "NotMultimodalError",
    "PartsError",
    "SampleTooLargeError",
    "StepNotKeptError",
    "UnknownModelError",
]


class LensError(Exception):
    """Base of all errors raised by `lens_models`."""


class ModelLoadError(LensError):
    """A checkpoint cannot be loaded."""


class UnknownModelError(ModelLoadError):
    """The name is neither a local model folder nor a repository that can be reached."""


class NotMultimodalError(ModelLoadError):
    """The checkpoint's architecture takes no images."""


class PartsError(LensError):
    """Decoder layers, final norm or output embedding of a model were not found."""


class IdentityError(LensError):
    """The readout of the last layer differs from the model's own logits."""


class CaptureError(LensError):
    """A forward or generate call did not give one residual per layer, row and step."""


class StepNotKeptError(CaptureError):
    """The residuals of a step in the middle of a long generation were let go, to bound the memory."""


class MaskingError(LensError, RuntimeError):
    """Masking the image tokens of a model does not take the picture away from it."""


class ForcingError(CaptureError):
    """Given tokens cannot be scored the way the model generates them."""


class SampleTooLargeError(LensError):
    """One sample alone, without others in its batch, needs more memory than there is."""


class InputError(LensError):
    """An image, video or prompt cannot be encoded for the model."""


class LensFileError(LensError):
    """A learnt lens cannot be read, belongs to another model, or is refused by its quality."""


class LensArgumentError(LensError, ValueError):
    """A lens setting has an unknown name or a wrong value."""

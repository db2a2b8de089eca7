"""A sound as it is given: its samples, their rate, and where they came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["Sound"]


@dataclass(frozen=True)
class Sound:
    """One channel of sound.

    Attributes:
        samples: `[n]`, fp32, at full scale from -1 to 1.
        rate: samples a second.
        source: name of the file, or a digest of its content; None for samples that came without a file.
    """

    samples: npt.NDArray[np.float32] = field(repr=False)
    rate: int
    source: str | None = None

    @property
    def duration(self) -> float:
        """How long it lasts, in seconds."""
        return len(self.samples) / self.rate

    def at_rate(self, rate: int) -> npt.NDArray[np.float32]:
        """The samples at another rate, fp32; as they are where it is the sound's own.

        By soxr at high quality, as librosa resamples, and with it lmms-eval's wrappers of audio models.
        """
        if rate == self.rate:
            return self.samples
        import soxr

        n = int(np.ceil(len(self.samples) * rate / self.rate))
        made = np.asarray(soxr.resample(self.samples, self.rate, rate, quality="HQ"), dtype=np.float32)[:n]
        return np.pad(made, (0, n - len(made)))

    @cached_property
    def sha256(self) -> str:
        """Digest of the samples and their rate; not of the name of the file."""
        digest = hashlib.sha256(f"{self.rate} {len(self.samples)} ".encode())
        digest.update(np.ascontiguousarray(self.samples).data)
        return digest.hexdigest()

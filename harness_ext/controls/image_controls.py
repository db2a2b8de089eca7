"""The controls of a run: which images each sample is read under again, what came of it and what it cost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness_ext.recording.controlled import Controlled, ControlReading, ReadAgain
from harness_ext.recording.request import Images, SampleRequest, image_digest
from lens_results.fingerprint import digest_of

from .blank import blank_images
from .lender import ImageLender, Loan
from .randomness import unchanged_randomness

__all__ = ["CONTROL_NAMES", "ImageControls", "joined_costs"]

BLANK, SHUFFLED = "blank", "shuffled"
CONTROL_NAMES: tuple[str, ...] = (BLANK, SHUFFLED)
"""All controls, in the order in which they are read."""


class _NotPossibleError(Exception):
    """A sample cannot be read under a control; args are the status and the reason."""


@dataclass
class ControlCost:
    """What a control took beside the run itself.

    Attributes:
        samples: samples read under it.
        forward_passes: calls of the model.
        seconds: wall-clock time for choosing and loading images, encoding, the model and the readout.
    """

    samples: int = 0
    forward_passes: int = 0
    seconds: float = 0.0


class ImageControls:
    """Reads each sample again under a blank image, another document's image, or both, without generating again.

    An answer is already given when its sample comes here, so nothing that fails here stops a run: it becomes the
    control's status in the record, and `failures` counts it.

    Args:
        names: out of `CONTROL_NAMES`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        asked = set(names)
        self.names = tuple(name for name in CONTROL_NAMES if name in asked)
        self.failures: Counter[tuple[str, str]] = Counter()
        self._costs = {name: ControlCost() for name in self.names}
        self._lenders: dict[tuple[str, str | None], ImageLender] = {}

    @property
    def costs(self) -> dict[str, dict[str, Any]]:
        """Control -> samples, forward_passes, seconds of this process so far."""
        return {name: asdict(cost) for name, cost in self._costs.items()}

    def skipped(self) -> Controlled:
        """What is recorded of the controls of a sample that was not read itself."""
        reason = "the sample itself has no readout to compare with"
        return Controlled(
            status=dict.fromkeys(self.names, "not_run"),
            reason=dict.fromkeys(self.names, reason),
            scalars=self._gain(None),
        )

    def read(self, request: SampleRequest, again: ReadAgain) -> Controlled:
        """Read a sample under each control."""
        found = Controlled(scalars=self._gain(None))
        for name in self.names:
            started = time.perf_counter()
            try:
                with unchanged_randomness():
                    reading = again(self._images(name, request, found))
            except _NotPossibleError as why:
                found.source.pop(name, None)
                found.status[name], found.reason[name] = why.args
                continue
            except Exception as error:  # the answer is given; what a control alone cannot do is told in its status
                reason = f"{type(error).__name__}: {error}"
                found.status[name], found.reason[name] = "failed", reason
                self.failures[name, reason] += 1
                continue
            finally:
                self._costs[name].seconds += time.perf_counter() - started
            self._take(found, name, reading)
        return found

    def _take(self, found: Controlled, name: str, reading: ControlReading) -> None:
        self._costs[name].samples += 1
        self._costs[name].forward_passes += reading.passes
        found.status[name] = reading.status
        if reading.reason is not None:
            found.reason[name] = reading.reason
        if reading.arrays:
            found.arrays[name] = reading.arrays
        if name == BLANK:
            found.scalars = self._gain(reading.visual_gain)

    def _gain(self, value: float | None) -> dict[str, float | None]:
        return {"visual_gain": value} if BLANK in self.names else {}

    def borrowed(self, request: SampleRequest) -> str | None:
        """What the request's record hangs on beside its own sample: digest of the images that another document lends.

        None where there is no control with such images.
        """
        if SHUFFLED not in self.names or not request.images or request.other_media is not None:
            return None
        return _lent_digest(self._loan(request))

    def _loan(self, request: SampleRequest) -> Loan | None:
        if request.documents is None:
            return None
        return self._lender(request).lend(request.key[1], request.images, request.target.cluster)

    def _images(self, name: str, request: SampleRequest, found: Controlled) -> Images:
        if request.other_media is not None:
            raise _NotPossibleError("not_run", f"the prompt has {request.other_media}; controls replace images alone")
        if not request.images:
            raise _NotPossibleError("no_image", "the prompt has no image")
        if name == BLANK:
            return blank_images(request.images)
        loan = self._loan(request)
        found.borrowed = _lent_digest(loan)
        if loan is None:
            raise _NotPossibleError(
                "no_other_image", "no other document of the split has another image and another cluster"
            )
        found.source[name] = loan.doc_id
        return loan.images

    def _lender(self, request: SampleRequest) -> ImageLender:
        assert request.documents is not None
        key = (request.key[0], request.split)
        if key not in self._lenders:
            self._lenders[key] = ImageLender(request.key[0], request.documents)
        return self._lenders[key]


def _lent_digest(loan: Loan | None) -> str:
    return "none" if loan is None else digest_of([loan.doc_id, *image_digest(loan.images)])


def joined_costs(costs: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The costs of all processes together; seconds are added, so that they are those of one process alone."""
    total: dict[str, dict[str, Any]] = {}
    for each in costs:
        for name, cost in each.items():
            own = total.setdefault(name, dict.fromkeys(cost, 0))
            for what, value in cost.items():
                own[what] += value
    return total

"""Interventions that know which positions of a prompt stand for pictures or videos."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

from .host import Host
from .model_output import LogitIntervention

__all__ = ["PictureIntervention"]

Made = TypeVar("Made", bound="PictureIntervention")


@dataclass(frozen=True)
class PictureIntervention(LogitIntervention):
    """Is told by the model where pictures stand, and reads no layers unless it says so.

    Attributes:
        media_ids: see `Host`; none before `bound`.
    """

    media_ids: tuple[tuple[int, ...], ...] = field(default=(), repr=False, kw_only=True)

    def layers(self, n_layers: int) -> tuple[int, ...]:
        """See `LogitIntervention`: none."""
        return ()

    def require(self, host: Host) -> None:
        """Make sure that the model has what is needed: an attention to pictures that is read exactly in every layer.

        Raises:
            LensArgumentError: it does not.
        """
        host.require_pictures(self.name)

    def bound(self: Made, host: Host) -> Made:
        """See `LogitIntervention`.

        Raises:
            LensArgumentError: see `require`.
        """
        self.require(host)
        return replace(super().bound(host), media_ids=host.media_ids)

"""How good a learnt lens is on data that it was not learnt on, and whether that is better than the logit lens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["ANSWER", "LEAST_CLUSTERS", "Divergences", "HeldOut", "problem_of"]

ANSWER = "answer"
"""Positions that predict a token of the model's own answer; they are text, and mapped as text."""
LEAST_CLUSTERS = 20
"""Pictures (or texts) below which nothing is said of a lens."""


@dataclass(frozen=True)
class Divergences:
    """KL(last layer || layer), mean over positions of one kind, in nats.

    Attributes:
        positions: how many there are.
        lens: by layer, read by the lens.
        logit: by layer, read by the logit lens.
        error: by layer, the standard error of the difference of the two, with positions of one picture as one cluster;
            None of a single picture.
    """

    positions: int
    lens: tuple[float, ...]
    logit: tuple[float, ...]
    error: tuple[float, ...] | None


@dataclass(frozen=True)
class HeldOut:
    """Divergences of a lens by kind of position: `answer`, `text` (the rest of it) and `image`.

    Attributes:
        data: what they were measured on, in words.
        clusters: how many pictures (texts, where there is no picture) were looked at.
        dtype: in which the model ran.
        layers: the layers they are given for, rising.
        by_kind: kind of position -> divergences.
    """

    data: str
    clusters: int
    dtype: str
    layers: tuple[int, ...]
    by_kind: Mapping[str, Divergences] = field(repr=False)

    def worse(self, kind: str, layers: Sequence[int]) -> list[int]:
        """Those of the layers whose mean divergence is larger by the lens than by the logit lens."""
        found = self.by_kind[kind]
        by_layer = dict(zip(self.layers, zip(found.lens, found.logit, strict=True), strict=True))
        # a NaN is no smaller divergence
        return [layer for layer in layers if layer in by_layer and not by_layer[layer][0] <= by_layer[layer][1]]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> HeldOut:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: the value is something else.
        """
        by_kind = {
            str(kind): Divergences(
                int(own["positions"]),
                tuple(map(float, own["lens"])),
                tuple(map(float, own["logit"])),
                None if own["error"] is None else tuple(map(float, own["error"])),
            )
            for kind, own in value["by_kind"].items()
        }
        layers = tuple(map(int, value["layers"]))
        for found in by_kind.values():
            if {len(layers)} != {len(found.lens), len(found.logit), len(found.error or layers)}:
                raise ValueError(f"divergences of {len(found.lens)} layers; expected {len(layers)}")
        return cls(str(value["data"]), int(value["clusters"]), str(value["dtype"]), layers, by_kind)


def problem_of(held_out: HeldOut | None, kind: str, layers: Sequence[int]) -> str | None:
    """Why nothing may be claimed from what a lens reads at positions of one kind; None when something may.

    Args:
        held_out: its quality; None where it was not measured.
        kind: answer, text or image.
        layers: the layers that are read; the last one, which no lens changes, does not matter.
    """
    if held_out is None:
        return "its divergence from the last layer was not measured on held-out data"
    if kind not in held_out.by_kind:
        return f"its divergence from the last layer was not measured at {kind} positions"
    if held_out.clusters < LEAST_CLUSTERS:
        return f"it was measured on {held_out.clusters} pictures or texts; expected {LEAST_CLUSTERS}"
    if missing := [layer for layer in layers[:-1] if layer not in held_out.layers]:
        return f"its divergence from the last layer was not measured at layer {_listed(missing)}"
    if worse := held_out.worse(kind, layers):
        return (
            f"on held-out data its readout at {kind} positions is farther from the last layer than that of the logit "
            f"lens at layer {_listed(worse)}"
        )
    return None


def _listed(layers: Sequence[int]) -> str:
    return ", ".join(map(str, layers))

"""Why a model type is refused or cannot be built here, where the error alone would not tell a reader."""

from __future__ import annotations

__all__ = ["REASONS"]

_STREAMS = (
    "its layers carry several parallel residual streams (hyper-connections: [batch, sequence, streams, d]) that are "
    "mixed only at the end, so no single vector is what the final norm reads"
)

REASONS: dict[str, str] = {
    "evolla": "it takes protein sequences and no image; AutoModelForImageTextToText does not accept its configuration",
    "glm5_next": _STREAMS,
    "pi0": "a robot policy: it takes a state and gives actions, no next-token logits",
}

"""`Fingerprint`: everything that could change an answer or a readout; equal, or the parts that differ are named.

The run part is the same for every sample of a run and is stored with its description (`RunInfo.fingerprint`: part ->
JSON value); the sample part is stored with each record (`SampleRecord.fingerprint`: part -> digest). Where and how fast
a run was made (device, batch size, number of processes, `--limit`) is no part of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ANSWER_PARTS", "Fingerprint", "canonical", "differing_parts", "digest_of"]

ANSWER_PARTS = ("prompt", "media", "generation")
"""Sample parts that can change the answer; the others (`target`, `task`) change what is made of it."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def canonical(value: Any) -> str:
    """A value as JSON that does not depend on the order of keys; what JSON does not know is its `str`, without an
    address in memory."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=lambda other: _ADDRESS.sub("", str(other)))


def digest_of(value: Any) -> str:
    """16 hex digits of the SHA-256 of `canonical(value)`."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True)
class Fingerprint:
    """The definition of one record.

    Attributes:
        run: part -> JSON value, the same for all samples of a run.
        sample: part -> digest.
    """

    run: Mapping[str, Any] = field(default_factory=dict)
    sample: Mapping[str, str] = field(default_factory=dict)


def differing_parts(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the parts that differ, in order; `part.entry` where two parts with entries differ in some of them.

    A definition that was not recorded (empty) differs from every other, by the name "no fingerprint".
    """
    if not one or not other:
        return ("no fingerprint",)
    found: list[str] = []
    for name in sorted(one.keys() | other.keys()):
        a, b = one.get(name), other.get(name)
        if canonical(a) == canonical(b):
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            entries = sorted(key for key in a.keys() | b.keys() if canonical(a.get(key)) != canonical(b.get(key)))
            found += [f"{name}.{entry}" for entry in entries]
        else:
            found.append(name)
    return tuple(found)

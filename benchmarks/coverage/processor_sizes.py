"""What the rules of `processors` cannot guess, by model type."""

from __future__ import annotations

from typing import Any

__all__ = ["CLASSES", "IMAGES", "PLACEHOLDERS", "SETTINGS", "TOKENS"]

CLASSES: dict[str, dict[str, str]] = {}
"""Classes of a processor's parts where transformers maps none to the type."""

IMAGES: dict[str, dict[str, Any]] = {}
"""Arguments of the image processor."""

SETTINGS: dict[str, dict[str, Any]] = {}
"""Arguments of the processor."""

TOKENS: dict[str, dict[str, str]] = {}
"""Special tokens by the attribute that the processor asks its tokenizer for."""

PLACEHOLDERS: dict[str, str] = {}
"""What stands for a picture in a prompt."""

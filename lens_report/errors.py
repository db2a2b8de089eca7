"""What this package raises on purpose."""

from __future__ import annotations


class ReportError(Exception):
    """Nothing to report on: no readable run among the paths. The message says what was found at each of them."""

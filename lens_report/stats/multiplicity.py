"""Several tests at once: Holm's correction over the listed scalars. For curves over layers see `max_t`."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["holm"]


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Holm-adjusted p-values (Holm 1979); tests without a p-value stay without one and do not count.

    The family is all tests that were run, whatever came of them: pass every metric that was listed beforehand. Of m
    tests the k-th smallest p-value is multiplied by m - k + 1, and none is adjusted to less than a smaller one.
    """
    found: dict[str, float | None] = dict.fromkeys(p_values)
    tested = sorted(((value, name) for name, value in p_values.items() if value is not None), key=lambda one: one[0])
    highest = 0.0
    for place, (value, name) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - place) * value))
        found[name] = highest
    return found

"""Several tests at once: Holm's correction over the listed scalars. For curves over layers see `max_t`."""

from __future__ import annotations

from collections.abc import Mapping

from statsmodels.stats.multitest import multipletests


def holm(p_values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Holm-adjusted p-values; tests without a p-value stay without one and do not count.

    The family is all tests that were run, whatever came of them: pass every metric that was listed beforehand.
    """
    tested = {name: value for name, value in p_values.items() if value is not None}
    if not tested:
        return dict.fromkeys(p_values)
    adjusted = multipletests(list(tested.values()), method="holm")[1]
    found = dict(zip(tested, (float(value) for value in adjusted), strict=True))
    return {name: found.get(name) for name in p_values}

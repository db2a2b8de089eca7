"""Columns of a frame with one row a sample as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def numbers(column: pd.Series) -> NDArray[np.float64]:
    """float [n] of a column of numbers, booleans or missing values; NaN for a missing or infinite value."""
    if column.dtype in (object, bool, "boolean"):
        column = column.astype("boolean").astype("Float64")
    values = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def strata_labels(frame: pd.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    """int [n]: one code for each combination of the columns' values that occurs; a missing value is a value."""
    if not columns:
        return np.zeros(len(frame), dtype=np.int64)
    codes = frame.groupby(list(columns), dropna=False, observed=True, sort=False).ngroup()
    return np.asarray(codes, dtype=np.int64)

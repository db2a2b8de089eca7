"""Normalise and check the values of a record: what was found, what was expected, what to do."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lens_results.errors import InvalidRecordError

Array = npt.NDArray[Any]
Converter = Callable[[str, Any], Any]


def text(value: str) -> str:
    """`value` with lone surrogates, which UTF-8 cannot hold, replaced by U+FFFD."""
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def texts(values: Iterable[str]) -> tuple[str, ...]:
    """A tuple of `text(value)`; a bare string is refused because it would become its letters."""
    if isinstance(values, str):
        raise InvalidRecordError(f"Found the string {values!r}, expected a tuple of strings. Write ({values!r},).")
    return tuple(text(value) for value in values)


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise `InvalidRecordError` with a suggestion unless `value` is one of `allowed`."""
    if value in allowed:
        return
    near = difflib.get_close_matches(str(value), allowed, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise InvalidRecordError(f"{name}: found {value!r}, expected one of {', '.join(allowed)}.{hint}")


def array(name: str, value: Any, dtype: type[np.generic], ndim: tuple[int, ...]) -> Array:
    """A read-only copy of `value` as `dtype` with a dimension count in `ndim`; NaN and infinity are refused."""
    found = np.asarray(value)
    if found.ndim not in ndim:
        wanted = " or ".join(str(n) for n in ndim)
        raise InvalidRecordError(
            f"{name}: found shape {found.shape}, expected {wanted} dimension(s) with the layers first."
        )
    if found.dtype.kind not in "fiub":
        raise InvalidRecordError(f"{name}: found dtype {found.dtype}, expected numbers.")
    if not np.isfinite(found).all():
        bad = int(np.argwhere(~np.isfinite(found))[0][0])
        raise InvalidRecordError(
            f"{name}: found {found[bad]} at row {bad}, expected finite numbers. "
            "Store the sample with status='non_finite', a reason and no arrays."
        )
    out = np.array(found, order="C") if found.dtype == dtype else _converted(name, found, np.dtype(dtype))
    out.setflags(write=False)
    return out


def _converted(name: str, found: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        out = np.array(found, dtype=dtype, order="C")
    if dtype.kind == "i" and not np.array_equal(out, found):
        raise InvalidRecordError(f"{name}: found values that are not {dtype.name}, expected whole numbers.")
    if not np.isfinite(out).all():
        raise InvalidRecordError(f"{name}: found values beyond the range of {dtype.name}.")
    return out


def whole(name: str, value: Any, bits: int = 32) -> int:
    """`value` as an integer that the column can hold."""
    out = int(value)
    if not -(2 ** (bits - 1)) <= out < 2 ** (bits - 1):
        raise InvalidRecordError(f"{name}: found {out}, expected an integer of {bits} bits.")
    return out


def number(name: str, value: Any) -> float | None:
    """`value` as a float, None kept; NaN and infinity are refused."""
    if value is None:
        return None
    out = float(value)
    if not math.isfinite(out):
        raise InvalidRecordError(f"{name}: found {out}, expected a finite number or None. Store None and say why.")
    return out


def index(name: str, value: int | None, size: int) -> None:
    """Raise unless `value` is None or an index into the `size` candidates."""
    if value is not None and not 0 <= value < size:
        raise InvalidRecordError(f"{name}: found {value}, expected an index into the {size} candidates or None.")


def width(name: str, value: Array | None, expected: int, of: str) -> None:
    """Raise unless a [layers, width] array is as wide as what it lists."""
    if value is not None and value.shape[1] != expected:
        raise InvalidRecordError(
            f"{name}: found shape {value.shape}, expected {expected} columns, one for each of {of}."
        )


def converter(dtype: pa.DataType) -> Converter:
    """(name, value) -> the value as a record holds it in a column of that type; see the functions above for errors."""
    if pa.types.is_map(dtype):
        of_item = converter(dtype.item_type)
        return lambda name, value: {text(str(key)): of_item(f"{name}[{key!r}]", item) for key, item in value.items()}
    if pa.types.is_struct(dtype):
        return partial(_of_struct, {item.name: converter(item.type) for item in dtype})
    if pa.types.is_list(dtype):
        if pa.types.is_string(dtype.value_type):
            return lambda name, value: texts(value)
        of_value = converter(dtype.value_type)
        return lambda name, value: tuple(of_value(name, item) for item in value)
    if pa.types.is_integer(dtype):
        return partial(whole, bits=dtype.bit_width)
    if pa.types.is_floating(dtype):
        return number
    return (lambda name, value: bool(value)) if pa.types.is_boolean(dtype) else (lambda name, value: text(value))


def _of_struct(converters: Mapping[str, Converter], name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with all fields of the column, None where the value has none; a field that it lacks is refused."""
    unknown = sorted(value.keys() - converters.keys())
    if unknown:
        raise InvalidRecordError(f"{name}: found {', '.join(unknown)}, expected fields among {', '.join(converters)}.")
    given = {field: value.get(field) for field in converters}
    return {
        field: None if item is None else converters[field](f"{name}.{field}", item) for field, item in given.items()
    }

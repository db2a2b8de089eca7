"""Columns of arrays are what Arrow itself makes of the same numbers, one Python object each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lens_results.codec import from_table, to_table
from lens_results.ragged import joined, ragged
from lens_results.record import LAYER_QUANTITIES, WIDE_QUANTITIES
from lens_results.schema import SCHEMA

FLAT, WIDE = pa.list_(pa.float32()), pa.list_(pa.list_(pa.int32()))


def array(*shape: int, dtype: Any = np.float32) -> Any:
    return (np.arange(np.prod(shape)).reshape(shape) * 7 % 11).astype(dtype)


@pytest.mark.parametrize(
    ("arrays", "type_"),
    [
        ([], FLAT),
        ([None], FLAT),
        ([None, None], WIDE),
        ([array(3), None, array(5)], FLAT),
        ([None, array(3), array(0), None], FLAT),
        ([array(4, 2, dtype=np.int32), None, array(4, 5, dtype=np.int32)], WIDE),
        ([array(1, 1, dtype=np.int32)], WIDE),
        ([array(8)[::2], array(6).reshape(2, 3).T[0]], FLAT),
        ([array(3, 4, dtype=np.int32).T], WIDE),
    ],
)
def test_a_column_is_that_of_the_numbers_one_by_one(arrays: list[Any], type_: Any) -> None:
    found = joined(arrays, type_)
    found.validate(full=True)
    assert found.type == type_
    assert found.to_pylist() == [None if each is None else each.tolist() for each in arrays]
    back = ragged(found)
    for number, each in enumerate(arrays):
        own = back.row(number)
        assert own is None if each is None else np.array_equal(own, each)


def test_a_table_is_that_of_the_records_field_by_field(make_record: Any) -> None:
    rows = [make_record(doc_id=number) for number in range(3)]
    table = to_table(rows)
    assert table.schema == SCHEMA
    for name in (*LAYER_QUANTITIES, *WIDE_QUANTITIES):
        values = [getattr(row, name) for row in rows]
        expected = pa.array([None if each is None else each.tolist() for each in values], type=SCHEMA.field(name).type)
        assert table[name].combine_chunks().equals(expected), name
    assert list(from_table(table)) == rows

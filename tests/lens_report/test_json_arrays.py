"""JSON of arrays made by looking cells up: what the encoder makes of the same numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lens_report.presentation.document.safe import json_text
from lens_report.presentation.explorer.json_arrays import LIMIT, joined, number_texts, object_text
from lens_report.presentation.explorer.steps import whole_numbers


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 2), (2, 1, 1), (2, 3, 0), (2, 0)])
@pytest.mark.parametrize("largest", [5.0, 2.0 * LIMIT])
def test_numbers_are_written_as_the_encoder_writes_them(shape: tuple[int, ...], largest: float) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(-largest, largest, shape)
    values[rng.random(shape) < 0.3] = np.nan
    assert number_texts(values, 100) == [json_text(row) for row in whole_numbers(values, 100)]


def test_the_last_numbers_that_are_looked_up() -> None:
    ends = np.array([[-LIMIT + 1.0, LIMIT - 1.0, -0.0, 0.4]])
    assert number_texts(ends, 1) == [f"[{-LIMIT + 1},{LIMIT - 1},0,0]"]


def test_texts_with_any_characters_stay_apart() -> None:
    words = np.array([[[',"', "]"], ["\\", "ы\n"]]], dtype=object)
    cells = np.vectorize(json_text, otypes=[object])(words)
    assert json.loads(joined(cells)[0]) == words[0].tolist()


def test_an_object_leaves_out_what_is_none() -> None:
    assert json.loads(object_text([('a"b', "[1]"), ("c", None)])) == {'a"b': [1]}

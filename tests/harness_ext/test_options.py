from __future__ import annotations

from pathlib import Path

import pytest

from harness_ext.options import LENS_ARGUMENTS, parse_layers, take_lens_options
from lens_models import LensArgumentError


@pytest.mark.parametrize(
    ("value", "layers"),
    [("all", None), (None, None), (7, (7,)), ("7", (7,)), ("0+4-6+24", (0, 4, 5, 6, 24)), ([3, 1, 3], (1, 3))],
)
def test_layers_are_numbers_and_ranges(value: object, layers: tuple[int, ...] | None) -> None:
    assert parse_layers(value) == layers


@pytest.mark.parametrize("value", ["", "1,2", "4-", "a", "-3", "6-4"])
def test_anything_else_is_refused_with_an_example(value: str) -> None:
    with pytest.raises(LensArgumentError, match="lens_layers="):
        parse_layers(value)


def test_lens_arguments_are_taken_out_and_the_rest_is_left() -> None:
    options, rest = take_lens_options({"pretrained": "x", "lens_topk": "3", "lens_dir": "~/r", "lens_m": 4})
    assert rest == {"pretrained": "x"}
    assert options.enabled
    assert options.settings.topk == 3
    assert options.thresholds.m == 4
    assert options.directory == Path.home() / "r"


def test_every_documented_argument_is_accepted() -> None:
    values = {"lens_layers": "1", "lens_norm": "none", "lens_dir": "d", "lens": "False", "lens_thumbnails": "no"}
    values |= {"lens_controls": "shuffled+blank"}
    given = {name: values.get(name, "1") for name in LENS_ARGUMENTS} | {"lens_tau": "0.2", "lens_theta": "0.2"}
    options, rest = take_lens_options(given)
    assert not rest
    assert not options.enabled
    assert not options.thumbnails
    assert options.controls == ("blank", "shuffled")
    assert options.settings.memory_limit == 2**20


@pytest.mark.parametrize(("name", "value"), [("lens_topk", "0"), ("lens_topk", "1.5"), ("lens_theta", "x")])
def test_numbers_out_of_range_are_named(name: str, value: str) -> None:
    with pytest.raises(LensArgumentError, match=f"{name}="):
        take_lens_options({name: value})

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_results import InvalidRecordError, LensInfo, ModelInfo, RecordFormatError, RunInfo, new_run_id

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30)
@given(st.dictionaries(st.text(), plain, max_size=4), st.text())
def test_description_survives_json(args: dict[str, Any], name: str) -> None:
    info = RunInfo(run_id="r1", model=ModelInfo(name, 3), lens=LensInfo((1, 2, 3)), args=args)
    assert RunInfo.from_json(info.to_json()) == info


def test_unknown_keys_are_kept(make_info: Any) -> None:
    written = json.loads(make_info("r1").to_json())
    written["energy_kwh"] = 3
    written["lens"]["tuned"] = {"steps": 5}
    info = RunInfo.from_json(json.dumps(written))
    assert info.extra == {"energy_kwh": 3}
    assert info.lens.extra == {"tuned": {"steps": 5}}
    assert json.loads(info.to_json()) == written


def test_values_json_does_not_know_become_text(make_info: Any) -> None:
    assert RunInfo.from_json(make_info(args={"path": Path("a/b")}).to_json()).args == {"path": str(Path("a/b"))}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "run: found list, expected a JSON object"),
        ("{}", "run: .*missing.*run_id"),
        ('{"run_id": "r", "model": {}, "lens": {"layer_index": [1]}}', "run.model: .*name_or_path"),
    ],
)
def test_damaged_descriptions_are_refused(text: str, message: str) -> None:
    with pytest.raises(RecordFormatError, match=message):
        RunInfo.from_json(text)


@pytest.mark.parametrize("run_id", ["", "a/b", "..", "ключ"])
def test_run_id_must_suit_a_file_name(run_id: str, make_info: Any) -> None:
    with pytest.raises(InvalidRecordError, match="run_id: found"):
        RunInfo(run_id=run_id, model=ModelInfo("m", 1), lens=LensInfo((1,)))


@pytest.mark.parametrize("layers", [(2, 1), (1, 1), (-1, 0)])
def test_layers_must_rise(layers: tuple[int, ...]) -> None:
    with pytest.raises(InvalidRecordError, match="rising indices"):
        LensInfo(layers)


def test_nan_is_refused(make_info: Any) -> None:
    with pytest.raises(InvalidRecordError, match="Store None"):
        make_info(args={"x": float("nan")}).to_json()


def test_run_ids_do_not_repeat() -> None:
    assert len({new_run_id() for _ in range(1000)}) == 1000

"""Two definitions are equal, or the parts that differ are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from built_records import MakeInfo, MakeRecord

from lens_results import Fingerprint, RecordWriter, drop_records, load, merge
from lens_results.fingerprint import canonical, differing_parts, digest_of

RUN = {"dtype": "bfloat16", "processor": {"max_pixels": 1000, "size": [1, 2]}, "adapter": None}


def test_equal_definitions_have_no_differences_after_a_round_through_json() -> None:
    assert differing_parts(RUN, json.loads(json.dumps(RUN))) == ()
    assert differing_parts(RUN, {**RUN, "processor": {"size": (1, 2), "max_pixels": 1000}}) == ()


@pytest.mark.parametrize(
    ("other", "parts"),
    [
        ({**RUN, "dtype": "float32"}, ("dtype",)),
        ({**RUN, "adapter": {"r": 4}}, ("adapter",)),
        ({**RUN, "processor": {"max_pixels": 999}}, ("processor.max_pixels", "processor.size")),
        ({name: RUN[name] for name in ("dtype", "processor")}, ()),  # a part that is None says there is none
        ({**RUN, "seed": 1}, ("seed",)),
        ({}, ("no fingerprint",)),
    ],
)
def test_parts_that_differ_are_named(other: dict[str, object], parts: tuple[str, ...]) -> None:
    assert differing_parts(RUN, other) == differing_parts(other, RUN) == parts


def test_nothing_equals_a_definition_that_was_not_recorded() -> None:
    assert differing_parts({}, {}) == ("no fingerprint",)


def test_objects_count_by_their_text_without_their_address() -> None:
    assert canonical({"b": object(), "a": {1: len}}) == canonical({"a": {1: len}, "b": object()})
    assert digest_of([1, "я"]) != digest_of([1, "Я"])


def test_it_is_stored_with_the_run_and_each_record(
    tmp_path: Path, make_info: MakeInfo, make_record: MakeRecord
) -> None:
    info = make_info("r", fingerprint=RUN)
    with RecordWriter(tmp_path, info) as writer:
        writer.append(make_record(0, fingerprint={"prompt": "1", "media": "2"}))
        writer.append(make_record(1))
    merge(tmp_path, "r")
    run = load(tmp_path)
    found = run.fingerprints
    assert found["pope_mini", 0, 0, 0] == Fingerprint(RUN, {"prompt": "1", "media": "2"})
    assert found["pope_mini", 1, 0, 0] == Fingerprint(RUN, {})
    assert run.samples["fingerprint.prompt"].tolist() == ["1", None]


def test_dropped_records_leave_the_others_and_no_empty_file(
    tmp_path: Path, make_info: MakeInfo, make_record: MakeRecord
) -> None:
    with RecordWriter(tmp_path, make_info("r")) as writer:
        for number in range(3):
            writer.append(make_record(number))
    merge(tmp_path, "r")
    files = load(tmp_path).files
    kept = load(tmp_path).record(("pope_mini", 2))
    drop_records(files, [("pope_mini", 0, 0, 0), ("pope_mini", 1, 0, 0), ("elsewhere", 2, 0, 0)])
    assert list(load(tmp_path).records()) == [kept]
    drop_records([*files, tmp_path / "gone.parquet"], [("pope_mini", 2, 0, 0)])
    assert not list(tmp_path.rglob("*.parquet"))

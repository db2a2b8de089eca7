"""The specification and the schema name the same fields, types and constants."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

import lens_results
from lens_results import schema
from lens_results.record import CONTROL_STATUSES, LAYER_QUANTITIES, STATUSES, WIDE_QUANTITIES, SampleRecord
from lens_results.run_info import HarnessInfo, IdentityInfo, LensInfo, ModelInfo, RunInfo

DOC = (Path(__file__).parents[2] / "docs" / "record-format.md").read_text(encoding="utf-8")


def table_rows(header: str) -> list[list[str]]:
    """Cells of all tables whose first column is called `header`."""
    rows, inside = [], False
    for line in DOC.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        inside = bool(cells) and (inside or cells[0] == header)
        if inside and cells[0] != header and not cells[0].startswith("---"):
            rows.append([cell.replace("\\", "") for cell in cells])
    return rows


def arrow_name(dtype: object) -> str:
    """Arrow's own name of a type without the names and nullability of list elements."""
    return re.sub(r"(element|item): | not null| \('[^)]*'\)", "", str(dtype))


def test_every_field_is_specified_in_order() -> None:
    documented = [(row[0].strip("`"), row[1]) for row in table_rows("field")]
    assert documented == [(field.name, arrow_name(field.type)) for field in schema.SCHEMA]


def test_nullability_is_specified() -> None:
    assert {row[0].strip("`"): row[2] != "never" for row in table_rows("field")} == {
        field.name: field.nullable for field in schema.SCHEMA
    }


def test_schema_and_record_have_the_same_fields() -> None:
    assert {field.name for field in dataclasses.fields(SampleRecord)} == set(schema.SCHEMA.names)
    assert set(LAYER_QUANTITIES + WIDE_QUANTITIES) <= set(schema.SCHEMA.names)


def test_statuses_and_version_are_specified() -> None:
    assert [row[0].strip("`") for row in table_rows("status")] == list(STATUSES)
    assert [row[0].strip("`") for row in table_rows("control status")] == list(CONTROL_STATUSES)
    assert f"Format version **{schema.VERSION}**" in DOC


@pytest.mark.parametrize("part", [RunInfo, HarnessInfo, ModelInfo, LensInfo, IdentityInfo])
def test_every_key_of_the_description_is_specified(part: type) -> None:
    cells = " ".join(cell for row in table_rows("key") for cell in row)
    missing = [f.name for f in dataclasses.fields(part) if f.name != "extra" and f"`{f.name}`" not in cells]
    assert missing == []


def test_metadata_keys_are_specified() -> None:
    keys = {value.decode() for name, value in vars(schema).items() if name.startswith("META_")}
    assert keys == {row[0].strip("`") for row in table_rows("key") if row[0].startswith("`mmlens")}


def test_the_examples_run(tmp_path: Path, make_record: Any, make_info: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = "20260131T120000Z-1f2e3d4c"
    with lens_results.RecordWriter(tmp_path / "runs/pope", make_info(run_id)) as writer:
        writer.append(make_record(0, task="pope"))
    lens_results.merge(tmp_path / "runs/pope", run_id)
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", DOC, flags=re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(example, {})


def test_every_error_stands_in_the_tree() -> None:
    errors = lens_results.errors
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, Exception):
            assert name in (errors.__doc__ or "")
            assert name in lens_results.__all__
            assert issubclass(value, lens_results.LensResultsError)

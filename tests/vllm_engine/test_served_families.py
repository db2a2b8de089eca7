"""Families of models under vLLM: tiny random checkpoints, read exactly and given tokens alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from families import FAMILIES, NOT_GIVEN, NOT_READ, examine
from generate_coverage import FILE, PAGE, table_of

ROWS = {row["model_type"]: row for row in json.loads(FILE.read_text())}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_read_exactly(family: str, tmp_path: Path) -> None:
    found = examine(family, tmp_path)
    assert found.exact, found
    assert found.forced == (family not in NOT_GIVEN), found
    assert found.pictures, found
    assert ROWS[family]["places"] == found.geometry
    assert (ROWS[family]["class"], ROWS[family]["layers"]) == (found.model_class, found.layers)


def test_the_file_says_what_is_tested_here() -> None:
    assert set(ROWS) == {*FAMILIES, *NOT_READ}
    for family in FAMILIES:
        row = ROWS[family]
        assert (row["exact"], row["forced"]) == ("exact", "refused" if family in NOT_GIVEN else "one pass")
        assert row["image_tokens"] == "exact"
        assert row["two_ranks"] in ("exact", "not tried") or row["reason"]
    assert all(ROWS[family]["exact"] == "refused" and ROWS[family]["reason"] for family in NOT_READ)


def test_what_is_not_read_is_not_in_vllm() -> None:
    from vllm import ModelRegistry

    known = ModelRegistry.get_supported_archs()
    assert not {*NOT_READ.values()} & {*known}
    assert {ROWS[family]["class"] for family in FAMILIES} - {*known} <= {"InternS1ForConditionalGeneration"}


def test_the_page_has_the_table_of_the_file() -> None:
    assert table_of(list(ROWS.values())) in PAGE.read_text()

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

MERA = Path(__file__).parents[1] / "data" / "mera"


def _mera_record(dataset: str) -> dict[str, Any]:
    for entry in json.loads((MERA / "records.json").read_text(encoding="utf-8")):
        if entry["dataset"] == dataset:
            record: dict[str, Any] = entry["record"]
            record["inputs"]["image"] = {"bytes": None, "path": str(MERA / record["inputs"]["image"])}
            return record
    raise AssertionError(dataset)


@pytest.fixture
def ruclevr_doc() -> dict[str, Any]:
    """A real record of MERA-evaluation/ruCLEVR, its image as `datasets` hands it over undecoded."""
    return _mera_record("ruCLEVR")


@pytest.fixture
def weird_doc() -> dict[str, Any]:
    """A real record of MERA-evaluation/WEIRD."""
    return _mera_record("WEIRD")

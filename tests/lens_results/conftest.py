from __future__ import annotations

import pytest
from built_records import MakeInfo, MakeRecord, build_info, build_record


@pytest.fixture
def make_record() -> MakeRecord:
    return build_record


@pytest.fixture
def make_info() -> MakeInfo:
    return build_info

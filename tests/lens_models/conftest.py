from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# benchmarks/ is no installed package; `python -m pytest` finds it in the working directory, plain pytest does not
sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from zoo import ZOO, Specimen


@pytest.fixture(autouse=True, scope="session")
def few_threads() -> Iterator[None]:
    """Models this small are slower with several threads; who wants some sets OMP_NUM_THREADS."""
    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=sorted(ZOO))
def specimen(request: pytest.FixtureRequest) -> Specimen:
    return ZOO[request.param]


@pytest.fixture
def llava() -> Specimen:
    return ZOO["llava"]

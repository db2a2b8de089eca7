from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# benchmarks/ is no installed package; `python -m pytest` finds it in the working directory, plain pytest does not
sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from zoo import ZOO, Specimen


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Models this small are slower with several threads, many times so on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=sorted(ZOO))
def specimen(request: pytest.FixtureRequest) -> Specimen:
    return ZOO[request.param]


@pytest.fixture
def llava() -> Specimen:
    return ZOO["llava"]

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from zoo import ZOO


@cache
def built(model_type: str, dtype: torch.dtype = torch.float32) -> Any:
    """A model that tests share and leave as it is."""
    return ZOO[model_type].build(dtype)

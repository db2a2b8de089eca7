"""Tensor parallelism: the layers are read on all ranks together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax
from served import asked, own_bounds, plain_maps


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two ranks are bound to two processor cores")
def test_two_ranks_read_what_plain_transformers_reads() -> None:
    script = Path(__file__).with_name("two_ranks.py")
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = json.loads(ran.stdout.strip().splitlines()[-1])
    assert found["exact"]
    for token, read, plain in zip(found["tokens"], found["read"], found["plain"], strict=True):
        np.testing.assert_allclose(read, log_softmax(np.asarray(plain), axis=-1)[:, token], **own_bounds())
    for sample, maps, entropy, plain in zip(asked(6), found["maps"], found["entropy"], found["plain"], strict=True):
        for word, expected in plain_maps(sample).items():
            np.testing.assert_allclose(np.log(maps[word]), np.log(expected), **own_bounds())
        logp = log_softmax(np.asarray(plain)[-1])
        np.testing.assert_allclose(entropy[0], -(np.exp(logp) * logp).sum(), **own_bounds())

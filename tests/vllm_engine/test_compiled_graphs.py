"""A model that vLLM compiles is read from inside its graph, and answers as the stock one that is compiled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy.special import log_softmax
from served import asked, own_bounds, plain_maps


def test_a_compiled_model_is_read_as_plain_transformers() -> None:
    script = Path(__file__).with_name("compiled.py")
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = json.loads(ran.stdout.strip().splitlines()[-1])
    assert found["mode"] != "0", "vLLM did not compile, which is what this test is for"
    assert found["tokens"] == found["stock"]
    assert found["exact"] and found["greedy"] and found["geometry"] == "proven"
    for sample, read, tokens, plain, maps in zip(
        asked(6), found["read"], found["tokens"], found["plain"], found["maps"], strict=True
    ):
        np.testing.assert_allclose(read, log_softmax(np.asarray(plain), axis=-1)[:, tokens[0]], **own_bounds())
        for word, expected in plain_maps(sample).items():
            np.testing.assert_allclose(np.log(maps[word]), np.log(expected), **own_bounds())

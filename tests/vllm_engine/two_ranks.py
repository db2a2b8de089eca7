"""Run by a test in a process of its own: lens_tiny on two ranks, and how far its last layer is from vLLM's logits."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["VLLM_CPU_OMP_THREADS_BIND"] = "0|1"
os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
# the repository first: a folder of tests is named like a package
tests = Path(__file__).parents[1]
sys.path[:0] = [str(each) for each in (tests.parent, tests, tests / "lens_models", Path(__file__).parent)]

if __name__ == "__main__":
    from plain_model import plain_lens_tiny
    from served import WORDS, asked, engine

    from lens_models import ReadoutRow
    from lens_models.probes import Answered

    own = engine(("step_entropy", "image_tokens"), tensor_parallel_size=2)
    samples = asked(6)
    trace = own.generate(samples)[0].trace
    report = own.lens.check(trace, dict.fromkeys(range(6)))
    rows = [ReadoutRow(trace.residual(row, 0), trace.new_tokens[row][0]) for row in range(6)]
    read = [readout.logprob_pred.tolist() for readout in own.lens.read(rows)]
    plain = [plain_lens_tiny().logits(sample.prompt, sample.media.images)[:, 0].tolist() for sample in samples]
    found = {"exact": report.exact, "deviation": report.deviation, "tokens": [row.token_id for row in rows]}
    entropies, pictures = ([probe.result(Answered(row, [row], 0, WORDS)) for row in range(6)] for probe in trace.probes)
    found["maps"] = [{word: each[f"map {word}"].tolist() for word in WORDS} for each in pictures]
    found["entropy"] = [each["entropy"].tolist() for each in entropies]
    print("\n" + json.dumps({**found, "read": read, "plain": plain}))

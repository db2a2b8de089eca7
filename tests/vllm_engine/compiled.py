"""Run by a test in a process of its own: lens_tiny compiled by vLLM, alone and with the lens inside its graph."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.pop("TORCH_COMPILE_DISABLE", None)
# the graph is traced, and run as it is: what a compiler makes of it takes minutes on a processor
os.environ.setdefault("VLLM_CPU_CI_ENV", "1")
# the repository first: a folder of tests is named like a package
tests = Path(__file__).parents[1]
sys.path[:0] = [str(each) for each in (tests.parent, tests, tests / "lens_models", Path(__file__).parent)]

if __name__ == "__main__":
    from plain_model import plain_lens_tiny
    from served import TINY, WORDS, Chat, asked
    from transformers import AutoProcessor
    from vllm import LLM, SamplingParams

    from lens_engine.options import LensOptions
    from lens_engine.vllm_engine import VllmEngine, client_arguments
    from lens_models import LENS_TINY, LensSettings, ReadoutRow
    from lens_models.loading import resolve_pretrained
    from lens_models.probes import Answered

    samples, path = asked(6), resolve_pretrained(LENS_TINY)
    arguments = {**TINY, "enforce_eager": False}
    stock = LLM(path, **arguments)
    said = [list(output.outputs[0].token_ids) for output in Chat(stock).outputs(samples, stock)]
    del stock
    client = LLM(path, **client_arguments(arguments, LensOptions()))
    settings = LensSettings(probes=("image_tokens",))
    own = VllmEngine(client, AutoProcessor.from_pretrained(path), Chat(client), settings, SamplingParams)
    trace = own.generate(samples)[0].trace
    report = own.lens.check(trace, dict.fromkeys(range(6)))
    rows = [ReadoutRow(trace.residual(row, 0), trace.new_tokens[row][0]) for row in range(6)]
    (pictures,) = ([probe.result(Answered(row, [row], 0, WORDS)) for row in range(6)] for probe in trace.probes)
    (scored,) = own.score(samples[0], [trace.new_tokens[0]])
    found = {
        "mode": str(client.llm_engine.vllm_config.compilation_config.mode),
        "stock": said, "tokens": [list(tokens) for tokens in trace.new_tokens], "exact": report.exact,
        "deviation": report.deviation, "geometry": own.geometry.status, "greedy": scored.greedy,
        "read": [readout.logprob_pred.tolist() for readout in own.lens.read(rows)],
        "plain": [plain_lens_tiny().logits(each.prompt, each.media.images)[:, 0].tolist() for each in samples],
        "maps": [{word: each[f"map {word}"].tolist() for word in WORDS} for each in pictures],
    }  # fmt: skip
    print("\n" + json.dumps(found))

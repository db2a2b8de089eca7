"""Families of models under vLLM: tiny random checkpoints, read exactly and given tokens alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from processors import picture
from served import Chat, family_checkpoint
from tolerances import bounds

from lens_engine import Media, Sample
from lens_engine.vllm_engine import WORKER, VllmEngine
from lens_engine.vllm_engine.lens import VllmTrace
from lens_models import LensSettings, ReadoutRow

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "llava", "llava_onevision", "idefics3", "internvl")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_read_exactly(family: str, tmp_path: Path) -> None:
    from vllm import LLM, SamplingParams

    folder, placeholder = family_checkpoint(family, tmp_path)
    client = LLM(
        str(folder), dtype="float32", enforce_eager=True, max_model_len=256, max_num_seqs=4, seed=1,
        worker_extension_cls=WORKER,
    )  # fmt: skip
    engine = VllmEngine(client, Chat(client), LensSettings(), SamplingParams)
    samples = [
        Sample(("q", number, 0, 0), prompt=f"{placeholder} {'a ' * number}b", media=Media((picture(number),)))
        for number in range(3)
    ]
    trace = engine.generate(samples)[0].trace
    assert isinstance(trace, VllmTrace) and engine.lens is not None
    report = engine.lens.check(trace, dict.fromkeys(range(3)))
    assert report is not None and report.exact
    for row, sample in enumerate(samples):
        tokens = trace.new_tokens[row]
        rows = [ReadoutRow(trace.residual(row, step), token) for step, token in enumerate(tokens)]
        layers = sum(readout.logprob_pred for readout in engine.lens.read(rows))
        (scored,) = engine.score(sample, [tokens])
        assert scored.layer_logprobs is not None
        # the same positions, once one by one and once in one pass
        share = bounds("float32", 32 * 64, 160, scale=8.0 * len(tokens))
        assert scored.layer_logprobs.tolist() == pytest.approx(layers.tolist(), rel=share["rtol"], abs=share["atol"])
        assert scored.logprob == pytest.approx(float(layers[-1]), rel=share["rtol"], abs=share["atol"])

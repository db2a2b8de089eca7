"""Families of models under vLLM, each as a tiny random checkpoint, and how exactly the lens reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from processors import picture
from served import Chat, family_checkpoint
from tolerances import bounds
from zoo import FIRST_TEXT_TOKEN, IMAGE, LAST_TEXT_TOKEN

from lens_engine import Media, Sample
from lens_engine.vllm_engine import WORKER, VllmEngine
from lens_engine.vllm_engine.lens import VllmTrace
from lens_models import ForcingError, LensSettings, ReadoutRow

__all__ = ["FAMILIES", "NOT_GIVEN", "NOT_READ", "Examined", "examine"]

FAMILIES = (
    "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "llava", "llava_onevision", "idefics3", "internvl", "smolvlm", "paligemma",
    "gemma3", "cohere2_vision",
)  # fmt: skip
NOT_GIVEN = {"paligemma": "vLLM's processor ends each prompt with a line break, so nothing can be given at its end"}
"""Family -> why given tokens are not scored."""
NOT_READ = {"mllama": "MllamaForConditionalGeneration"}
"""Family -> the class that this vLLM has no implementation of."""


@dataclass(frozen=True)
class Examined:
    """What was found of a family.

    Attributes:
        model_class: of vLLM.
        layers: number of blocks that are read.
        exact: whether the last layer's readout is the model's own logits.
        deviation: largest difference of the two, as a share of the range of the logits.
        forced: whether given tokens have, at every layer, the log-probabilities of their generation.
        forced_deviation: largest difference of a sum of log-probabilities, in nats; None where they are refused.
        geometry: whether the image tokens' places in the picture are proven, see `GeometryReport`.
        pictures: whether the last layer read at image tokens says of the prompt's next token what vLLM itself says.
        image_deviation: largest difference of the two, in nats.
    """

    model_class: str
    layers: int
    exact: bool
    deviation: float
    forced: bool
    forced_deviation: float | None
    geometry: str
    pictures: bool
    image_deviation: float


def examine(family: str, folder: Path, ranks: int = 1) -> Examined:
    """Ask a tiny checkpoint of a family, made in `folder`, about three pictures on so many ranks."""
    from vllm import LLM, SamplingParams

    path, processor, placeholder = family_checkpoint(family, folder)
    client = LLM(
        str(path), dtype="float32", enforce_eager=True, max_model_len=256, max_num_seqs=4, seed=1,
        worker_extension_cls=WORKER, tensor_parallel_size=ranks,
    )  # fmt: skip
    # words alone: vLLM's processor of Gemma 3 joins line breaks, also given ones, which the engine then refuses
    chat = Chat(client, allowed_token_ids=list(range(FIRST_TEXT_TOKEN, LAST_TEXT_TOKEN + 1)))
    engine = VllmEngine(client, processor, chat, LensSettings(probes=("image_tokens",)), SamplingParams)
    samples = [
        Sample(("q", number, 0, 0), prompt=f"{placeholder} {'a ' * number}b", media=Media((picture(number),)))
        for number in range(3)
    ]
    trace: Any = engine.generate(samples)[0].trace
    assert isinstance(trace, VllmTrace), trace
    lens = engine.lens
    assert lens is not None
    report = lens.check(trace, dict.fromkeys(range(3)))
    assert report is not None
    apart, forced = [], True
    for row, sample in enumerate(samples):
        tokens = trace.new_tokens[row]
        rows = [ReadoutRow(trace.residual(row, step), token) for step, token in enumerate(tokens)]
        layers = sum(readout.logprob_pred for readout in lens.read(rows))
        try:
            (scored,) = engine.score(sample, [tokens])
        except ForcingError:
            forced = False
            break
        # the same positions, once one by one and once in one pass
        allowed = bounds("float32", 32 * 64, 160, scale=8.0 * len(tokens))
        read = [*np.asarray(scored.layer_logprobs), scored.logprob]
        known = [*layers, layers[-1]]  # type: ignore[index]
        apart.append(float(np.abs(np.subtract(read, known)).max()))
        forced = forced and np.allclose(read, known, **allowed)
    off = max(_image_deviation(engine, mark, sample) for mark, sample in zip(trace.marks, samples, strict=True))
    return Examined(
        lens.parts.model_class, lens.parts.n_layers, report.exact, report.deviation, forced, max(apart, default=None),
        engine.geometry.status, off <= bounds("float32", 32 * 64, 160, scale=8.0)["atol"], off,
    )  # fmt: skip


def _image_deviation(engine: VllmEngine, mark: int, sample: Sample) -> float:
    """How far the last layer at image tokens is from what vLLM itself says there of the next token, in nats."""
    from vllm import SamplingParams

    params = SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=0)
    (output,) = engine.client.generate([engine.prompts.prompt(sample)], [params], use_tqdm=False)
    positions = [place for place, token in enumerate(output.prompt_token_ids) if token == IMAGE]
    following = [output.prompt_token_ids[position + 1] for position in positions]
    said = [
        output.prompt_logprobs[position + 1][token].logprob
        for position, token in zip(positions, following, strict=True)
    ]
    words = sorted(set(following))
    assert engine.lens is not None
    found = engine.lens.ask("lens_image_tokens", mark, positions, [[word] for word in words])
    read = [found["maps"][words.index(token)][-1][place] for place, token in enumerate(following)]
    return float(np.abs(np.log(read) - said).max())

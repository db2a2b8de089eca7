"""lens_tiny under vLLM, asked about pictures of a bundled benchmark."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from controlled_records import mini_documents, mini_image
from PIL import Image
from plain_model import plain_lens_tiny
from processors import processor_of
from safetensors.torch import load_file, save_file
from scipy.special import softmax
from tolerances import bounds, sums_of
from zoo import WIDTH, ZOO, Specimen

from lens_engine import Media, Sample
from lens_engine.vllm_engine import WORKER, MarkingClient, VllmEngine
from lens_models import LENS_TINY, LensSettings
from lens_models.loading import resolve_pretrained
from lens_models.probes.image_tokens import spread_layers

_RENAMED = ("llava", "llava_onevision", "paligemma", "gemma3", "cohere2_vision")
# family -> the setting of its vision tower that has to be the width of its text model
_HEADS_OF_WIDTH = {"qwen2_vl": "hidden_size", "qwen2_5_vl": "out_hidden_size", "llava_onevision": "", "internvl": ""}
WORDS = {"yes": (6, 7), "no": (300,)}
"""Words that are looked for at image tokens, each with some tokens."""
TINY: dict[str, Any] = {"dtype": "float32", "max_model_len": 1024, "max_num_seqs": 5, "seed": 1}
"""Arguments of a client of lens_tiny."""
TAIL = "\nAnswer the question using a single word or phrase."


class Chat:
    """Puts samples to a client as conversations of one picture and one text."""

    def __init__(self, client: Any, **params: Any) -> None:
        self._client = client
        self._params = params

    def answer(self, samples: Sequence[Sample], client: MarkingClient) -> list[str]:
        """See `VllmPrompts`."""
        return [output.outputs[0].text for output in self.outputs(samples, client)]

    def outputs(self, samples: Sequence[Sample], client: Any) -> Any:
        """What a client answers, with the log-probability of each token."""
        from vllm import SamplingParams

        params = [SamplingParams(**{"temperature": 0, "max_tokens": 4, "logprobs": 0, **self._params}) for _ in samples]
        return client.generate([self.prompt(sample) for sample in samples], params, use_tqdm=False)

    def prompt(self, sample: Sample) -> dict[str, Any]:
        """See `VllmPrompts`."""
        return {"prompt": sample.prompt, "multi_modal_data": {"image": list(sample.media.images)}}


@functools.cache
def client(*, probed: bool = False, **arguments: Any) -> Any:
    """A client of the bundled model in this process; workers are watched once, so one with probes and one without."""
    from vllm import LLM

    settings = {**TINY, "enforce_eager": True, **arguments}
    return LLM(resolve_pretrained(LENS_TINY), worker_extension_cls=WORKER, **settings)


@functools.cache
def engine(probes: tuple[str, ...] = (), **arguments: Any) -> VllmEngine:
    """An engine around such a client, with probes."""
    from transformers import AutoProcessor
    from vllm import SamplingParams

    own = client(probed=bool(probes), **arguments)
    processor = AutoProcessor.from_pretrained(resolve_pretrained(LENS_TINY))
    return VllmEngine(own, processor, Chat(own), LensSettings(probes=probes), SamplingParams)


def questions(count: int) -> list[tuple[str, Image.Image]]:
    """Questions of pope_mini with their pictures, some of them behind a longer text."""
    documents = mini_documents("pope_mini")[:count]
    return [
        ("Look at the picture. " * (number % 4) + document["question"] + TAIL, mini_image(document))
        for number, document in enumerate(documents)
    ]


def asked(count: int) -> list[Sample]:
    """The same questions as samples."""
    plain = plain_lens_tiny()
    samples = []
    for number, (text, image) in enumerate(questions(count)):
        prompt = plain.prompt([{"type": "image"}, {"type": "text", "text": text}])
        samples.append(Sample(("quiz", number, 0, 0), prompt=prompt, media=Media((image,)), question=text))
    return samples


def own_bounds(dtype: str = "float32") -> dict[str, float]:
    """Of a log-probability of lens_tiny, whose logits stay below 16."""
    model = plain_lens_tiny().model
    length = sums_of(model, 256) if dtype == "float32" else 64
    return bounds(dtype, length, model.get_output_embeddings().weight.shape[0] if dtype == "float32" else 1, scale=16.0)


def plain_maps(sample: Sample, *, shift: int = 0) -> dict[str, np.ndarray]:
    """The probability of each of `WORDS`, `[layers, image tokens]`, by hand; `shift` reads beside the image tokens."""
    plain = plain_lens_tiny()
    inputs = plain.processor(text=[sample.prompt], images=list(sample.media.images), return_tensors="pt")
    places = (inputs["input_ids"][0] == plain.model.config.image_token_id).nonzero().flatten() + shift
    model = plain.model
    with torch.no_grad():
        states = model(**inputs, output_hidden_states=True).hidden_states
        read = []
        for layer in spread_layers(10):
            state = states[layer][0, places]
            # the last one is behind the norm already
            read.append(model.lm_head(state if layer == 10 else model.model.language_model.norm(state)))
    p = softmax(torch.stack(read).double().numpy(), axis=-1)
    return {word: p[..., list(ids)].sum(-1) for word, ids in WORDS.items()}


def _widened(family: str) -> Specimen:
    """The specimen, with a text model of two such heads where vLLM takes their size from the width."""
    specimen = ZOO[family]
    if family not in _HEADS_OF_WIDTH:
        return specimen
    config = copy.deepcopy(specimen.config)
    config["text_config"]["hidden_size"] = 2 * WIDTH
    if name := _HEADS_OF_WIDTH[family]:
        config["vision_config"][name] = 2 * WIDTH
    return replace(specimen, config=config)


def family_checkpoint(family: str, folder: Path) -> tuple[Path, Any, str]:
    """A tiny random checkpoint of a family, its processor and image placeholder, as vLLM's kernels take it.

    They know heads of 32 numbers and not of 8; weights of the vision tower have the names of the hub's checkpoints,
    which transformers 5 no longer writes.
    """
    changes: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": WIDTH}
    processor, placeholder = processor_of(family)
    placeholder = "" if family == "paligemma" else placeholder  # vLLM puts its image tokens before the text by itself
    if family.startswith("qwen"):
        # pictures of enough tokens to tell their places
        processor.image_processor.size = {"shortest_edge": 1024, "longest_edge": 2**15}
        changes["rope_parameters"] = {"rope_type": "default", "mrope_section": [4, 4, 8], "rope_theta": 10_000.0}
    model = _widened(family).build(**changes)
    processor.save_pretrained(folder)
    model.save_pretrained(folder)
    file = folder / "model.safetensors"
    renamed = {
        re.sub(r"vision_tower\.(?!vision_model)", "vision_tower.vision_model.", name)
        if family in _RENAMED
        else name: value
        for name, value in load_file(file).items()
    }
    save_file(renamed, file, metadata={"format": "pt"})
    return folder, processor, placeholder

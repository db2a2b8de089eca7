"""`python -m benchmarks.ahead`: batches made and encoded while a simulated device answers, and in turn.

Nothing is computed in the model's place. Two devices bound what a real one does: one that the host waits for, and one
that waits for the host, whose thread of launches runs Python for as long.
"""

from __future__ import annotations

import argparse
import functools
import io
import itertools
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoProcessor

from benchmarks.measure import Column, alternate, describe_machine, show, write_json
from lens_engine import Media, Request, Sample, Session, TransformersEngine
from lens_engine.prompts import ProcessorPrompts
from lens_models import LENS_TINY
from lens_models.encoding import open_image, render_chat
from lens_models.loading import resolve_pretrained

_COLUMNS = (
    *(Column("device", "device"), Column("batch", "batch"), Column("device_ms", "device, ms a batch")),
    *(Column("turn_ms", "in turn, ms a batch"), Column("ahead_ms", "ahead, ms a batch"), Column("ratio", "ratio")),
)
_WAYS = ("turn", "ahead")
_SIZE = (640, 480)
_PATCH, _MOST_PIXELS = 14, 1003520  # as Qwen2-VL's processor has them
_TASK, _QUESTION = "pictures", "Is there a cat in the picture?"


class Device:
    """Stands for a model on a device that is busy for some seconds with each batch and says one token."""

    device, dtype, generation_config = torch.device("cpu"), torch.float32, None
    config = SimpleNamespace(max_position_embeddings=None)

    def __init__(self, busy: Callable[[float], object], seconds: float) -> None:
        self._busy = functools.partial(busy, seconds)

    def generate(self, input_ids: Tensor, **rest: Any) -> Tensor:
        """The prompts and the token."""
        self._busy()
        return torch.cat([input_ids, input_ids[:, -1:]], dim=1)


def _launch(seconds: float) -> None:
    """Python and small operations, as much as fit into these seconds of the thread alone."""
    end, number = time.thread_time() + seconds, torch.zeros(1)
    while time.thread_time() < end:
        number = number + 1


_DEVICES: dict[str, Callable[[float], object]] = {"waited for": time.sleep, "waits for the host": _launch}


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    arguments = _arguments(words)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    machine, processor = describe_machine(torch.device("cpu")), _processor()
    pictures = [_jpeg(number) for number in range(arguments.samples)]
    rows = []
    for (name, busy), batch, ms in itertools.product(_DEVICES.items(), arguments.batch, arguments.device_ms):
        device = Device(busy, ms / 1000)
        ways = {way: functools.partial(_answer, device, processor, pictures, batch, way == "ahead") for way in _WAYS}
        timings = alternate(ways, arguments.rounds)
        per_batch = 1000 / -(-len(pictures) // batch)
        found = {f"{way}_ms": timings.of(way).median * per_batch for way in _WAYS}
        rows.append({"device": name, "batch": batch, "device_ms": ms, **found, "ratio": timings.ratio(*_WAYS[::-1])})
    show(f"{len(pictures)} pictures of {_SIZE[0]}x{_SIZE[1]}, a simulated device", _COLUMNS, rows)
    write_json(arguments.out / "ahead_simulated.json", machine, rows)
    return 0


def _answer(device: Device, processor: Any, pictures: Sequence[bytes], batch: int, on: bool) -> None:
    prompts = ProcessorPrompts(device, processor, use_cache=True, warn=logging.warning)
    prompts.ahead.on = on
    session = Session(TransformersEngine(device, processor, prompts, None), batch)
    keys = [(_TASK, number, 0, 0) for number in range(len(pictures))]
    session.generate(
        [
            Request(key, {}, functools.partial(_sample, key, processor, picture))
            for key, picture in zip(keys, pictures, strict=True)
        ]
    )


def _sample(key: tuple[str, int, int, int], processor: Any, picture: bytes) -> Sample:
    turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": _QUESTION}]}]
    return Sample(key, render_chat(processor, turn), Media((open_image(picture, where=str(key[1])),)))


def _processor() -> Any:
    """That of Qwen2-VL, with the words of the bundled model."""
    processor = AutoProcessor.from_pretrained(resolve_pretrained(LENS_TINY))
    processor.image_processor.patch_size = _PATCH
    processor.image_processor.size = {"shortest_edge": 4 * _PATCH * _PATCH, "longest_edge": _MOST_PIXELS}
    return processor


def _jpeg(number: int) -> bytes:
    coarse = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize(_SIZE, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ahead", description=__doc__)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--device-ms", nargs="+", type=float, default=[25, 200], help="of each batch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="threads of torch")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of the JSON file")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())

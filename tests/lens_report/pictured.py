"""Runs whose maps over image tokens are known, written as real record files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lens_report.measures.task_run import TaskRun, task_runs
from lens_results import (
    LensInfo,
    ModelInfo,
    RecordWriter,
    RunInfo,
    SampleRecord,
    ThumbnailWriter,
    load,
    merge,
    merge_thumbnails,
)

SIDE, LAYERS = 4, 8
TOKENS = SIDE * SIDE
MAP_LAYERS = (2, 4, 6, 8)
FLOORS = (51 / 255, 102 / 255)
"""What a map has outside the box, where it has 1: whole steps of a stored map."""


def cells() -> np.ndarray:
    """[tokens, 4]: a grid of 4 x 4."""
    edges = np.linspace(0, 1, SIDE + 1)
    return np.array([(edges[c], edges[r], edges[c + 1], edges[r + 1]) for r in range(SIDE) for c in range(SIDE)])


CELLS = cells()


def lift_of(floor: float) -> float:
    """Lift of a map of 1 in its own cell and `floor` elsewhere."""
    return TOKENS / (1 + (TOKENS - 1) * floor)


@dataclass(frozen=True)
class Pictured:
    """What a planted run is like.

    Attributes:
        images: Pictures; their questions are about cells of their own.
        per_image: Questions about each.
        drop: Drop without the largest values of the words' map, above that without random tokens, nats.
        informative: How far image_confidence tells absent objects.
        layers: Layers whose maps are stored.
        changes: Fields of every record that are replaced.
    """

    images: int = 40
    per_image: int = 4
    task: str = "pope_mini"
    drop: float = 0.0
    informative: float = 0.0
    absent: float = 0.5
    layers: tuple[int, ...] = MAP_LAYERS
    candidates: tuple[str, ...] = ("yes", "no")
    probes: bool = True
    seed: int = 0
    changes: dict[str, Any] = field(default_factory=dict)


def records(plan: Pictured) -> Iterator[SampleRecord]:
    """The samples; every second answer is wrong in the sense of `absent`: said yes where no is right."""
    rng = np.random.default_rng(plan.seed)
    for image in range(plan.images):
        floor = FLOORS[image % 2]
        for question in range(plan.per_image):
            yield SampleRecord(**(fields_of(plan, image, question, floor, rng) | plan.changes))


def fields_of(plan: Pictured, image: int, question: int, floor: float, rng: np.random.Generator) -> dict[str, Any]:
    """Everything of one sample."""
    number = image * plan.per_image + question
    wrong = bool(rng.random() < plan.absent)
    margin = float(rng.exponential())
    scores = np.zeros((LAYERS, len(plan.candidates)))
    scores[:, 0] = margin
    fields: dict[str, Any] = {
        "task": plan.task, "doc_id": number, "kind": "generate", "question": f"Is there a sphere {number}?",
        "response": "yes", "gold": ("no" if wrong else "yes",), "image_sha256": (digest(image),),
        "cluster": f"image {image}", "candidates": plan.candidates, "candidate_method": "first_token",
        "candidate_score": "logit", "gold_candidate": int(wrong), "pred_candidate": 0, "binary": (0, 1),
        "correct": not wrong, "scores": {"acc": float(not wrong)}, "cand_scores": scores,
        "margin_pred": np.full(LAYERS, margin), "logprob_pred": np.full(LAYERS, -float(rng.exponential())),
        "entropy": np.ones(LAYERS), "label_free": {"final_margin": margin},
    }  # fmt: skip
    if not plan.probes:
        return fields
    own = lift_of(floor)
    null = 1.0 + 0.1 * float(rng.normal())
    confidence = float(rng.normal()) - plan.informative * wrong
    random = float(rng.normal())
    fields["label_free"] |= {
        "image_confidence": confidence, "svar": float(rng.normal()), "word_drop_random": random,
        "word_drop": random + plan.drop + 0.1 * float(rng.normal()),
    }  # fmt: skip
    fields["gold_based"] = {
        "near_box_lift": float(TOKENS), "null_near_box_lift": 15.0 + null,
        "word_box_lift": own, "null_word_box_lift": null,
        "box_lift": own, "null_box_lift": own + 0.1 * float(rng.normal()),
        "causal_drop": 2.0 + 0.1 * float(rng.normal()), "causal_drop_random": 0.5, "causal_drop_null": 1.0,
    }  # fmt: skip
    fields["probes"] = probes_of(plan, question, floor, rng)
    fields["probe_status"] = {"image_tokens": "ok", "boxes": "ok", "causal top_lens": "ok"}
    if question == 0:
        fields["probe_status"]["boxes"] = f"no_null_box: nowhere else {image % 3}"
    return fields


def probes_of(plan: Pictured, question: int, floor: float, rng: np.random.Generator) -> dict[str, Any]:
    """Maps of 1 in the own cell; lift by layer above its null from layer 6 on."""
    heat = np.where(np.arange(TOKENS) == question, 1.0, floor)
    by_layer = np.stack([heat * (layer / LAYERS) for layer in MAP_LAYERS])
    kept = np.isin(MAP_LAYERS, plan.layers)
    stored = {"map": by_layer[kept], "map layers": np.array(plan.layers), "layers": np.array(MAP_LAYERS)}
    near = np.where(np.arange(TOKENS) == question, 1.0, 0.0)[None]
    answers = {
        "map near sphere": near,
        "map near sphere layers": np.array([2]),
        "map yes": np.full((1, TOKENS), 0.5),
        "map yes layers": np.array([2]),
    }
    words = {"map sphere": stored["map"], "map sphere layers": stored["map layers"], "layers": stored["layers"]}
    if not kept.all():
        words["map sphere max"] = stored["map max"] = heat
    noise = 0.1 * rng.normal(size=len(MAP_LAYERS))
    lifts = {
        "layers": np.array(MAP_LAYERS), "lift": 1 + noise + np.array([0, 0, 1, 1.0]),
        "null lift": np.ones(len(MAP_LAYERS)),
    }  # fmt: skip
    other = np.vstack([CELLS[question], CELLS[-1]])
    return {
        "attention": stored | {"sinks": np.where(np.arange(TOKENS) == TOKENS - 1, [[1.0], [0], [0], [0]], 0.0)},
        "relative_attention": {"map": by_layer[kept][:, ::-1], "map layers": np.array(plan.layers)},
        "image_tokens": words | answers,
        "tokens": {"boxes": CELLS, "image": np.zeros(TOKENS)},
        "boxes": {"box": other, "image": np.zeros(2), "asked": np.array([1.0, 0.0])}
        | {f"image_tokens {name}": values for name, values in lifts.items()},
    }


VIDEO, FRAMES = "d" * 64, 4


def in_a_video(hidden_frame: int = 3) -> dict[str, Any]:
    """A sample about a video of four frames: a map of 1 in the first cell of the first two, the second of the last two.

    The track of the asked object goes through the cells 0 to 3 and is hidden in one frame; another object has one too.
    """
    places = np.vstack([CELLS, CELLS])
    frames = np.repeat([[0, 1], [2, 3]], TOKENS, axis=0)
    heat = np.zeros(2 * TOKENS)
    heat[[0, TOKENS + 1]] = 1.0
    tracks = {
        "box": np.vstack([CELLS[:FRAMES], CELLS[-1]]), "frame": np.array([0, 1, 2, 3, 1.0]),
        "track": np.array([1, 1, 1, 1, 2.0]), "asked": np.array([1, 1, 1, 1, 0.0]),
        "seen": np.where(np.arange(5) == hidden_frame, 0.0, 1.0),
    }  # fmt: skip
    shown = {"sha256": VIDEO, "frames": FRAMES, "times": tuple(0.5 * number for number in range(FRAMES))}
    return {
        "image_sha256": (), "videos": (shown,), "probe_status": {"attention": "ok"},
        "probes": {
            "attention": {"map": heat[None], "map layers": np.array([8]), "layers": np.array([8])},
            "video_tokens": {"boxes": places, "video": np.zeros(2 * TOKENS), "frames": frames.astype(float)},
            "tracks": tracks,
        },
    }  # fmt: skip


def digest(image: int) -> str:
    """Of a picture."""
    return hashlib.sha256(f"picture {image}".encode()).hexdigest()


def write_pictured(folder: Path, *plans: Pictured, thumbnails: bool = False) -> Path:
    """Write one finished run of the planted tasks."""
    info = RunInfo(
        "r", ModelInfo("m", LAYERS), LensInfo(tuple(range(1, LAYERS + 1)), thresholds={"theta": 0.1, "m": 2})
    )
    with RecordWriter(folder, info) as writer:
        for plan in plans:
            for record in records(plan):
                writer.append(record)
    merge(folder, "r")
    if thumbnails:
        with ThumbnailWriter(folder, "r") as pictures:
            shades = 40 * np.arange(FRAMES, dtype=np.uint8)[:, None, None, None]
            pictures.add_frames(VIDEO, np.broadcast_to(shades, (FRAMES, 48, 64, 3)))
            for image in range(max(plan.images for plan in plans)):
                pictures.add(digest(image), Image.new("RGB", (64, 48), (40, 90, 140)))
        merge_thumbnails(folder, "r")
    return folder


def pictured(folder: Path, plan: Pictured | None = None, **changes: Any) -> TaskRun:
    """The one task of a planted run."""
    (found,) = task_runs(load(write_pictured(folder, plan or Pictured(**changes))))
    return found

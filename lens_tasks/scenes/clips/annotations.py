"""Tracks of a video, exact from the renderer, in the fields of Perception Test's object tracks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lens_tasks.scenes.boxes import roles_of, visible_boxes
from lens_tasks.scenes.clips.clip import FRAMES, STEP, Actor, Asked, Clip
from lens_tasks.scenes.geometry import SIDE
from lens_tasks.scenes.world import Scene


def track_rows(clip: Clip) -> list[dict[str, Any]]:
    """One row for each object: its box in each frame in which it is in the picture or behind something in it.

    A box holds the whole silhouette, hidden parts included, in shares of width and height. ``is_masked`` is 1 where
    nothing of the object is seen, ``visible`` the share of its silhouette that is.
    """
    return [
        _row(number, actor, shares) for number, (actor, shares) in enumerate(zip(clip.actors, clip.seen(), strict=True))
    ]


def _row(number: int, actor: Actor, shares: Sequence[float]) -> dict[str, Any]:
    there = [frame for frame in range(FRAMES) if actor.states[frame] is not None]
    boxes = [
        visible_boxes(Scene((state,), 1.0))[0]
        for state in (actor.states[frame] for frame in there)
        if state is not None
    ]
    return {
        "id": number,
        "label": actor.name,
        "is_occluder": int(actor.occluder),
        "bounding_boxes": [[edge / SIDE for edge in box] for box in boxes],
        "frame_ids": there,
        "timestamps": [frame * STEP for frame in there],
        "is_masked": [int(shares[frame] == 0.0) for frame in there],
        "visible": [round(shares[frame], 4) for frame in there],
    }


def with_roles(rows: Sequence[dict[str, Any]], asked: Asked) -> list[dict[str, Any]]:
    """The tracks with what each object is to one question: ``asked``, ``anchor`` or ``other``."""
    roles = roles_of(len(rows), asked.about, asked.anchors)
    return [{**row, "role": role} for row, role in zip(rows, roles, strict=True)]

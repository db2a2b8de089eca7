"""Boxes of the objects of the official CLEVR scenes, and which of them a question is about.

A scene file gives each object's centre in the world and in the picture, but no box. The camera is found from them: it
stands upright, its heading is in `directions`, and its pitch, place and focal length are what brings all centres to
their pixels and depths. A camera that does not, to within the rounding to whole pixels, gives no boxes. The outline of
each object is then projected: half its height is the height of its centre, cubes are turned by `rotation` radians (the
release's generator hands its degrees to Blender as radians). Boxes are of the whole object, hidden parts included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lens_tasks.scenes.boxes import roles_of
from lens_tasks.scenes.execution import Objects, asked_and_anchors

__all__ = ["CameraError", "boxes_cell", "object_boxes", "objects_of", "read_scenes"]

Floats = npt.NDArray[np.float64]

SIZE = (480, 320)
_LARGEST_ERROR = 1.5
"""Pixels by which a centre may miss its place, which is rounded to whole ones."""
_STEPS = 50
_ATTRIBUTES = ("size", "color", "material", "shape")


class CameraError(ValueError):
    """No camera brings the centres of a scene's objects to their pixels."""


@dataclass(frozen=True)
class _Camera:
    """Axes as rows (right, up, forward), place in the world, focal length in pixels."""

    axes: Floats
    place: Floats
    focal: float

    def pixels(self, points: Floats) -> Floats:
        """`[n, 3]` in the world -> `[n, 2]` in the picture."""
        seen = (points - self.place) @ self.axes.T
        centre = np.array(SIZE) / 2
        found: Floats = centre + self.focal * seen[:, :2] / seen[:, 2:] * np.array([1.0, -1.0])
        return found


def read_scenes(file: Path) -> dict[str, Mapping[str, Any]]:
    """Image file name -> scene, of a `CLEVR_*_scenes.json`."""
    with file.open(encoding="utf-8") as opened:
        return {scene["image_filename"]: scene for scene in json.load(opened)["scenes"]}


def objects_of(scene: Mapping[str, Any]) -> Objects:
    """The objects of a scene as programs see them."""

    def related(index: int, relation: str) -> frozenset[int]:
        return frozenset(scene["relationships"][relation][index])

    return Objects([{name: str(each[name]) for name in _ATTRIBUTES} for each in scene["objects"]], related)


def boxes_cell(scene: Mapping[str, Any], program: Sequence[Mapping[str, Any]]) -> str:
    """The `lens_boxes` of a question about a scene (docs/boxes.md).

    Raises:
        CameraError: see `object_boxes`.
        ValueError: the program does not run on the scene.
    """
    objects = objects_of(scene)
    roles = roles_of(len(objects.values), *asked_and_anchors(program, objects))
    found = zip(objects.labels, object_boxes(scene).tolist(), roles, strict=True)
    return json.dumps([{"label": label, "box": box, "role": role} for label, box, role in found])


def object_boxes(scene: Mapping[str, Any]) -> Floats:
    """`[objects, 4]`: left, top, right, bottom in pixels of the picture, cut off at its edges.

    Raises:
        CameraError: the centres do not fit a camera.
    """
    camera = _camera(scene)
    boxes = []
    for each in scene["objects"]:
        outline = camera.pixels(_outline(each))
        boxes.append([*outline.min(axis=0), *outline.max(axis=0)])
    return np.asarray(np.round(np.clip(boxes, 0, [*SIZE, *SIZE]), 1), dtype=np.float64)


def _camera(scene: Mapping[str, Any]) -> _Camera:
    right, ahead = (np.asarray(scene["directions"][name], dtype=np.float64) for name in ("right", "behind"))
    world = np.asarray([each["3d_coords"] for each in scene["objects"]], dtype=np.float64)
    x, y, depth = np.asarray([each["pixel_coords"] for each in scene["objects"]], dtype=np.float64).T
    picture = np.stack([x - SIZE[0] / 2, SIZE[1] / 2 - y, depth], axis=1)

    def fitted(settings: Floats) -> tuple[_Camera, Floats]:
        """The best place for a pitch and a focal length, and what is left of the centres in the world."""
        pitch, focal = settings[0], np.exp(settings[1])
        up = np.array([0.0, 0.0, 1.0])
        axes = np.stack([right, np.sin(pitch) * ahead + np.cos(pitch) * up, np.cos(pitch) * ahead - np.sin(pitch) * up])
        rays = np.stack([picture[:, 0] * depth / focal, picture[:, 1] * depth / focal, depth], axis=1) @ axes
        place = (world - rays).mean(axis=0)
        return _Camera(axes, place, float(focal)), (world - rays - place).ravel()

    settings = np.array([0.5, np.log(525.0)])
    for _ in range(_STEPS):
        left = fitted(settings)[1]
        slope = np.stack([(fitted(settings + move)[1] - left) / 1e-6 for move in np.eye(2) * 1e-6], axis=1)
        step = np.linalg.lstsq(slope, -left, rcond=None)[0]
        settings = settings + np.clip(step, -0.3, 0.3)
        if np.abs(step).max() < 1e-9:
            break
    camera = fitted(settings)[0]
    error = float(np.abs(camera.pixels(world) - np.stack([x, y], axis=1)).max())
    if not error <= _LARGEST_ERROR:
        raise CameraError(f"the nearest camera misses the centre of an object by {error:.3g} pixels")
    return camera


def _outline(each: Mapping[str, Any]) -> Floats:
    """Points whose hull holds the object, `[n, 3]`."""
    centre = np.asarray(each["3d_coords"], dtype=np.float64)
    half = centre[2]
    around = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    ring = np.stack([np.cos(around), np.sin(around), np.zeros(64)], axis=1)
    if each["shape"] == "cube":
        turn = float(each["rotation"])
        corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
        matrix = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        return np.asarray(centre + half * corners @ matrix.T)
    if each["shape"] == "cylinder":
        return np.concatenate([centre + half * (ring + np.array([0, 0, end])) for end in (-1, 1)])
    heights = np.linspace(-1, 1, 33)
    return np.concatenate([centre + half * (ring * np.sqrt(1 - h * h) + np.array([0, 0, h])) for h in heights])

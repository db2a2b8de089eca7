"""Boxes of official CLEVR scenes: cameras and objects that are made up, projected by other code."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from lens_tasks.regions import regions_of
from lens_tasks.tasks.clevr_release import prepare
from lens_tasks.tasks.clevr_scenes import CameraError, boxes_cell, object_boxes


def look_at(place: Any, target: Any, focal: float) -> Any:
    """A camera as a 3 x 4 matrix, homogeneous."""
    forward = np.subtract(target, place) / np.linalg.norm(np.subtract(target, place))
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    rotation = np.stack([right, down, forward])
    inner = np.array([[focal, 0, 240], [0, focal, 160], [0, 0, 1]])
    return inner @ np.hstack([rotation, (-rotation @ np.asarray(place))[:, None]]), forward


def project(matrix: Any, points: Any) -> Any:
    seen = np.hstack([points, np.ones((len(points), 1))]) @ matrix.T
    return np.hstack([seen[:, :2] / seen[:, 2:], seen[:, 2:]])


def surface(shape: str, half: float, turn: float, rng: np.random.Generator) -> Any:
    """Many points on the surface of an object around the origin."""
    points = rng.normal(size=(40_000, 3))
    if shape == "sphere":
        return half * points / np.linalg.norm(points, axis=1, keepdims=True)
    if shape == "cylinder":
        sides = points[:, :2] / np.linalg.norm(points[:, :2], axis=1, keepdims=True)
        return half * np.hstack([sides, rng.choice([-1.0, 1.0], (len(points), 1))])
    cube = points / np.abs(points).max(axis=1, keepdims=True)
    cube[: 2**3] = [[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    turned = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    return half * cube @ turned


def made_scene(seed: int, count: int) -> tuple[dict[str, Any], Any]:
    """A scene as the release has it, and its boxes from the points of the surfaces."""
    rng = np.random.default_rng(seed)
    place = np.array([7.36, -6.93, 4.96]) + rng.uniform(-0.5, 0.5, 3)
    matrix, forward = look_at(place, rng.uniform(-0.3, 0.3, 3), rng.uniform(480, 560))
    ahead = forward * [1, 1, 0] / np.linalg.norm(forward[:2])
    right = np.cross(ahead, [0, 0, 1])
    directions = {"behind": ahead, "front": -ahead, "right": right, "left": -right}
    objects, boxes = [], []
    for _ in range(count):
        shape = str(rng.choice(["cube", "sphere", "cylinder"]))
        half = float(rng.choice([0.35, 0.7])) / (np.sqrt(2) if shape == "cube" else 1)
        turn = float(rng.uniform(0, 360))
        centre = np.array([*rng.uniform(-2.5, 2.5, 2), half])
        x, y, depth = project(matrix, centre[None])[0]
        seen = project(matrix, centre + surface(shape, half, turn, rng))[:, :2]
        boxes.append(np.clip([*seen.min(axis=0), *seen.max(axis=0)], 0, [480, 320, 480, 320]))
        objects.append({
            "shape": shape, "size": "large" if half > 0.4 else "small", "color": "red", "material": "metal",
            "3d_coords": centre.tolist(), "pixel_coords": [round(x), round(y), depth], "rotation": turn,
        })  # fmt: skip
    relationships = {name: [[] for _ in objects] for name in directions}
    scene = {
        "objects": objects,
        "directions": {n: v.tolist() for n, v in directions.items()},
        "relationships": relationships,
    }
    return scene | {"image_filename": "CLEVR_val_000000.png"}, np.asarray(boxes)


@pytest.mark.parametrize("seed", range(30))
def test_boxes_are_those_of_the_points_on_the_surface(seed: int) -> None:
    scene, expected = made_scene(seed, 3 + seed % 8)
    # centres are rounded to whole pixels, and the hull of points is a little smaller than the object
    np.testing.assert_allclose(object_boxes(scene), expected, atol=2.5)


def test_centres_that_fit_no_camera_give_no_boxes() -> None:
    scene, _ = made_scene(0, 6)
    scene["objects"][0]["pixel_coords"], scene["objects"][1]["pixel_coords"] = (
        scene["objects"][1]["pixel_coords"],
        scene["objects"][0]["pixel_coords"],
    )
    with pytest.raises(CameraError, match="misses the centre"):
        object_boxes(scene)


def test_roles_follow_from_the_scenes_own_relations() -> None:
    scene, _ = made_scene(3, 4)
    for number, each in enumerate(scene["objects"]):
        each["color"] = ["red", "blue", "green", "gray"][number]
    scene["relationships"]["left"][1] = [0, 3]
    steps = [("scene", [], []), ("filter_color", [0], ["blue"]), ("unique", [1], []), ("relate", [2], ["left"])]
    steps += [("count", [3], [])]
    program = [{"function": name, "inputs": inputs, "value_inputs": values} for name, inputs, values in steps]
    found = [each["role"] for each in json.loads(boxes_cell(scene, program))]
    assert found == ["asked", "anchor", "other", "asked"]


def test_the_prepared_task_has_boxes_where_the_release_has_scenes(release: Any, tmp_path: Any) -> None:
    scene, _ = made_scene(1, 5)
    questions = json.loads((release / "questions" / "CLEVR_val_questions.json").read_text())["questions"]
    scene["image_filename"] = questions[0]["image_filename"]
    (release / "scenes").mkdir()
    (release / "scenes" / "CLEVR_val_scenes.json").write_text(json.dumps({"scenes": [scene]}))
    rows = pq.read_table(prepare(release, tmp_path / "out")).to_pylist()
    with_boxes = [row for row in rows if row["image_filename"] == scene["image_filename"]]
    assert with_boxes
    usable = [regions_of("clevr", row).placed([(480, 320)]) for row in with_boxes if row["lens_boxes"]]
    assert usable and all(len(each) == 5 for each in usable)
    assert not any(row["lens_boxes"] for row in rows if row not in with_boxes)

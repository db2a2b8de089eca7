"""Boxes of solids: against what changes in the picture when a solid is painted in another colour."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from scenes.test_build import FOLDER

from lens_tasks.regions import regions_of
from lens_tasks.scenes.boxes import referents, visible_boxes
from lens_tasks.scenes.questions import Noun, Phrase, Question
from lens_tasks.scenes.render import render
from lens_tasks.scenes.sample import sample_pair, sample_scene
from lens_tasks.scenes.world import Scene, Solid


def repainted(scene: Scene, index: int) -> Scene:
    other = "yellow" if scene.solids[index].color != "yellow" else "purple"
    solids = [replace(solid, color=other) if i == index else solid for i, solid in enumerate(scene.solids)]
    return replace(scene, solids=tuple(solids))


@pytest.mark.parametrize("seed", range(20, 32))
def test_a_box_holds_the_pixels_that_show_the_solid(seed: int) -> None:
    for scene in (sample_scene(seed), sample_pair(seed)[1]):
        for index, (left, top, right, bottom) in enumerate(visible_boxes(scene)):
            changed = (render(scene) != render(repainted(scene, index))).any(axis=2)
            rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
            seen = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
            # the picture is averaged over four sample points a pixel, the box over two
            np.testing.assert_allclose((left, top, right, bottom), seen, atol=1)


def solid(size: str, color: str, shape: str, x: float) -> Solid:
    return Solid(size, color, "metal", shape, x, 0.0)


SCENE = Scene(
    (solid("large", "red", "cube", -0.5), solid("small", "red", "cube", 0.0), solid("small", "blue", "sphere", 0.5)),
    1.0,
)


BESIDE = Phrase(Noun(size="small"), "left", Phrase(Noun(shape="sphere")))
RED, LARGE = Phrase(Noun(color="red")), Phrase(Noun(size="large"))


@pytest.mark.parametrize(
    ("question", "asked", "anchors"),
    [
        (Question("exist", (Phrase(Noun(color="red")),)), {0, 1}, set()),
        (Question("exist", (Phrase(Noun(color="green")),)), set(), set()),
        (Question("count", (Phrase(Noun(shape="sphere")),)), {2}, set()),
        (Question("query_attribute", (Phrase(Noun(size="large")),), "color"), {0}, set()),
        (Question("query_attribute", (BESIDE,), "shape"), {1}, {2}),
        (Question("compare_integer", (RED, Phrase(Noun(shape="sphere"))), "greater"), {0, 1, 2}, set()),
        (Question("compare_attribute", (LARGE, Phrase(Noun(color="blue"))), "color"), {0, 2}, set()),
    ],
)
def test_which_solids_a_question_is_about(question: Question, asked: set[int], anchors: set[int]) -> None:
    assert referents(question, SCENE) == (asked, anchors)


@pytest.mark.parametrize("name", ["pope_mini", "clevr_mini", "ruclevr_mini", "weird_mini", "reasoning_mini"])
def test_every_shipped_document_has_usable_boxes(name: str) -> None:
    rows = pq.read_table(FOLDER / f"{name}.parquet").to_pylist()
    roles = set()
    for row in rows:
        placed = regions_of(name, row).placed([(64, 64)])
        assert len(placed) == len(json.loads(row["lens_boxes"])) >= 3
        roles |= {each.role for each in placed}
    assert roles == ({"asked", "other"} if name in ("pope_mini", "weird_mini") else {"asked", "anchor", "other"})


def test_popes_absent_objects_have_no_box_and_present_ones_are_what_is_asked_for() -> None:
    for row in pq.read_table(FOLDER / "pope_mini.parquet").to_pylist():
        regions = regions_of("pope_mini", row)
        asked = [each.label for each in regions.placed([(64, 64)]) if each.role == "asked"]
        assert bool(asked) == (row["answer"] == "yes")
        assert all(set(regions.words) <= set(label.split()) for label in asked)

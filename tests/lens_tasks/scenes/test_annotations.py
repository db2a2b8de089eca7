"""The tracks of videos against the pixels that the renderer draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lens_tasks.scenes.clips.annotations import track_rows
from lens_tasks.scenes.clips.clip import FRAMES
from lens_tasks.scenes.clips.perception import FAMILIES, clip_of
from lens_tasks.scenes.render import render
from lens_tasks.scenes.world import Scene


def shown(scene, index):
    """Bool [64, 64]: pixels that change when the solid is painted otherwise, which is where it is seen."""
    solid = scene.solids[index]
    other = replace(solid, color="yellow" if solid.color != "yellow" else "blue")
    painted = Scene((*scene.solids[:index], other, *scene.solids[index + 1 :]), scene.tone)
    return (render(scene) != render(painted)).any(axis=-1)


@pytest.mark.parametrize("family", FAMILIES)
def test_boxes_and_shares_are_those_of_the_pixels(family):
    """The outermost pixels are covered in part only, and may not change: a pixel of slack at each side."""
    for place in (0, -1):
        clip = clip_of(family, FAMILIES[family][0].PLANS[place], 3)
        for number, row in enumerate(track_rows(clip)):
            assert row["frame_ids"] == [f for f in range(FRAMES) if clip.actors[number].states[f] is not None]
            assert row["timestamps"] == [500_000 * frame for frame in row["frame_ids"]]
            for frame, box, masked, share in zip(
                row["frame_ids"], row["bounding_boxes"], row["is_masked"], row["visible"], strict=True
            ):
                scene, indices = clip.frame(frame)
                pixels = shown(scene, indices.index(number))
                alone = shown(Scene((clip.actors[number].states[frame],), 1.0), 0)
                rows, columns = np.nonzero(alone)
                edges = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
                assert np.abs(edges - 64 * np.array(box)).max() <= 1
                # pixels at the rim of what is seen count as seen whole, in both numbers
                assert pixels.sum() / alone.sum() == pytest.approx(share, abs=0.12)
                assert masked == (share == 0.0)
                assert not masked or pixels.sum() <= 2

import numpy as np
import pytest

from lens_tasks.scenes.render import render, visible_fractions
from lens_tasks.scenes.sample import FEWEST, LEAST_VISIBLE, MOST, break_rule, sample_pair, sample_scene
from lens_tasks.scenes.world import COLOURS, MATERIALS, SHAPES, SIZES, VIOLATIONS, Scene, Solid


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [sample_scene(seed) for seed in range(60)]


def test_different_seeds_give_different_pictures(scenes):
    assert len({render(scene).tobytes() for scene in scenes}) == len(scenes)


def test_number_of_solids_covers_the_range(scenes):
    assert {len(scene.solids) for scene in scenes} == set(range(FEWEST, MOST + 1))


def test_every_attribute_value_occurs(scenes):
    solids = [solid for scene in scenes for solid in scene.solids]
    for name, values in (("size", SIZES), ("color", COLOURS), ("material", MATERIALS), ("shape", SHAPES)):
        assert {solid.value(name) for solid in solids} == set(values)


def test_every_solid_is_visible_and_some_overlap(scenes):
    parts = [visible_fractions(scene) for scene in scenes]
    assert min(min(part) for part in parts) >= LEAST_VISIBLE
    assert sum(min(part) < 0.95 for part in parts) >= len(scenes) // 4


def test_every_solid_changes_the_picture(scenes):
    """Independent of the visibility mask: taking a solid away changes pixels in the colour of its place."""
    for scene in scenes[:12]:
        whole = render(scene).astype(int)
        for index in range(len(scene.solids)):
            rest = Scene(scene.solids[:index] + scene.solids[index + 1 :], scene.tone)
            changed = np.abs(whole - render(rest).astype(int)).max(axis=-1) > 20
            assert changed.sum() >= 12


def test_colour_of_a_lone_solid_is_recognisable():
    seen = {}
    for color in COLOURS:
        scene = Scene((Solid("large", color, "rubber", "cube", 0.0, 0.0),), 1.0)
        picture = render(scene).astype(int)
        empty = render(Scene((), 1.0)).astype(int)
        inside = np.abs(picture - empty).max(axis=-1) > 40
        seen[color] = picture[inside].mean(axis=0)
    assert seen["red"].argmax() == 0 and seen["green"].argmax() == 1 and seen["blue"].argmax() == 2
    names = list(seen)
    for i, one in enumerate(names):
        for two in names[i + 1 :]:
            assert np.abs(seen[one] - seen[two]).max() > 15, (one, two)


@pytest.mark.parametrize("attribute", ["shape", "size", "material"])
def test_each_attribute_shows(attribute):
    base = {"size": "large", "color": "red", "material": "metal", "shape": "cube", "x": 0.0, "y": 0.0}
    values = {"shape": SHAPES, "size": SIZES, "material": MATERIALS}[attribute]
    pictures = [render(Scene((Solid(**(base | {attribute: value})),), 1.0)).astype(int) for value in values]
    for i, one in enumerate(pictures):
        for two in pictures[i + 1 :]:
            assert (np.abs(one - two).max(axis=-1) > 20).sum() >= 10


def test_pairs_differ_only_in_the_broken_rule():
    for seed in range(8):
        normal, strange = sample_pair(seed)
        assert normal.solids == strange.solids and normal.tone == strange.tone
        assert normal.violation is None and strange.violation is not None
        assert strange.violation.rule == VIOLATIONS[seed % len(VIOLATIONS)]
        assert len(strange.violation.members) >= 2
        assert min(visible_fractions(strange)) >= LEAST_VISIBLE
        differing = np.abs(render(normal).astype(int) - render(strange).astype(int)).max(axis=-1) > 8
        assert differing.sum() >= 15


def test_shadow_rules_move_darkness_to_the_left():
    solid = Solid("large", "red", "rubber", "sphere", 0.0, 0.4)
    normal = Scene((solid,), 1.0)
    empty = render(Scene((), 1.0)).astype(int).sum(axis=-1)

    def shaded(scene: Scene) -> tuple[int, int]:
        darker = empty - render(scene).astype(int).sum(axis=-1) > 60
        return int(darker[45:, :22].sum()), int(darker[45:, 42:].sum())

    other = Scene((solid, Solid("small", "red", "rubber", "cube", -0.9, -0.9)), 1.0)
    assert shaded(normal)[1] > shaded(normal)[0]
    for seed in range(20):
        strange = break_rule(other, "shadow_wrong_side", seed)
        if strange is not None:
            assert shaded(strange)[0] > shaded(strange)[1]
            return
    raise AssertionError("no strange counterpart found")


def test_unknown_rule_is_named():
    with pytest.raises(ValueError, match="unknown rule 'upside_down': expected one of shadow_missing"):
        break_rule(sample_scene(0), "upside_down", 0)

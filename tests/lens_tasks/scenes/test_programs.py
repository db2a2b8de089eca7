import numpy as np
import pytest
from reference import chosen, reference_answer

from lens_tasks.scenes.ask import draw_question
from lens_tasks.scenes.execution import DegenerateQuestion
from lens_tasks.scenes.programs import ANSWERS, Step, answer, compile_question, run
from lens_tasks.scenes.questions import FAMILIES, Noun, Phrase, Question
from lens_tasks.scenes.sample import sample_scene
from lens_tasks.scenes.world import Scene, Solid, related

ROW = Scene(
    (
        Solid("large", "red", "metal", "cube", -0.5, 0.0),
        Solid("small", "red", "rubber", "sphere", 0.0, 0.5),
        Solid("small", "blue", "metal", "cube", 0.5, -0.5),
    ),
    1.0,
)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hops", [0, 1, 2, 3])
def test_program_and_independent_reading_agree(family, hops):
    rng = np.random.default_rng((hops, FAMILIES.index(family)))
    checked = 0
    for seed in range(25):
        scene = sample_scene(1000 + seed)
        for _ in range(4):
            drawn = draw_question(rng, scene, family, hops)
            if drawn is not None:
                assert drawn[1] == reference_answer(drawn[0], scene)
                assert drawn[1] in ANSWERS
                checked += 1
    assert checked >= 60


def test_hand_made_answers():
    left_of_blue = Phrase(Noun(), "left", Phrase(Noun(color="blue")))
    behind_large = Phrase(Noun(shape="cube"), "behind", Phrase(Noun(size="large")))
    same = Phrase(Noun(), "same_color", Phrase(Noun(shape="sphere")))
    cases = [
        (Question("count", (left_of_blue,)), "2"),
        (Question("exist", (Phrase(Noun(color="red", shape="cylinder")),)), "no"),
        (Question("count", (same,)), "1"),
        (Question("query_attribute", (Phrase(Noun(shape="sphere")),), "material"), "rubber"),
        (Question("query_attribute", (behind_large,), "color"), "blue"),
        (Question("compare_integer", (Phrase(Noun(color="red")), Phrase(Noun(color="blue"))), "greater"), "yes"),
        (Question("compare_integer", (Phrase(Noun(color="red")), Phrase(Noun(shape="cube"))), "equal"), "yes"),
        (Question("compare_attribute", (Phrase(Noun(size="large")), Phrase(Noun(color="blue"))), "shape"), "yes"),
    ]
    for question, expected in cases:
        assert answer(question, ROW) == expected


def test_program_spelling_is_clevrs():
    question = Question(
        "count", (Phrase(Noun(color="red", shape="cube"), "left", Phrase(Noun(size="small", color="blue"))),)
    )
    assert [(s["function"], s["inputs"], s["value_inputs"]) for s in compile_question(question)] == [
        ("scene", [], []),
        ("filter_size", [0], ["small"]),
        ("filter_color", [1], ["blue"]),
        ("unique", [2], []),
        ("relate", [3], ["left"]),
        ("filter_color", [4], ["red"]),
        ("filter_shape", [5], ["cube"]),
        ("count", [6], []),
    ]


def test_vocabulary_is_clevrs_28():
    assert len(ANSWERS) == len(set(ANSWERS)) == 28


def test_ambiguous_phrase_is_degenerate():
    question = Question("query_attribute", (Phrase(Noun(color="red")),), "shape")
    with pytest.raises(DegenerateQuestion, match="needs exactly one object, found 2"):
        answer(question, ROW)


def test_unknown_function_and_relation_are_named():
    scene_step = Step(inputs=[], function="scene", value_inputs=[])
    with pytest.raises(ValueError, match="unknown function 'paint'"):
        run([scene_step, Step(inputs=[0], function="paint", value_inputs=[])], Scene(ROW.solids[:1], 1.0))
    with pytest.raises(ValueError, match="unknown relation 'above': expected one of left"):
        related(ROW.solids[0], ROW.solids[1], "above")


def test_anchors_are_needed_for_query_questions():
    """Without its anchor a one-hop question would not have a single answer."""
    rng = np.random.default_rng(5)
    seen = 0
    for seed in range(40):
        scene = sample_scene(seed)
        drawn = draw_question(rng, scene, "query_attribute", 1)
        if drawn is not None and drawn[0].phrases[0].anchor is not None:
            bare = Phrase(drawn[0].phrases[0].noun)
            assert len(chosen(bare, scene)) >= 2
            seen += 1
    assert seen >= 20


def test_query_never_names_what_it_asks_for():
    rng = np.random.default_rng(6)
    for seed in range(40):
        drawn = draw_question(rng, sample_scene(seed), "query_attribute", seed % 3)
        if drawn is not None:
            assert drawn[0].detail not in dict(drawn[0].phrases[0].noun.pairs())

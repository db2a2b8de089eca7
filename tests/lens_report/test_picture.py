"""Where in the picture, on runs whose maps are planted: figures, claims, corrections, what is not measured."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blank_figures import blank_figures
from pictured import CELLS, FLOORS, MAP_LAYERS, TOKENS, Pictured, lift_of, pictured, write_pictured
from sklearn.metrics import roc_auc_score
from synthetic import QUICK

from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import box_figures, covered, in_boxes, null_boxes
from lens_report import build_report
from lens_report.measures import Picture, analyse_task_run
from lens_report.measures.curves import ALL
from lens_report.measures.picture import picture
from lens_report.measures.picture.contrasts import (
    ABOVE_NULL,
    DROP,
    LIFT,
    NULL_BOXES,
    PREFIX,
    RANDOM,
    Contrast,
    contrast,
)
from lens_report.measures.picture.hallucination import MIN_ABSENT, NLL
from lens_report.measures.picture.layers import RECORDED
from lens_report.measures.picture.places import lifts, shares_by_picture
from lens_report.measures.prediction import prediction
from lens_report.measures.task_run import TaskRun
from lens_report.presentation.figures.picture import TITLES
from lens_report.presentation.figures.picture import lift_by_layer as draw_lift_by_layer
from lens_report.presentation.findings.hallucination import beats
from lens_report.presentation.findings.in_boxes import MAPS
from lens_report.presentation.findings.picture import picture_blocks
from lens_report.stats import Clusters, paired


def found_in(task_run: TaskRun) -> Picture:
    found = picture(task_run)
    assert found is not None
    return found


def one_of(found: Picture, of: str, measure: str, against: str, group: str = ALL) -> Contrast:
    (one,) = (
        each
        for each in found.contrasts
        if (each.of, each.measure, each.against, each.group) == (of, measure, against, group)
    )
    return one


def said(task_run: TaskRun) -> str:
    blocks = picture_blocks(analyse_task_run(task_run, QUICK))
    return " ".join(sentence.text for block in blocks for sentence in getattr(block, "sentences", ()))


def test_figures_are_those_that_were_planted(tmp_path: Path) -> None:
    task_run = pictured(tmp_path)
    found = found_in(task_run)
    assert found.n == 160
    lift = one_of(found, "words", LIFT, NULL_BOXES)
    frame = task_run.frame
    own, null = frame["gold_based.word_box_lift"], frame["gold_based.null_word_box_lift"]
    expected = paired(null, own, frame["cluster"])
    assert lift.own.value == pytest.approx(np.mean([lift_of(floor) for floor in FLOORS]))
    assert (lift.difference, lift.p) == (expected.difference, expected.p_value)
    right = one_of(found, "words", LIFT, NULL_BOXES, "right answers")
    assert right.difference.value == pytest.approx((own - null)[frame["correct"].astype(bool)].mean())
    assert one_of(found, "boxes", DROP, RANDOM).difference.value == pytest.approx(
        (frame["gold_based.causal_drop"] - 0.5).mean()
    )
    assert one_of(found, "boxes", DROP, NULL_BOXES).other.value == pytest.approx(1.0)


def test_all_tests_of_the_section_are_corrected_together(tmp_path: Path) -> None:
    found = found_in(pictured(tmp_path))
    others = [one.contrast for one in found.other_question.values() if one.contrast is not None]
    assert found.hallucination is not None
    tests = [*found.contrasts, *others, *found.hallucination.detectors]
    assert len({one.name for one in tests}) == len(tests)
    tested = sorted((one for one in tests if one.p is not None), key=lambda one: one.p or 0.0)
    assert found.n_tests == len(tested) > 10
    assert tested[0].p_holm == pytest.approx(min(1.0, len(tested) * (tested[0].p or 0.0)))
    assert all((one.p_holm or 0.0) >= (one.p or 0.0) for one in tested)


def test_right_and_wrong_answers_are_held_against_each_other(tmp_path: Path) -> None:
    task_run = pictured(tmp_path)
    found = found_in(task_run)
    frame = task_run.frame
    above = (frame["gold_based.word_box_lift"] - frame["gold_based.null_word_box_lift"]).to_numpy()
    right = frame["correct"].to_numpy(dtype=bool)
    one = one_of(found, "words", ABOVE_NULL, "wrong answers", "right answers")
    assert one.difference.value == pytest.approx(above[right].mean() - above[~right].mean())
    assert (one.own.n, one.other.n) == (right.sum(), (~right).sum())
    assert one.p is not None and one.p > 0.01 and "no difference could be shown" in said(task_run)


def test_a_group_of_all_samples_is_no_second_test(tmp_path: Path) -> None:
    found = found_in(pictured(tmp_path, absent=0.0))
    assert {one.group for one in found.contrasts} == {ALL}


def test_lift_by_layer(tmp_path: Path) -> None:
    (by_layer,) = found_in(pictured(tmp_path)).by_layer
    assert by_layer.of == "words" and by_layer.layers.tolist() == list(MAP_LAYERS) and by_layer.n == 160
    np.testing.assert_allclose(by_layer.own.mean, [1, 1, 2, 2], atol=0.05)
    assert (by_layer.null.mean == 1).all()
    assert [p is not None and p < 0.001 for p in by_layer.p_holm] == [False, False, True, True]


def test_every_kind_of_map_has_its_names(tmp_path: Path) -> None:
    (by_layer,) = found_in(pictured(tmp_path)).by_layer
    kinds = list(PREFIX)
    assert set(kinds) == set(MAPS) == set(TITLES) >= set(RECORDED)
    figure = draw_lift_by_layer([replace(by_layer, of=of) for of in kinds], 8)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [TITLES[of] for of in kinds]
    script = files("lens_report").joinpath("presentation/explorer/script/picture.js").read_text(encoding="utf-8")
    named = re.findall(r'("[a-z ]+"|[a-z]+): "([a-z]*_?)"[,\s}]', script)
    assert {(kind.strip('"'), prefix) for kind, prefix in named} >= set(PREFIX.items())


def test_the_map_of_another_question_in_this_questions_boxes(tmp_path: Path) -> None:
    found = found_in(pictured(tmp_path)).other_question
    for of in ("words", "attention"):
        one = found[of]
        assert one.contrast is not None and (one.n_maps, one.left_out) == (160, {})
        assert one.contrast.own.value == pytest.approx(np.mean([lift_of(floor) for floor in FLOORS]))
        assert one.contrast.other.value == pytest.approx(np.mean([floor * lift_of(floor) for floor in FLOORS]))


def test_nearness_is_a_map_of_its_own(tmp_path: Path) -> None:
    found = found_in(pictured(tmp_path))
    assert one_of(found, "nearness", LIFT, NULL_BOXES).own.value == TOKENS
    near = found.other_question["nearness"]
    assert near.left_out == {} and near.contrast is not None and near.contrast.other.value == 0


def test_maps_that_are_not_all_stored_are_left_out_with_the_reason(tmp_path: Path) -> None:
    found = found_in(pictured(tmp_path, layers=(8,))).other_question
    assert found["words"].left_out == {}, "the largest values over all layers are stored"
    assert found["attention"].contrast is None
    assert found["attention"].left_out == {"not all layers of its map were stored": 160}


def test_a_stored_map_with_another_lift_than_recorded_is_left_out(tmp_path: Path) -> None:
    task_run = pictured(tmp_path, changes={"gold_based": {"word_box_lift": 7.0}})
    assert found_in(task_run).other_question["words"].left_out == {"its stored map has another lift": 160}


def test_questions_about_the_same_box_are_no_others(tmp_path: Path) -> None:
    task_run = pictured(tmp_path, per_image=1)
    assert found_in(task_run).other_question == {}


@pytest.mark.parametrize(
    ("drop", "sentence"),
    [
        (0.0, "looks right and moves nothing that could be shown"),
        (1.0, "beats its null (lift), and the answer depends on the image tokens of"),
    ],
)
def test_a_map_that_beats_its_null_is_judged_by_its_mask(tmp_path: Path, drop: float, sentence: str) -> None:
    assert f"words' map {sentence}" in said(pictured(tmp_path, drop=drop))


def test_a_map_like_its_null_is_not_called_right(tmp_path: Path) -> None:
    text = said(pictured(tmp_path))
    assert "attention map looks right" not in text
    assert text.count("no difference could be shown") >= 1


def test_few_pictures_allow_no_claim(tmp_path: Path) -> None:
    text = said(pictured(tmp_path, images=8, drop=1.0))
    assert "no interval: 8 clusters, at least 10 are needed" in text
    assert "beats its null" not in text and "looks right" not in text and "depends on" not in text


def test_what_was_not_measured_is_counted_with_its_reason(tmp_path: Path) -> None:
    found = {(one.probe, one.status): (one.n, one.reason) for one in found_in(pictured(tmp_path)).unmeasured}
    assert found == {("boxes", "no_null_box"): (40, "nowhere else 0")}
    bare = pictured(tmp_path / "bare", changes={"probe_status": {"image_tokens": "failed: no memory"}})
    assert [(one.status, one.n) for one in found_in(bare).unmeasured] == [("failed", 160)]


def test_answers_about_absent_objects(tmp_path: Path) -> None:
    task_run = pictured(tmp_path, informative=2.0)
    found = found_in(task_run).hallucination
    assert found is not None and (found.positive, found.n) == ("yes", 160)
    frame = task_run.frame
    absent = ~frame["correct"].astype(bool)
    assert found.n_absent == absent.sum()
    by_name = {one.column: one for one in (*found.baselines, *found.detectors)}
    confidence = by_name["label_free.image_confidence"]
    assert confidence.auroc.value == pytest.approx(roc_auc_score(absent, -frame["label_free.image_confidence"]))
    nll = -task_run.stack("logprob_pred")[:, -1]
    assert by_name[NLL].auroc.value == pytest.approx(roc_auc_score(absent, nll))
    best = max(found.baselines, key=lambda one: one.auroc.value or 0.0)
    assert found.best == best.column and confidence.over_best is not None
    assert confidence.over_best.value == pytest.approx((confidence.auroc.value or 0) - (best.auroc.value or 0))
    assert [one.column for one in found.detectors if beats(one)] == ["label_free.image_confidence"]


def test_a_figure_that_points_the_other_way_is_not_turned_over(tmp_path: Path) -> None:
    found = found_in(pictured(tmp_path, informative=-2.0)).hallucination
    assert found is not None
    turned = next(one for one in found.detectors if one.column == "label_free.image_confidence")
    assert (turned.auroc.value or 1) < 0.2 and not beats(turned)


def test_too_few_absent_objects_say_nothing(tmp_path: Path) -> None:
    found = found_in(pictured(tmp_path, absent=0.05)).hallucination
    assert found is not None and found.n_absent < MIN_ABSENT
    assert (found.detectors, found.baselines) == ((), ()) and str(MIN_ABSENT) in found.why_none


def test_other_tasks_have_no_such_table(tmp_path: Path) -> None:
    assert found_in(pictured(tmp_path, changes={"binary": None})).hallucination is None


def test_figures_of_the_picture_are_ranked_as_predictors_of_error(tmp_path: Path) -> None:
    ranking = prediction(pictured(tmp_path), QUICK).ranking
    assert ranking is not None
    columns = {one.column for one in ranking.predictors}
    assert {"label_free.image_confidence", "label_free.svar", "label_free.word_drop"} <= columns


@pytest.mark.parametrize("sinks", [0.0, 2.0])
def test_figures_without_sinks_are_shown_where_there_are_sinks(tmp_path: Path, sinks: float) -> None:
    """Without any they repeat those of the whole map, and would be corrected for as further tests."""
    free = {"attention_sinks": sinks, "sinkless_svar": 0.5, "svar": 0.7, "relative_attention_entropy": 1.0}
    gold = {
        f"{null}{kind}box_lift": 2.0 - len(null) / 5 for kind in ("sinkless_", "relative_") for null in ("", "null_")
    }
    task_run = pictured(tmp_path, changes={"label_free": {"final_margin": 1.0, **free}, "gold_based": gold})
    found = found_in(task_run)
    expected = {"relative attention", *(["attention without sinks"] if sinks else [])}
    assert {one.of for one in found.contrasts} == expected
    assert one_of(found, "relative attention", LIFT, NULL_BOXES).own.value == pytest.approx(2.0)
    assert ("attention map without sinks" in said(task_run)) == (sinks > 0) and "relative attention map" in said(
        task_run
    )
    ranking = prediction(task_run, QUICK).ranking
    assert ranking is not None
    columns = {one.column for one in ranking.predictors}
    assert ("label_free.sinkless_svar" in columns) == (sinks > 0) and "label_free.svar" in columns


def test_a_run_without_these_probes_has_the_report_that_it_had(tmp_path: Path) -> None:
    task_run = pictured(tmp_path / "run", probes=False)
    assert picture(task_run) is None
    absent = prediction(task_run, QUICK).absent
    assert "label_free.visual_gain" in absent and not {"label_free.image_confidence", "label_free.svar"} & set(absent)
    with blank_figures():
        report = build_report(tmp_path / "run", tmp_path / "report", draws=QUICK)
    assert "in the picture" not in report.markdown.read_text(encoding="utf-8")
    assert "picture" not in json.loads(report.stats.read_text(encoding="utf-8"))["results"][0]


def test_the_report_of_two_tasks(tmp_path: Path) -> None:
    plan = Pictured(images=12, informative=1.0)
    write_pictured(tmp_path / "run", plan, replace(plan, task="clevr_mini"))
    report = build_report(tmp_path / "run", tmp_path / "report", draws=QUICK)
    text = report.markdown.read_text(encoding="utf-8")
    for title in (
        "### Where in the picture",
        "### Answers about what is absent",
        "## Where in the picture, task by task",
    ):
        assert f"{title}\n" in text
    assert "cause" not in text.replace("never that it causes them", "")
    drawn = {path.stem for path in report.figures if path.suffix == ".png" and path.stat().st_size > 2000}
    assert {"lift_by_layer", "own_and_null", "lift_over_tasks"} <= drawn


def image_tokens(rng: np.random.Generator) -> ImageTokens:
    """A picture shown whole and in pieces with a border, and a second one."""
    border = np.array([[-0.1, -0.1, 0.2, 0.2], [-0.3, 0.0, -0.1, 0.5]])
    boxes = np.vstack([CELLS, CELLS / 2, CELLS / 2 + 0.5, border, CELLS]).astype(np.float32)
    image = np.repeat([0, 1], [len(boxes) - TOKENS, TOKENS])
    return ImageTokens(np.arange(len(boxes)), image, boxes)


def test_places_agree_with_the_engine() -> None:
    rng = np.random.default_rng(0)
    tokens = image_tokens(rng)
    for _ in range(20):
        corners = np.sort(rng.random((3, 2, 2)), axis=1)
        boxes = np.hstack([corners[:, 0], corners[:, 1]])
        numbers = np.array([0, 0, 1])
        by_picture = {0: [tuple(box) for box in boxes[:2]], 1: [tuple(boxes[2])]}
        inside = shares_by_picture(tokens.boxes.astype(float), tokens.image.astype(float), boxes, numbers)  # type: ignore[union-attr]
        np.testing.assert_allclose(inside, in_boxes(tokens, by_picture), atol=1e-9)  # type: ignore[arg-type]
        seen = tokens.inside() > 0
        maps = rng.random((2, len(tokens)))
        expected = box_figures(maps, covered(tokens, by_picture)).lift  # type: ignore[arg-type]
        np.testing.assert_allclose(lifts(maps[:, seen], inside[seen, None])[:, 0], expected, rtol=1e-9)


def scenes(n_images: int, per_image: int, side: int) -> Any:
    """Boxes and their null boxes on a grid: shares of tokens [n, 1 + nulls, tokens], with the image of each."""
    rng = np.random.default_rng(1)
    edges = np.linspace(0, 1, side + 1)
    grid = np.array([(edges[c], edges[r], edges[c + 1], edges[r + 1]) for r in range(side) for c in range(side)])
    tokens = ImageTokens(np.arange(side**2), np.zeros(side**2, np.int64), grid.astype(np.float32))
    inside, image = [], []
    for number in range(n_images):
        for _ in range(per_image):
            centre, half = rng.uniform(0.2, 0.8, 2), rng.uniform(0.08, 0.15, 2)
            box = tuple(np.concatenate([centre - half, centre + half]))
            nulls = null_boxes([box], (64, 64), rng, 6)  # type: ignore[list-item]
            if len(nulls) == 6:
                inside.append([tokens.overlap(each) for each in ([box], *nulls)])  # type: ignore[list-item]
                image.append(number)
    return np.array(inside), np.array(image), grid


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_maps_that_know_nothing_beat_their_nulls_at_the_nominal_rate() -> None:
    """POPE's 500 pictures with up to 9 questions each; maps fall off from the centre and are alike within a picture."""
    inside, image, grid = scenes(500, 9, 8)
    area = inside.mean(axis=2)
    centre = np.exp(-4 * (((grid[:, :2] + grid[:, 2:]) / 2 - 0.5) ** 2).sum(axis=1))
    clusters, everything = Clusters.of(image), np.ones(image.size, dtype=bool)
    rejected = 0
    runs = 600
    for seed in range(runs):
        rng = np.random.default_rng([7, seed])
        shared = rng.exponential(size=(image.max() + 1, len(grid)))[image]
        maps = centre * (shared + rng.exponential(size=(image.size, len(grid))))
        found = np.einsum("nt,nkt->nk", maps, inside) / maps.sum(axis=1)[:, None] / area
        (one,) = contrast(
            ("words", LIFT, NULL_BOXES, ALL), found[:, 0], found[:, 1:].mean(axis=1), clusters, everything
        )
        rejected += one.p is not None and one.p < 0.05
    assert 0.03 <= rejected / runs <= 0.07

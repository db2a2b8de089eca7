"""The shifted sets, the variants of the model, and the page made of their answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from experiments.shifts.models import BUNDLED, FINAL_NORM, FOLDER, MODELS, WEIGHTS
from experiments.shifts.run import OUT
from experiments.shifts.sets import SAMPLES, SETS
from experiments.shifts.table import PAGE, error_table, inputs, layers, placed
from lens_report.measures.unlabelled import COLUMNS, LABELS
from lens_report.stats.label_free import LEFT_OUT, METHODS, compare_errors, held_out


def test_there_are_sets_and_models_enough():
    assert len({one.name for one in SETS}) == len(SETS) >= 12
    assert len({one.name for one in MODELS}) == len(MODELS) >= 6


@pytest.mark.parametrize("one", SETS, ids=lambda one: one.name)
def test_a_set_is_the_same_every_time_and_only_its_pictures_are_changed(one):
    first, second = one.questions(), one.questions()
    assert len(first) == SAMPLES
    for a, b in zip(first, second, strict=True):
        assert a["image"].tobytes() == b["image"].tobytes()
        assert {k: v for k, v in a.items() if k != "image"} == {k: v for k, v in b.items() if k != "image"}
        assert a["gold"] in a["candidates"]
        assert a["image"].size == (64, 64)
    if one.change is not None:
        plain = type(one)(one.name, one.about, one.prompt, None, one.start).questions()
        assert all(a["image"].tobytes() != b["image"].tobytes() for a, b in zip(first, plain, strict=True))
        assert [a["question"] for a in first] == [b["question"] for b in plain]


HALF = 2.0**-11
"""Rounding of float16, in which the bundled weights are stored and added up."""


def exact(file):
    """Weights in double precision."""
    return {name: value.astype(np.float64) for name, value in load_file(file).items()}


def test_variants_change_the_weights_that_they_say(tmp_path):
    bundled = {name: exact(FOLDER / name / WEIGHTS) for name in BUNDLED}
    plain = bundled["lens_tiny"]
    made = {one.name: exact(one.write(tmp_path) / WEIGHTS) for one in MODELS}
    assert all(set(weights) == set(plain) for weights in made.values())
    changed = {name: {key for key in plain if not np.array_equal(plain[key], own[key])} for name, own in made.items()}
    assert changed["lens_tiny"] == set()
    assert changed["sharp"] == {FINAL_NORM}
    np.testing.assert_allclose(made["sharp"][FINAL_NORM], 1.5 * plain[FINAL_NORM], rtol=HALF)
    for key in plain:
        both = (plain[key] + bundled["lens_tiny_video"][key]) / 2
        np.testing.assert_allclose(made["halfway"][key], both, rtol=3 * HALF, atol=HALF)
    for name, strength in (("noise_50", 0.5), ("noise_65", 0.65), ("noise_80", 0.8)):
        assert all("layers" in key and "visual" not in key and plain[key].ndim == 2 for key in changed[name])
        for key in changed[name]:
            noise = made[name][key] - plain[key]
            assert noise.std() == pytest.approx(strength * plain[key].std(), rel=0.05)


@pytest.fixture(scope="module")
def kept():
    return pd.read_parquet(OUT)


def test_the_kept_answers_hold_what_a_predictor_may_see_and_the_labels(kept):
    assert set(kept) == {*COLUMNS, *LABELS, "model", "set"}
    assert set(kept["model"]) <= {one.name for one in MODELS}
    assert set(kept["set"]) == {one.name for one in SETS}
    assert kept["model"].nunique() >= 6
    assert OUT.stat().st_size < 1_000_000


def test_the_tables_are_made_of_the_kept_answers(kept):
    some = kept[kept["set"].isin(["pope", "pope_hue", "clevr"]) & kept["model"].isin(["lens_tiny", "sharp", "halfway"])]
    sets = placed(some)
    assert len(sets) == 9
    found = held_out(sets, LEFT_OUT["model"][1], [METHODS["doc"], METHODS["mean"], METHODS["cot"]])
    table = "\n".join(error_table(compare_errors(found)))
    assert f"{100 * np.abs(found.predicted['doc'] - found.accuracy).mean():.1f} %" in table
    right = some[(some["model"] == "sharp") & (some["set"] == "pope_hue")]["right"].mean()
    assert f"{100 * right:.1f} %" in "\n".join(inputs(sets))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_page_says_what_the_tests_say(kept):
    found = {left_out: held_out(placed(kept), speaks) for left_out, (_, speaks) in LEFT_OUT.items()}
    assert "\n".join(layers(found)).strip() in PAGE.read_text(encoding="utf-8")

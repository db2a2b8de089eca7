from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from transformers import PreTrainedModel

from lens_engine.model_arguments import ModelArguments
from lens_engine.options import LENS_ARGUMENTS, parse_layers, take_lens_options
from lens_models import LensArgumentError
from lens_models.interventions.words import INTERVENTIONS


@pytest.mark.parametrize(
    ("value", "layers"),
    [
        *(("all", None), (" ALL ", None), (None, None), (7, (7,)), ("7", (7,)), ("0", (0,)), ("4-4", (4,))),
        *(("0+4-6+24", (0, 4, 5, 6, 24)), (" 0 + 4 - 6 ", (0, 4, 5, 6)), ("4-6+2", (2, 4, 5, 6))),
        *(([3, 1], (1, 3)), (["0", "4-5"], (0, 4, 5))),
    ],
)
def test_layers_are_numbers_and_ranges(value: object, layers: tuple[int, ...] | None) -> None:
    assert parse_layers(value) == layers


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "1,2", "4-", "-4", "0-", "a", "-3", "--3", "1--3", "0-4-8", "1 2", "+", "1+", "+1", "1++2", "all+3"),
        *("1.5", "3.0", "1e1", "²", "٣", "0x4", "nan", "True", True, False, 3.0, -3, [], [True], [1.0], [-1], [None]),
        *({"0": 1}, b"3"),
    ],
)
def test_anything_else_is_refused_with_what_was_given(value: object) -> None:
    with pytest.raises(LensArgumentError, match="lens_layers="):
        parse_layers(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("8-4+2", "lens_layers='8-4+2': the range 8-4 descends; write 4-8"),
        ("6-4", "the range 6-4 descends; write 4-6"),
        ("3+3", "lens_layers='3+3' names layer 3 more than once"),
        ("0-4+2", "names layer 2 more than once"),
        ([3, 1, 3], "names layer 3 more than once"),
        ("0-99999999999", "no model has a layer 99999999999"),
    ],
)
def test_layers_that_mean_something_else_are_refused_in_words(value: object, message: str) -> None:
    with pytest.raises(LensArgumentError) as caught:
        parse_layers(value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        *((None, ()), (False, ()), ("none", ()), ("None", ()), ([], ()), ("blank", ("blank",))),
        *(("Shuffled + blank", ("blank", "shuffled")), (["shuffled"], ("shuffled",))),
    ],
)
def test_controls_are_names_joined_by_plus(value: object, names: tuple[str, ...]) -> None:
    assert take_lens_options({"lens_controls": value})[0].controls == names


@pytest.mark.parametrize("value", ["", "blank+blank", "none+blank", "blank+", "blank,shuffled", "grey", True, 0, 1])
def test_other_controls_are_refused(value: object) -> None:
    with pytest.raises(LensArgumentError, match=r"lens_controls=.*: expected none, or blank or shuffled, or several"):
        take_lens_options({"lens_controls": value})


def test_lens_arguments_are_taken_out_and_the_rest_is_left() -> None:
    options, rest = take_lens_options({"pretrained": "x", "lens_topk": "3", "lens_dir": "~/r", "lens_m": 4})
    assert rest == {"pretrained": "x"}
    assert options.enabled
    assert options.settings.topk == 3
    assert options.thresholds.m == 4
    assert options.directory == Path.home() / "r"


def test_every_documented_argument_is_accepted() -> None:
    values = {"lens_layers": "1", "lens_norm": "none", "lens_dir": "d", "lens": "False", "lens_thumbnails": "no"}
    values |= {
        "lens_controls": "shuffled+blank",
        "lens_kind": "logit",
        "lens_allow_worse": "yes",
        "lens_intervene": "dola:1:layers=high+deco",
        "lens_probes": "step_entropy+attention+steps+every_token",
        "lens_relative_attention": "yes",
        "lens_maps": "all",
        "lens_most_steps": 8,
        "lens_causal": "top_lens+boxes",
        "lens_causal_by": "pixels",
        "lens_one_prefill": "yes",
        "lens_shared_prefix": "yes",
        "lens_shared_vision": "yes",
    }
    given = {name: values.get(name, "1") for name in LENS_ARGUMENTS} | {"lens_tau": "0.2", "lens_theta": "0.2"}
    options, rest = take_lens_options(given)
    assert not rest
    assert not options.enabled
    assert not options.thumbnails
    assert options.controls == ("blank", "shuffled")
    assert options.settings.memory_limit == 2**20
    assert options.whole_maps and options.relative_attention
    assert options.one_prefill and options.shared_prefix and options.shared_vision
    assert (options.masks, options.mask_way) == (("boxes", "top_lens"), "pixels")
    assert options.most_steps == 8 and take_lens_options({})[0].most_steps == 32


@pytest.mark.parametrize("value", [True, "True", "true", "1", 1, "yes", "on", "ON"])
def test_yes_is_understood(value: object) -> None:
    assert take_lens_options({"lens": value})[0].enabled


@pytest.mark.parametrize("value", [False, "False", "false", "0", 0, "no", "off"])
def test_no_is_understood(value: object) -> None:
    assert not take_lens_options({"lens": value})[0].enabled


def test_the_word_none_stays_the_norm_when_a_harness_reads_it_as_nothing() -> None:
    assert take_lens_options({"lens_norm": None})[0].settings.norm == "none"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("lens_topk", value) for value in ("0", "1.5", "-1", "", "nan", "inf", "1e400", "x", None, True, [3])),
        *(("lens_memory_mb", value) for value in (-1, 0, "0", 0.5, "inf", True, None, "")),
        *(("lens_m", value) for value in (0, 2.5, "nan", False)),
        *(("lens_most_steps", value) for value in (0, 1.5, "all", True)),
        *(("lens_theta", value) for value in ("x", "nan", float("nan"), "inf", -0.1, 1, True, "")),
        *(("lens_delta", value) for value in ("nan", "inf", -1, True)),
        *(("lens_tau", value) for value in ("nan", 2, -0.1, None)),
        *(("lens", value) for value in ("", "maybe", 2, None, "y")),
        *(("lens_thumbnails", value) for value in ("", 2, "none")),
        *(("lens_dir", value) for value in ("", " ", True, False)),
        *(("lens_norm", value) for value in ("", "rms", True)),
    ],
)
def test_values_that_would_be_taken_for_something_else_are_refused(name: str, value: object) -> None:
    with pytest.raises(LensArgumentError, match=f"{name.removeprefix('lens_')}"):
        take_lens_options({name: value})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lens_topkk", "lens_topk"), ("lens-topk", "lens_topk"), ("Lens_Layers", "lens_layers"), ("LENS", "lens"),
        ("lens_memory", "lens_memory_mb"), ("len_topk", "lens_topk"), ("lenslayers", "lens_layers"),
        ("lens_control", "lens_controls"),
    ],
)  # fmt: skip
def test_a_slip_does_not_reach_the_model(name: str, meant: str) -> None:
    with pytest.raises(LensArgumentError) as caught:
        take_lens_options({name: "1"})
    assert f"unknown model argument '{name}'. Did you mean {meant}?" in str(caught.value)


def test_arguments_of_models_are_no_slips() -> None:
    names = [*inspect.signature(PreTrainedModel.from_pretrained).parameters, "max_length", "device", "loss"]
    assert set(take_lens_options(dict.fromkeys(names, 1))[1]) == set(names)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("batch_size", value) for value in ("auto", 0, -1, 1.5, True, "²", "auto:4")),
        *((name, value) for name in ("max_pixels", "max_num_frames", "nframes") for value in (0, -4, "x", 2.5, True)),
        *(("fps", value) for value in (0, -1, "nan", "fast", True)),
    ],
)  # fmt: skip
def test_numbers_of_the_wrapper_out_of_range_are_named(name: str, value: object) -> None:
    with pytest.raises(LensArgumentError, match=f"{name}="):
        ModelArguments.parse({name: value})


def test_the_frames_of_a_video_by_either_name() -> None:
    sampling = ModelArguments.parse({"max_frames": "8", "fps": "0.5"})[0].video_sampling
    assert (sampling.max_frames, sampling.fps, sampling.nframes) == (8, 0.5, None)
    assert ModelArguments.parse({"nframes": 4})[0].video_sampling.nframes == 4
    with pytest.raises(LensArgumentError, match="max_frames=8 and max_num_frames=9; expected one of them"):
        ModelArguments.parse({"max_frames": 8, "max_num_frames": 9})


def test_all_interventions_are_named() -> None:
    told = LENS_ARGUMENTS["lens_intervene"].rpartition(": ")[2]
    assert told.split(", ") == sorted(INTERVENTIONS)

"""The lens stays exact on every model type that docs/coverage*.json says it reads with the installed transformers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from benchmarks.coverage import attention
from benchmarks.coverage import examine as examining
from benchmarks.coverage.build import build
from benchmarks.coverage.examine import WrongReadoutError, examine, model_types
from benchmarks.coverage.forced import A_BATCH, A_PROMPT, REFUSED, ForcedError, check_forcing
from benchmarks.coverage.geometry import check_geometry, check_video_geometry
from benchmarks.coverage.inputs import find_inputs
from benchmarks.coverage.report import rows_file, write_report
from lens_models import Forcing, IdentityError, LensError, LogitLens, LogitTransform, PartsError
from lens_models.attention import last_weights
from lens_models.forced_run import ONE_PASS, STEP_BY_STEP, ForcedRun
from lens_models.image_tokens import ImageTokenLocator
from lens_models.image_tokens.layouts import Layout
from lens_models.unembed import Unembedding

# what tiny random models and configurations without a tokenizer are warned of
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

DOCS = Path(__file__).parent.parent.parent / "docs"
TABLES: dict[str, list[dict[str, Any]]] = {
    file.name: json.loads(file.read_text())
    for file in sorted([*DOCS.glob("coverage.json"), *DOCS.glob("coverage-transformers-*.json")])
}
RECORDED = {row["model_type"]: row for row in TABLES[rows_file(transformers.__version__)]}
EXACT = sorted(name for name, row in RECORDED.items() if row["result"] == "exact")
# of exact, out of how many that AutoModelForImageTextToText maps
AT_LEAST = {"coverage.json": 60, "coverage-transformers-4.json": 40}
# one of each kind: cap, mask, head factor, encoder-decoder, cross-attention, experts, linear attention, BERT, DeepStack
FAST = [
    *(
        "aya_vision",
        "blip",
        "blip-2",
        "chameleon",
        "git",
        "idefics",
        "instructblip",
        "kimi_k25",
        "lfm2_vl",
        "llava_next",
    ),
    *(
        "mistral_large4",
        "mllama",
        "paligemma",
        "pix2struct",
        "qwen3_5",
        "qwen3_vl_moe",
        "t5gemma2",
        "udop",
        "vision-encoder-decoder",
    ),
]


def is_proven(row: dict[str, Any]) -> bool:
    return bool(row["geometry"] == "proven")


def mirrored(layout: Layout) -> Layout:
    left, top, right, bottom = layout.boxes.T
    return replace(layout, boxes=np.stack([1 - right, top, 1 - left, bottom], axis=1))


def a_token_late(layout: Layout) -> Layout:
    return replace(layout, boxes=np.roll(layout.boxes, 1, axis=0))


def a_cell_lower(layout: Layout) -> Layout:
    height = (layout.boxes[:, 3] - layout.boxes[:, 1])[:, None]
    return replace(layout, boxes=layout.boxes + height * np.array([[0, 1, 0, 1]]))


def test_every_model_type_is_recorded_once() -> None:
    counted = Counter(row["model_type"] for row in TABLES[rows_file(transformers.__version__)])
    assert set(counted.values()) == {1}
    assert set(model_types()) - set(counted) == set(), "new model types; run python -m benchmarks.coverage"


@pytest.mark.parametrize("file", TABLES)
def test_every_row_says_what_it_must(file: str) -> None:
    for row in TABLES[file]:
        assert row["result"] in ("exact", "refused", "unbuildable")
        assert row["forced"] in (ONE_PASS, STEP_BY_STEP, REFUSED, "")
        if row["forced"] in (ONE_PASS, STEP_BY_STEP):
            assert row["forced_deviation"] < 1e-4
            assert row["forced_inputs"][:2] == [A_PROMPT, A_BATCH]
        if row["forced"] in (STEP_BY_STEP, REFUSED):
            assert row["forced_reason"]
        if row["result"] == "exact":
            assert row["forced"]
        if row["result"] == "exact":
            assert row["deviation"] <= examining.TOLERANCE
            assert row["layers"]
            assert row["head"]
        else:
            assert row["deviation"] is None
            # words about the model, not the text of an error
            assert len(row["reason"].split()) > 10
            assert "Error:" not in row["reason"]
    assert sum(row["result"] == "exact" for row in TABLES[file]) >= AT_LEAST[file]


def test_every_row_says_whether_its_attention_is_read() -> None:
    rows = TABLES["coverage.json"]
    for row in rows:
        if row["attention"] == "exact":
            assert row["attention_layers"] and (row["attention_deviation"] or 0) <= attention.TOLERANCE
        else:
            assert row["attention"] in ("refused", "")
            assert row["attention_reason"] or row["result"] != "exact"
    assert sum(row["attention_deviation"] is not None for row in rows) >= 80


def test_weights_that_are_not_the_models_own_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("llava")
    monkeypatch.setattr(attention, "last_weights", lambda call: last_weights(call).roll(1, -1))
    with pytest.raises(attention.AttentionError, match="attention weights off by"):
        attention.check_attention(model, find_inputs(model, "llava"))


def test_every_row_says_what_is_known_of_its_image_tokens() -> None:
    rows = TABLES["coverage.json"]
    for row in rows:
        assert row["geometry"] in ("proven", "none", "unknown"), "a refuted geometry is a mistake of ours"
        if row["geometry"] == "proven":
            assert row["geometry_top1"] - row["geometry_rival_top1"] >= 0.25
            assert row["geometry_p"] <= 0.01
            assert row["geometry_tokens"] > 1
        else:
            assert len(row["geometry_reason"].split()) > 6
            assert "Error" not in row["geometry_reason"], row["model_type"]
    assert sum(row["geometry"] == "proven" for row in rows) >= 60


def test_every_row_says_what_is_known_of_the_tokens_of_videos() -> None:
    rows = [row for row in TABLES["coverage.json"] if row.get("video_geometry")]
    for row in rows:
        assert row["video_geometry"] in ("proven", "none", "unknown"), "a refuted geometry is a mistake of ours"
        if row["video_geometry"] == "proven":
            assert row["video_geometry_top1"] - row["video_geometry_rival_top1"] >= 0.25
            assert row["video_geometry_p"] <= 0.01
        else:
            assert len(row["video_geometry_reason"].split()) > 6
            assert "Error" not in row["video_geometry_reason"], row["model_type"]
    assert sum(row["video_geometry"] == "proven" for row in rows) >= 30


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [mirrored, a_token_late, a_cell_lower])
@pytest.mark.parametrize("model_type", [row["model_type"] for row in TABLES["coverage.json"] if is_proven(row)])
def test_a_wrong_geometry_is_proven_of_no_family(
    model_type: str, wrong: Callable[[Layout], Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    if rows_file(transformers.__version__) != "coverage.json":
        pytest.skip("the processors are of transformers 5")
    find = ImageTokenLocator._find_layout
    monkeypatch.setattr(ImageTokenLocator, "_find_layout", lambda self, size: wrong(find(self, size)))
    assert check_geometry(model_type).status in ("refuted", "unknown")


@pytest.mark.slow
@pytest.mark.parametrize("row", TABLES["coverage.json"], ids=lambda row: row["model_type"])
def test_the_geometry_stays_what_it_was(row: dict[str, Any]) -> None:
    if rows_file(transformers.__version__) != "coverage.json":
        pytest.skip("the processors are of transformers 5")
    report = check_geometry(row["model_type"])
    assert (report.status, report.reason) == (row["geometry"], row["geometry_reason"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "row", [row for row in TABLES["coverage.json"] if row.get("video_geometry")], ids=lambda row: row["model_type"]
)
def test_the_geometry_of_videos_stays_what_it_was(row: dict[str, Any]) -> None:
    if rows_file(transformers.__version__) != "coverage.json":
        pytest.skip("the processors are of transformers 5")
    report = check_video_geometry(row["model_type"])
    assert report is not None
    assert (report.status, report.reason) == (row["video_geometry"], row["video_geometry_reason"])


@pytest.mark.parametrize("file", TABLES)
def test_the_page_says_the_same(file: str) -> None:
    page = (DOCS / "coverage.md").read_text()
    for row in TABLES[file]:
        assert f"| {row['model_type']} | {row['class']} | {row['result']} |" in page
        assert not row["reason"] or f"- **{row['model_type']}** ({row['result']}): {row['reason']}\n" in page


def test_a_report_replaces_the_results_of_its_transformers_alone(tmp_path: Path) -> None:
    (tmp_path / "coverage-transformers-3.json").write_text(json.dumps([{**TABLES["coverage.json"][0], "class": "Old"}]))
    write_report([examining.Outcome("llava", "Llava", "refused", reason="because")], tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        ["coverage.md", "coverage-transformers-3.json", rows_file(transformers.__version__)]
    )
    page = (tmp_path / "coverage.md").read_text()
    assert "Of 1: 0 exact, 1 refused, 0 unbuildable." in page
    assert "- **llava** (refused): because" in page
    assert "| Old |" in page


@pytest.mark.parametrize("model_type", [name for name in FAST if name in EXACT and name in model_types()])
def test_kinds_of_models_stay_exact(model_type: str) -> None:
    outcome = examine(model_type)
    recorded = RECORDED[model_type]
    assert (outcome.result, outcome.reason) == ("exact", recorded["reason"])
    assert (outcome.forced, list(outcome.forced_inputs)) == (recorded["forced"], recorded["forced_inputs"])
    assert (outcome.attention, outcome.attention_layers) == (recorded["attention"], recorded["attention_layers"])


@pytest.mark.slow
@pytest.mark.parametrize("model_type", EXACT)
def test_what_was_exact_stays_exact(model_type: str) -> None:
    if model_type not in model_types():
        pytest.skip("this transformers version does not have the model type")
    outcome = examine(model_type)
    assert (outcome.result, outcome.forced) == ("exact", RECORDED[model_type]["forced"])


@pytest.mark.slow
@pytest.mark.parametrize("model_type", sorted(set(RECORDED) - set(EXACT)))
def test_nothing_else_is_read_wrongly(model_type: str) -> None:
    if model_type not in model_types():
        pytest.skip("this transformers version does not have the model type")
    examine(model_type)


def test_this_harness_sees_a_wrong_middle_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lens that is right at the last layer and wrong before it is what the gate alone would let through."""
    call = Unembedding.__call__

    def shifted(self: Unembedding, residual: torch.Tensor) -> torch.Tensor:
        logits = call(self, residual)
        return logits if shifted.last else logits.roll(1, -1)  # type: ignore[attr-defined]

    shifted.last = True  # type: ignore[attr-defined]
    middle = examining._middle_layers

    def with_fault(lens: LogitLens, inputs: Any) -> float:
        shifted.last = False  # type: ignore[attr-defined]
        return middle(lens, inputs)

    monkeypatch.setattr(Unembedding, "__call__", shifted)
    monkeypatch.setattr(examining, "_middle_layers", with_fault)
    with pytest.raises(WrongReadoutError, match="off by"):
        examine("llava_next")


def test_this_harness_sees_wrong_forced_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forcing that goes wrong only with inputs other than those that proved it."""
    model = build("llava_next")
    inputs = find_inputs(model, "llava_next")
    run = Forcing.run

    def shifted(self: Forcing, *args: Any, **kwargs: Any) -> ForcedRun:
        found = run(self, *args, **kwargs)
        return replace(found, logits=found.logits.roll(1, -1))

    assert check_forcing(model, inputs).way == ONE_PASS
    monkeypatch.setattr(Forcing, "run", shifted)
    with pytest.raises(ForcedError, match=r"forced log-probabilities are off by .* nats a token \(allowed"):
        check_forcing(model, inputs)


@pytest.mark.parametrize("model_type", ["llava_next", "mistral_large4", "udop"])
def test_this_harness_sees_a_transform_left_out(model_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the observed cap or factor the gate refuses; a model that has neither stays exact."""
    if model_type not in model_types():
        pytest.skip("this transformers version does not have the model type")
    monkeypatch.setattr("lens_models.identity.observe_transform", lambda *args: LogitTransform())
    monkeypatch.setattr("lens_models.identity._with_head_scale", lambda parts, transform, *args: transform)
    assert examine(model_type).result == ("exact" if model_type == "llava_next" else "refused")


@pytest.mark.parametrize("error", [IdentityError("no"), PartsError("no")])
def test_a_refusal_is_a_result(error: LensError, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> Any:
        raise error

    monkeypatch.setattr(examining, "LogitLens", refuse)
    outcome = examine("llava_next")
    assert (outcome.result, outcome.reason, outcome.deviation) == ("refused", "no", None)

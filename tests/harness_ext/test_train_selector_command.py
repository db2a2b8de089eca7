"""`mmlens train-selector`: what a person types, from pictures with boxes to a selector that a run chooses with."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from controlled_records import mini_documents, mini_image
from reasoning_documents import STEPS
from safetensors.torch import load_file
from scripted_checkpoint import scripted_checkpoint
from typer.testing import CliRunner

from harness_ext.cli import app
from lens_engine import load
from lens_models import LensFileError, find_parts, load_model
from lens_models.selection import Selector, SelectorFit, SelectorRecipe, Shown, read_selector


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    lines = []
    for number, document in enumerate(mini_documents("clevr_mini")[:80:8]):
        mini_image(document).save(folder / f"{number}.png")
        boxes = json.loads(document["lens_boxes"])
        lines.append(json.dumps({"image": f"{number}.png", "question": document["question"], "boxes": boxes}))
    (folder / "questions.jsonl").write_text("\n".join(lines))
    return folder


def run(*words: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["train-selector", *map(str, words)])
    assert result.exit_code == code, (result.output, result.exception)
    return " ".join(result.output.split())


def test_a_selector_is_written_and_a_run_chooses_with_it(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "selector"
    words = ("lens_tiny", "--data", pictures, "--steps", "5", "--rank", "8", "--held-out", "0.5", "--device", "cpu")
    said = run(*words, "--out", out)
    assert "Layer 6" in said and "of another picture" in said
    described = json.loads((out / "selector.json").read_text())
    assert (described["layer"], described["recipe"]["rank"]) == (6, 8)
    assert set(described["held_out"]["own"]) == {"lift", "pointing", "auroc"}
    assert not (out / "unfinished.pt").exists()
    parts = find_parts(load_model("lens_tiny", device="cpu").model)
    selector = read_selector(out, parts)
    assert selector.digest == described["digest"] and selector.query.shape == (8, 128)
    assert "holds a selector already" in run(*words, "--out", out, code=1)
    other = tmp_path / "again"
    run(*words, "--out", other)
    one, two = (load_file(each / "selector.safetensors") for each in (out, other))
    torch.testing.assert_close(one, two)
    vlm = load(device="cpu", intervene=f"select:1:patches=4:file={out}")
    answer = vlm.ask(pictures / "0.png", "What color is the cube?", candidates=["red", "blue"])
    assert answer.text
    (out / "selector.json").write_text(json.dumps({**described, "digest": "0" * 16}))
    with pytest.raises(LensFileError, match="its numbers are not those"):
        read_selector(out, parts)


def test_drops_of_the_answer_are_learnt_from_without_boxes(pictures: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (pictures / "questions.jsonl").read_text().splitlines()]
    bare = [json.dumps({"image": str(pictures / each["image"]), "question": each["question"]}) for each in lines]
    (tmp_path / "questions.jsonl").write_text("\n".join(bare))
    words = ("--objective", "drops", "--windows", "4", "--window", "0.3", "--steps", "5", "--held-out", "0.5")
    said = run("lens_tiny", "--data", tmp_path, *words, "--device", "cpu", "--out", tmp_path / "s")
    assert "rank_correlation" in said and "lift" not in said
    described = json.loads((tmp_path / "s" / "selector.json").read_text())
    recipe = described["recipe"]
    assert (recipe["objective"], recipe["windows"], recipe["share"]) == ("drops", 4, 0.3)
    assert set(described["held_out"]["own"]) == {"rank_correlation"}


def test_a_layer_that_the_model_does_not_have_is_refused(pictures: Path, tmp_path: Path) -> None:
    words = ("lens_tiny", "--data", pictures, "--layer", "11", "--device", "cpu", "--out", tmp_path / "x")
    assert re.search("layer 11; Qwen2VL.* has layers 1 to 10", run(*words, code=1))


def test_data_without_boxes_is_refused(pictures: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (pictures / "questions.jsonl").read_text().splitlines()]
    bare = [json.dumps({"image": str(pictures / each["image"]), "question": each["question"]}) for each in lines]
    (tmp_path / "questions.jsonl").write_text("\n".join(bare))
    out = tmp_path / "x"
    said = run("lens_tiny", "--data", tmp_path, "--held-out", "0.5", "--device", "cpu", "--out", out, code=1)
    assert "no prompt has a box of what is asked about" in said
    words = ("lens_tiny", "--data", pictures, "--held-out", tmp_path, "--steps", "1", "--device", "cpu")
    assert "to measure on" in run(*words, "--out", tmp_path / "y", code=1)
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_text(json.dumps({"image": str(pictures / "0.png"), "question": "?", "boxes": "here"}))
    assert "boxes='here'" in run("lens_tiny", "--data", damaged, "--device", "cpu", "--out", out, code=1)


def test_a_planted_selection_is_learnt() -> None:
    """Tokens that lie in the box are those whose first numbers are those of the position."""
    drawn = torch.Generator().manual_seed(0)

    def shown() -> Shown:
        step, tokens = torch.randn(16, generator=drawn), torch.randn(9, 16, generator=drawn)
        place = int(torch.randint(9, (1,), generator=drawn))
        tokens[place, :4] = 2 * step[:4]
        return Shown(step, tokens, torch.nn.functional.one_hot(torch.tensor(place), 9).float())

    fit = SelectorFit(16, SelectorRecipe(1, rank=8, steps=400, rate=1e-2))
    first = fit.take([shown() for _ in range(64)])["cross-entropy"]
    for _ in range(399):
        last = fit.take([shown() for _ in range(64)])["cross-entropy"]
    assert last < first / 2
    selector = fit.selector(torch.float16, "planted")
    fresh = [shown() for _ in range(200)]
    hits = [int(selector(each.step, each.tokens).argmax()) == int(each.target.argmax()) for each in fresh]
    assert sum(hits) > 120, "chance is 22"
    with pytest.raises(ValueError, match="at step 400 of 400"):
        fit.take([shown()])


def test_a_target_that_is_not_known_is_not_learnt() -> None:
    drawn = torch.Generator().manual_seed(2)
    step, tokens = torch.randn(8, generator=drawn), torch.randn(5, 8, generator=drawn)
    target = torch.tensor([1.0, torch.nan, 0.0, torch.nan, 0.25])
    known = target.isfinite()
    fits = [SelectorFit(8, SelectorRecipe(1, rank=4, steps=3)) for _ in range(2)]
    for _ in range(3):
        whole = fits[0].take([Shown(step, tokens, target)])
        part = fits[1].take([Shown(step, tokens[known], target[known])])
        assert whole == pytest.approx(part)
    one, two = (fit.selector(torch.float32, "x").tensors() for fit in fits)
    torch.testing.assert_close(one, two)


def test_scores_are_those_of_the_formula() -> None:
    drawn = torch.Generator().manual_seed(1)
    query, key, step, tokens = (torch.randn(shape, generator=drawn) for shape in ((4, 6), (4, 6), (6,), (3, 6)))
    found = Selector(1, query, key, torch.tensor([0.5]))(step, tokens)
    for score, token in zip(found, tokens, strict=True):
        unit = [each.double() / each.double().square().mean().sqrt() for each in (step, token)]
        expected = (query.double() @ unit[0]) @ (key.double() @ unit[1]) / 2 + 0.5
        assert float(score) == pytest.approx(float(expected), abs=1e-4)


@pytest.fixture(scope="module")
def writes_steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scripted_checkpoint(tmp_path_factory.mktemp("scripted") / "model", f"<think>{STEPS}</think>B")


def steps_about(pictures: Path, out: Path) -> Path:
    """The same questions with the two steps that the scripted model writes: a colour of each of the first objects."""
    lines = [json.loads(line) for line in (pictures / "questions.jsonl").read_text().splitlines()]
    steps = [
        {"function": "query_color", "objects": [number], "result": colour}
        for number, colour in enumerate(("red", "blue"))
    ]
    asked = [{**each, "image": str(pictures / each["image"]), "steps": steps} for each in lines]
    out.write_text("\n".join(map(json.dumps, asked)))
    return out


def test_a_selector_of_written_steps_is_written_and_no_answer_is_chosen_with_it(
    pictures: Path, writes_steps: Path, tmp_path: Path
) -> None:
    data, out = steps_about(pictures, tmp_path / "steps.jsonl"), tmp_path / "selector"
    words = (writes_steps, "--data", data, "--at", "steps", "--steps", "5", "--held-out", "0.5", "--device", "cpu")
    said = run(*words, "--max-new-tokens", "32", "--out", out)
    assert "written steps of" in said and "attention at the step's end" in said and "of these others" in said
    assert "Left out" not in said
    described = json.loads((out / "selector.json").read_text())
    assert described["at"] == "steps" and described["recipe"]["written_steps"] > 0
    assert {"own", "other_picture", "attention", "beside_others", "other_steps"} <= set(described["held_out"])
    with pytest.raises(LensFileError, match=r"asked at the position that predicts the answer; .*--at answer"):
        load(str(writes_steps), device="cpu", intervene=f"select:1:patches=4:file={out}")


def test_steps_need_boxes_programs_and_a_model_that_writes_them(
    pictures: Path, writes_steps: Path, tmp_path: Path
) -> None:
    words = ("--at", "steps", "--held-out", "0.5", "--device", "cpu", "--max-new-tokens", "32")
    assert "written steps are learnt" in run(
        writes_steps, "--data", pictures, *words, "--objective", "drops", "--out", tmp_path / "d", code=2
    )
    said = run(writes_steps, "--data", pictures, *words, "--out", tmp_path / "x", code=1)
    assert "no response has a written step" in said and "no_program" in said
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_text(json.dumps({"image": str(pictures / "0.png"), "question": "?", "steps": "first look"}))
    assert "lens_steps is 'first look'" in run(writes_steps, "--data", damaged, *words, "--out", tmp_path / "y", code=1)


def test_steps_about_no_object_are_counted_as_left_out(pictures: Path, writes_steps: Path, tmp_path: Path) -> None:
    data = steps_about(pictures, tmp_path / "steps.jsonl")
    lines = [json.loads(line) for line in data.read_text().splitlines()]
    for each in lines:
        each["steps"][1]["objects"] = []
    data.write_text("\n".join(map(json.dumps, lines)))
    words = ("--at", "steps", "--steps", "2", "--held-out", "0.5", "--device", "cpu", "--max-new-tokens", "32")
    said = run(writes_steps, "--data", data, *words, "--out", tmp_path / "s")
    held_out = json.loads((tmp_path / "s" / "selector.json").read_text())["held_out"]
    assert held_out["left_out"] == {"step, no_box": held_out["prompts"]}, "each response has one such step"
    assert f"Left out: step, no_box: {held_out['prompts']}" in said and "of these others" not in said

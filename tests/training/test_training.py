"""The training code computes what single-turn prompts compute, and learns from pictures outside the benchmarks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tolerances import bounds, sums_of

from lens_results import load
from lens_tasks.scenes.clips.clip import render_clip
from lens_tasks.scenes.clips.perception import benchmark_clips
from lens_tasks.scenes.render import render
from lens_tasks.scenes.sample import sample_pair, sample_scene
from training.card import score_table
from training.cells import NAMES, cell_targets
from training.disjoint import benchmark_digests, benchmark_video_digests, digest, shared
from training.forward import answer_logits, patches, see, video_patches
from training.mixture import Mixture, row_turns
from training.model import Shape, build_config, build_model, build_processor, save_folder
from training.muon import orthogonalize
from training.packing import Packer
from training.stage import Stage
from training.tokenizer import train_tokenizer
from training.trainer import Trainer
from training.videos import draw, video_turns

EVERYTHING = Mixture(
    rows={"english": 1.0, "russian": 1.0, "weird": 1.0},
    families={"pope": 1.0, "exist": 1.0, "count": 1.0, "compare_integer": 1.0, "query_attribute": 1.0},
    weird_beside=0.5,
)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(4096)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    shape = Shape(layers=2, vision_layers=1)
    return build_model(build_config(shape, tokenizer), shape.layers).eval()


@pytest.fixture(scope="module")
def processor(tokenizer):
    return build_processor(tokenizer, Shape().patch)


def test_patches_are_the_processors(processor):
    pictures = np.stack([render(sample_scene(seed)) for seed in range(2)])
    expected = processor.image_processor([Image.fromarray(p) for p in pictures], return_tensors="pt")["pixel_values"]
    # scaled, shifted and divided, or with mean and deviation scaled first
    torch.testing.assert_close(patches(pictures).flatten(0, 1), expected, **bounds(torch.float32, 5, scale=4.0))


def test_batched_vision_is_the_models(model):
    pixels = patches(np.stack([render(sample_scene(seed)) for seed in range(3)]))
    grid = torch.tensor([[1, 8, 8]] * 3)
    with torch.no_grad():
        expected = model.model.visual(pixels.flatten(0, 1), grid).pooler_output
        found = see(model, pixels).flatten(0, 1)
    sums = sums_of(model.model.visual, len(pixels[0]))
    torch.testing.assert_close(found, expected, **bounds(torch.float32, sums, scale=float(expected.abs().max())))


@pytest.mark.parametrize("seed", range(6))
def test_packed_branches_equal_single_turns(model, processor, tokenizer, seed):
    scene = sample_pair(seed)[seed % 2]
    rng = np.random.default_rng(seed)
    packer = Packer(tokenizer, 256)
    turns = row_turns(rng, scene, EVERYTHING, 6)
    row = packer.row(turns, system=seed % 3 == 0)
    picture = render(scene)
    with torch.no_grad():
        packed = answer_logits(model, see(model, patches(picture[None])), packer.batch([row]))
        start = 0
        for turn in turns[: int(row.branch.max())]:
            answer, _ = packer._answer(turn)
            text = packer._prompt(turn, seed % 3 == 0).replace("<|image_pad|>" * 16, "<|image_pad|>")
            inputs = processor(text=[text], images=[Image.fromarray(picture)], return_tensors="pt")
            ids = torch.cat([inputs["input_ids"], torch.tensor([answer[:-1]], dtype=torch.long)], dim=1)
            alone = model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                mm_token_type_ids=(ids == packer.image_id).long(),
                pixel_values=inputs["pixel_values"],
                image_grid_thw=inputs["image_grid_thw"],
            ).logits[0, -len(answer) :]
            sums = bounds(torch.float32, sums_of(model, 256), scale=float(alone.abs().max()))
            torch.testing.assert_close(packed[start : start + len(answer)], alone, **sums)
            start += len(answer)
        assert start == len(packed)


@pytest.mark.parametrize("number", range(6))
def test_packed_questions_about_a_video_equal_single_turns(model, processor, tokenizer, number):
    """One video of each family through the processor and the model's own forward pass."""
    clip, frames = draw(number)
    turns = video_turns(np.random.default_rng(number), clip)
    packer = Packer(tokenizer, 1024)
    row = packer.row(turns, system=number % 2 == 0)
    assert int(row.branch.max()) == len(turns)
    with torch.no_grad():
        packed = answer_logits(model, see(model, video_patches(frames[None])), packer.batch([row]))
        start = 0
        for turn in turns:
            answer, _ = packer._answer(turn)
            text = packer._prompt(turn, number % 2 == 0).replace("<|video_pad|>" * 128, "<|video_pad|>")
            inputs = processor(text=[text], videos=[frames], do_sample_frames=False, return_tensors="pt")
            ids = torch.cat([inputs["input_ids"], torch.tensor([answer[:-1]], dtype=torch.long)], dim=1)
            alone = model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                mm_token_type_ids=2 * (ids == packer.video_id).long(),
                pixel_values_videos=inputs["pixel_values_videos"],
                video_grid_thw=inputs["video_grid_thw"],
            ).logits[0, -len(answer) :]
            sums = bounds(torch.float32, sums_of(model, 256), scale=float(alone.abs().max()))
            torch.testing.assert_close(packed[start : start + len(answer)], alone, **sums)
            start += len(answer)
        assert start == len(packed)


def test_shared_videos_are_found():
    taken = benchmark_video_digests()
    assert len(taken) == 204
    inside, outside = render_clip(benchmark_clips()[5]), draw(0)[1]
    assert shared(np.stack([outside, inside]), taken) == [1]


def test_surface_variants_are_single_tokens(tokenizer):
    for word in (
        " yes",
        "Yes",
        " Yes",
        "yes",
        "YES",
        "no",
        " No",
        "да",
        " Да",
        "НЕТ",
        "красный",
        " куб",
        "A",
        " A",
        "А",
    ):
        assert len(tokenizer(word, add_special_tokens=False)["input_ids"]) == 1, word
    assert tokenizer("A")["input_ids"] != tokenizer("\u0410")["input_ids"]
    assert tokenizer.decode(tokenizer("Изображение 12, ёж!")["input_ids"]) == "Изображение 12, ёж!"
    assert tokenizer.padding_side == "left"


def test_saved_folder_keeps_the_logits_of_its_stored_weights(model, processor, tmp_path):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    save_folder(model, processor, tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype="auto").eval()
    assert again.dtype == torch.float32
    assert AutoProcessor.from_pretrained(tmp_path).tokenizer.padding_side == "left"
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        gap = (again(input_ids=ids).logits - model(input_ids=ids).logits).abs().max()
    assert 0 < gap < 0.05


def test_cells_hold_every_solid_and_broken_rule():
    _, strange = sample_pair(5)
    targets = cell_targets(strange)
    assert targets.shape == (16, len(NAMES))
    for solid in strange.solids:
        assert targets[:, NAMES.index(("color", solid.color, "shape", solid.shape))].any()
    assert targets[:, NAMES.index((strange.violation.rule,))].any()
    assert not cell_targets(sample_pair(5)[0])[:, [i for i, n in enumerate(NAMES) if len(n) == 1]].any()


def test_muon_updates_are_nearly_orthogonal():
    torch.manual_seed(0)
    for shape in ((3, 16, 40), (3, 40, 16)):
        values = torch.linalg.svdvals(orthogonalize(torch.randn(shape)))
        assert values.min() > 0.5 and values.max() < 1.3


def test_shared_pictures_are_found():
    taken = benchmark_digests()
    assert len(taken) == 1073, "the pictures that docs/scenes.md counts"
    inside = render(sample_pair(400_005)[0])
    outside = render(sample_scene(20_000_000_001))
    assert digest(inside) in taken
    assert shared(np.stack([outside, inside]), taken) == [1]


def test_another_seed_takes_over_the_vision_tower_alone(tmp_path, tokenizer):
    shape = Shape(layers=2, vision_layers=1)
    stage = Stage(kind="joint", steps=1, batch=1, rate=0.001, warmup=1, decay=1, seed=1)
    first, second = Trainer(stage, shape, tokenizer), Trainer(replace(stage, seed=2), shape, tokenizer)
    first.save(tmp_path, 0)
    drawn = {name: value.clone() for name, value in second.model.state_dict().items()}
    second.load_vision(tmp_path / "checkpoint.pt")
    for name, value in second.model.state_dict().items():
        assert torch.equal(value, (first.model.state_dict() if ".visual." in name else drawn)[name])
    tower = "model.visual.blocks.0.attn.qkv.weight"
    assert not torch.equal(drawn[tower], first.model.state_dict()[tower])


def test_the_model_card_has_the_scores_of_the_reference_run():
    root = Path(__file__).parents[2]
    table = score_table(load(root / "results" / "main").samples)
    assert table in (root / "lens_models" / "lens_tiny" / "README.md").read_text(encoding="utf-8")

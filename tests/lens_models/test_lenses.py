"""Learnt lenses: their maps, how they are learnt, the folders that hold them, and when they are refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from built_models import built
from close_readouts import logit_bounds
from scipy.stats import entropy
from tolerances import bounds, sums_of
from torch import Tensor, nn
from zoo import IMAGE as IMAGE_TOKEN
from zoo import ZOO, Specimen

from lens_models import LensArgumentError, LensFileError, LensSettings, LogitLens, ReadoutRow, find_parts
from lens_models.lenses import ANSWER, IMAGE, TEXT, AffineMaps, HeldOut, problem_of
from lens_models.lenses.files import LensFile, read_lens, write_lens
from lens_models.lenses.jacobian import JacobianFit, jacobians
from lens_models.lenses.measuring import Measuring
from lens_models.lenses.quality import LEAST_CLUSTERS, Divergences
from lens_models.lenses.states import PADDING, POSITION_KINDS, UNKNOWN, States
from lens_models.lenses.tuned import Recipe, TunedFit
from lens_models.probes import EVERY, ResidualCapture

WIDTH, L = 32, 4
GENERATOR = torch.Generator().manual_seed(5)


def drawn_maps(scale: float = 0.1, dtype: torch.dtype = torch.float32, layers: Sequence[int] = range(L)) -> AffineMaps:
    weights = {layer: (scale * torch.randn(WIDTH, WIDTH, generator=GENERATOR)).to(dtype) for layer in layers}
    return AffineMaps(weights, {layer: torch.randn(WIDTH, generator=GENERATOR).to(dtype) for layer in layers})


def states_of(model_type: str, lengths: tuple[int, ...] = (6, 9), seed: int = 1) -> list[States]:
    """States of a tiny model's prompts: image tokens, text, the last position as the answer's."""
    model, specimen = built(model_type), ZOO[model_type]
    inputs = specimen.inputs(lengths, seed=seed)
    with torch.no_grad(), ResidualCapture(find_parts(model), layer_index=range(L + 1), positions=EVERY) as trace:
        model(**inputs)
    return [
        States(trace.steps[0][:, row][:, kinds != PADDING], kinds[kinds != PADDING], f"{seed}-{row}")
        for row, kinds in enumerate(kinds_of(inputs))
    ]


def kinds_of(inputs: dict[str, Tensor]) -> Tensor:
    text, image, answer = (POSITION_KINDS.index(kind) for kind in (TEXT, IMAGE, ANSWER))
    kinds = torch.where(inputs["input_ids"] == IMAGE_TOKEN, image, text)
    kinds[inputs["attention_mask"] == 0] = PADDING
    kinds[:, -1] = answer
    return kinds


def held_out(lens: float, logit: float, *, kinds: tuple[str, ...] = POSITION_KINDS, clusters: int = 50) -> HeldOut:
    own = Divergences(100, (lens,) * L, (logit,) * L, (0.1,) * L)
    return HeldOut("others", clusters, "float32", tuple(range(L)), dict.fromkeys(kinds, own))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kept", [torch.float32, torch.float16])
def test_maps_are_affine_and_the_last_layer_stays_bit_for_bit(dtype: torch.dtype, kept: torch.dtype) -> None:
    maps = drawn_maps(dtype=kept)
    residual = (50 * torch.randn(3, 2, 5, WIDTH, generator=GENERATOR)).to(dtype)
    found = maps(residual, [1, 3, L])
    assert found.dtype == dtype and found.shape == residual.shape
    assert torch.equal(found[-1], residual[-1])
    for place, layer in enumerate([1, 3]):
        a, b = maps.weights[layer].double().numpy(), maps.biases[layer].double().numpy()
        h = residual[place].double().numpy()
        expected = h + np.einsum("ij,...j->...i", a, h) + b
        scale = float((np.abs(h).max() * np.abs(a).sum(1)).max() + np.abs(h).max())
        allowed = bounds(torch.float32, WIDTH + 2, scale=scale)
        rounded = float(torch.finfo(dtype).eps)
        np.testing.assert_allclose(
            found[place].double(), expected, rtol=allowed["rtol"] + rounded, atol=allowed["atol"]
        )
    assert not torch.equal(found[0], residual[0])


def plain_tuned(model: Any, hidden: Tensor, recipe: Recipe, steps: int) -> list[nn.Linear]:
    """The published training written anew: one linear translator a layer, KL, gradients clipped together."""
    norm, head = model.model.language_model.norm, model.lm_head
    translators = [nn.Linear(WIDTH, WIDTH) for _ in range(L)]
    for each in translators:
        nn.init.zeros_(each.weight)
        nn.init.zeros_(each.bias)
    parameters = [p for each in translators for p in each.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / recipe.steps)
    target = torch.log_softmax(head(norm(hidden[-1])), -1).detach()
    for _ in range(steps):
        optimizer.zero_grad()
        for translator, h in zip(translators, hidden, strict=False):
            logp = torch.log_softmax(head(norm(h + translator(h))), -1)
            nn.functional.kl_div(logp, target, log_target=True, reduction="batchmean").backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
    return translators


def test_a_tuned_lens_learns_as_the_published_one() -> None:
    model, batch = built("llava"), states_of("llava", (6, 9, 14))
    recipe = Recipe(steps=10, answer_share=None)
    fit = TunedFit(LogitLens(model, ZOO["llava"].inputs()).unembedding, recipe)
    losses = [fit.take(batch) for _ in range(5)]
    text = torch.cat([states.residual[:, states.kinds != POSITION_KINDS.index(IMAGE)] for states in batch], dim=1)
    for kind, hidden in ((TEXT, text), (IMAGE, torch.cat([states.of_kind(IMAGE) for states in batch], dim=1))):
        maps, expected = fit.maps(kind), plain_tuned(model, hidden, recipe, 5)
        assert maps is not None and sorted(maps.weights) == list(range(L))
        for layer, translator in enumerate(expected):
            # a relative error of the residual's size through five steps of .1
            allowed = bounds(torch.float32, sums_of(model), 5 * hidden.shape[1], scale=0.5)
            torch.testing.assert_close(maps.weights[layer], translator.weight.detach(), **allowed)
            torch.testing.assert_close(maps.biases[layer], translator.bias.detach(), **allowed)
            assert float(maps.weights[layer].abs().max()) > 1e-3
        assert losses[-1][kind] < losses[0][kind]


def test_the_answers_positions_have_their_share() -> None:
    unembed = LogitLens(built("llava"), ZOO["llava"].inputs()).unembedding
    batch = states_of("llava", (30, 30))
    whole, answers, texts = (
        TunedFit(unembed, Recipe(steps=1, answer_share=share)).take(batch)[TEXT] for share in (0.5, 1.0, 0.0)
    )
    assert whole == pytest.approx((answers + texts) / 2, rel=1e-4)
    assert answers != pytest.approx(texts, rel=1e-2)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_learning_goes_on_from_its_state(optimizer: str) -> None:
    unembed = LogitLens(built("llava"), ZOO["llava"].inputs()).unembedding
    batches, recipe = [states_of("llava", seed=seed) for seed in (1, 2, 3)], Recipe(steps=3, optimizer=optimizer)
    whole, first, second = (TunedFit(unembed, recipe) for _ in range(3))
    for batch in batches:
        whole.take(batch)
    for batch in batches[:2]:
        first.take(batch)
    second.load(first.state())
    second.take(batches[2])
    for kind in (TEXT, IMAGE):
        one, other = whole.maps(kind), second.maps(kind)
        assert one is not None and other is not None
        assert all(torch.equal(one.weights[layer], other.weights[layer]) for layer in range(L))


def summed_jacobian(model: Any, inputs: dict[str, Tensor], layer: int, mask: Tensor) -> Tensor:
    """By torch's own full Jacobian of h_L by h_l: summed over targets, mean over sources, both those of `mask`."""
    layers = find_parts(model).layers
    found: dict[str, Tensor] = {}

    def last_of(hidden: Tensor) -> Tensor:
        handles = [layers[L - 1].register_forward_hook(lambda module, args, out: found.update(last=first(out)))]
        if layer:
            handles.append(layers[layer - 1].register_forward_hook(lambda module, args, out: put(out, hidden)))
        else:
            handles.append(layers[0].register_forward_pre_hook(lambda module, args: (hidden, *args[1:])))
        model(**inputs)
        for handle in handles:
            handle.remove()
        return found["last"][0]

    def first(out: Any) -> Tensor:
        return out[0] if isinstance(out, tuple) else out

    def put(out: Any, hidden: Tensor) -> Any:
        return (hidden, *out[1:]) if isinstance(out, tuple) else hidden

    with torch.no_grad(), ResidualCapture(find_parts(model), layer_index=range(L + 1), positions=EVERY) as trace:
        model(**inputs)
    full = torch.autograd.functional.jacobian(last_of, trace.steps[0][layer])  # [targets, d, 1, sources, d]
    return full[mask][:, :, 0][:, :, mask].sum(0).mean(1)


@pytest.mark.parametrize("model_type", ["llava", "qwen2_vl", "gemma3", "idefics3"])
def test_a_jacobian_is_torchs_own(model_type: str) -> None:
    model, specimen = built(model_type), ZOO[model_type]
    inputs = specimen.inputs((5,))
    kinds = kinds_of(inputs)
    kinds[kinds == POSITION_KINDS.index(IMAGE)] = UNKNOWN
    found = jacobians(model, find_parts(model), inputs, kinds)
    assert set(found) == {TEXT} and found[TEXT].shape == (1, L, WIDTH, WIDTH)
    for layer in (0, 2, 3):
        expected = summed_jacobian(model, inputs, layer, kinds[0] >= 0)
        scale = float(expected.abs().sum(1).max())
        torch.testing.assert_close(
            found[TEXT][0, layer], expected, **bounds(torch.float32, sums_of(model, kinds.shape[1]), scale=scale)
        )
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_jacobians_of_a_batch_are_those_of_its_prompts_and_kinds_are_apart(llava: Specimen) -> None:
    model, parts = built("llava"), find_parts(built("llava"))
    inputs = llava.inputs((4, 9))
    together = jacobians(model, parts, inputs, kinds_of(inputs))
    assert set(together) == {TEXT, IMAGE}
    mask = inputs["attention_mask"][0] == 1
    alone = {name: each[:1] for name, each in inputs.items()}
    alone |= {name: alone[name][:, mask] for name in ("input_ids", "attention_mask")}
    own = jacobians(model, parts, alone, kinds_of(alone))
    for kind in (TEXT, IMAGE):
        scale = float(own[kind].abs().sum(-1).max())
        torch.testing.assert_close(
            together[kind][0], own[kind][0], **bounds(torch.float32, sums_of(model, 40), scale=scale)
        )
    assert not torch.allclose(own[TEXT], own[IMAGE], atol=0.05)


def test_a_jacobian_lens_is_the_mean_over_prompts_without_their_beginning(llava: Specimen) -> None:
    model, parts, fit = built("llava"), find_parts(built("llava")), JacobianFit(skipped=2)
    inputs = llava.inputs((4, 9))
    fit.take(model, parts, inputs, kinds_of(inputs))
    other = JacobianFit(skipped=2)
    other.load(fit.state())
    one = llava.inputs((7,), seed=3)
    other.take(model, parts, one, kinds_of(one))
    assert other.prompts == 3
    parted = []
    for given in (inputs, one):
        kinds = kinds_of(given)
        for row in kinds:
            row[(row != PADDING).nonzero().flatten()[:2]] = UNKNOWN
        parted.append(jacobians(model, parts, given, kinds)[TEXT])
    maps = other.maps(TEXT)
    assert maps is not None and not maps.biases
    for layer in range(L):
        expected = torch.cat(parted)[:, layer].double().mean(0) - torch.eye(WIDTH, dtype=torch.float64)
        torch.testing.assert_close(maps.weights[layer].double(), expected, rtol=1e-5, atol=1e-6)


def test_divergences_are_those_of_scipy_and_their_error_is_clustered(llava: Specimen) -> None:
    unembed = LogitLens(built("llava"), llava.inputs()).unembedding
    batch = [each for seed in (1, 2, 3) for each in states_of("llava", (4, 11), seed)]
    batch = [replace(states, cluster=str(number % 4)) for number, states in enumerate(batch)]
    text, images = drawn_maps(dtype=torch.float16), drawn_maps(0.3)
    measuring = Measuring(unembed, text, images)
    measuring.take(batch[:4])
    measuring.take(batch[4:])
    found = measuring.held_out("these", "float32")
    assert (found.clusters, found.layers, set(found.by_kind)) == (4, tuple(range(L)), set(POSITION_KINDS))
    for kind in POSITION_KINDS:
        maps, own = images if kind == IMAGE else text, found.by_kind[kind]
        values, clusters = [], []
        for states in batch:
            residual = states.of_kind(kind)
            p = torch.softmax(unembed(residual[-1]).double(), -1).numpy()
            for layer in range(L):
                mapped = maps(residual[layer : layer + 1], [layer])[0]
                logits = [unembed(each).double() for each in (mapped, residual[layer])]
                values.append([entropy(p, torch.softmax(each, -1).numpy(), axis=-1) for each in logits])
            clusters += [states.cluster] * residual.shape[1]
        # [layers, 2, positions]
        by_layer = [
            np.concatenate([values[at + layer] for at in range(0, len(values), L)], axis=1) for layer in range(L)
        ]
        assert own.positions == len(clusters)
        allowed = float(logit_bounds(unembed, batch[0].residual)["atol"]) * 10
        for layer in range(L):
            assert own.lens[layer] == pytest.approx(by_layer[layer][0].mean(), abs=allowed)
            assert own.logit[layer] == pytest.approx(by_layer[layer][1].mean(), abs=allowed)
            gain = by_layer[layer][0] - by_layer[layer][1]
            groups = np.unique(clusters, return_inverse=True)[1]
            fitted = sm.OLS(gain, np.ones(len(gain))).fit(cov_type="cluster", cov_kwds={"groups": groups})
            assert own.error is not None and own.error[layer] == pytest.approx(fitted.bse[0], rel=1e-3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lens of the shared tiny model that is better than the logit lens."""
    parts = find_parts(built("llava"))
    file = LensFile("tuned", drawn_maps(dtype=torch.float16), drawn_maps(dtype=torch.float16), held_out(1, 2), "some")
    write_lens(tmp_path / "lens", file, parts, "tiny")
    return tmp_path / "lens"


def test_a_lens_is_read_as_it_was_written(folder: Path, llava: Specimen) -> None:
    lens = read_lens(folder, find_parts(built("llava")))
    file = LensFile("tuned", lens.text, lens.images, lens.held_out, lens.trained_on)
    assert file.lens().digest == lens.digest == json.loads((folder / "lens.json").read_text())["digest"]
    assert lens.held_out == held_out(1, 2)
    assert lens.told() == {"digest": lens.digest}
    assert {each.dtype for each in lens.text.weights.values()} == {torch.float16}
    for name in (f"tuned:{folder}", str(folder)):
        reading = LogitLens(built("llava"), llava.inputs(), LensSettings(lens=name))
        assert reading.describe()["lens"] == {
            "name": "tuned",
            "digest": lens.digest,
            "trained_on": "some",
            "refused_claims": None,
            "image_tokens": "tuned",
        }


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_learnt_lens_is_what_layers_are_read_with_and_the_last_one_stays(
    dtype: torch.dtype, folder: Path, llava: Specimen
) -> None:
    model = built("llava", dtype)
    plain, lens = (
        LogitLens(model, llava.inputs(dtype=dtype), LensSettings(lens=name)) for name in ("logit", str(folder))
    )
    residual = lens.generate(llava.inputs((3, 8), dtype), max_new_tokens=2, do_sample=False).residual(1, 1)
    assert torch.equal(lens.logits(residual)[-1], plain.logits(residual)[-1])
    maps = read_lens(folder, lens.parts).text
    expected = plain.unembedding(torch.cat([maps(residual[:-1], range(1, L)), residual[-1:]]))
    assert torch.equal(lens.logits(residual), expected)
    (found,), (other,) = (each.read([ReadoutRow(residual, 3)]) for each in (lens, plain))
    assert found.logprob_pred[-1] == other.logprob_pred[-1]
    assert np.abs(found.entropy[:-1] - other.entropy[:-1]).min() > 1e-4
    images = lens.of_images(residual[:2], [1, 2])
    assert not torch.equal(images, lens._lens(residual[:2], [1, 2]))
    assert torch.equal(plain.of_images(residual, range(1, L + 1)), residual)


@pytest.mark.parametrize("model_type", ["llava", "qwen2_5_vl"])
def test_a_lens_of_another_model_is_refused(model_type: str, folder: Path) -> None:
    other = ZOO[model_type].build(seed=3)
    with pytest.raises(LensFileError, match=r"was learnt on tiny \(Llava.*another model: .* train a lens of its own"):
        read_lens(folder, find_parts(other))
    deeper = replace(find_parts(other), layers=(*other.model.language_model.layers, nn.Identity()))
    with pytest.raises(LensFileError, match="another model: 5 layers of 32; expected 4 of 32"):
        read_lens(folder, deeper)


def test_a_model_that_was_trained_on_is_another_one(folder: Path) -> None:
    further = ZOO["llava"].build()
    read_lens(folder, find_parts(further))
    with torch.no_grad():
        further.model.language_model.layers[2].mlp.down_proj.weight.mul_(1.001)
    with pytest.raises(LensFileError, match=r"other values in layer 3, mlp\.down_proj\.weight"):
        read_lens(folder, find_parts(further))


def test_so_is_one_with_another_vision_tower(folder: Path) -> None:
    further = ZOO["llava"].build()
    with torch.no_grad():
        next(further.model.vision_tower.parameters()).mul_(1.001)
    with pytest.raises(LensFileError, match=r"other values in model\.vision_tower\."):
        read_lens(folder, find_parts(further))


def test_a_damaged_folder_says_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    parts, described = find_parts(built("llava")), json.loads((folder / "lens.json").read_text())
    (folder / "lens.json").write_text(json.dumps({**described, "digest": "0"}))
    with pytest.raises(
        LensFileError, match=r"damaged: ValueError: lens\.safetensors is not what lens.json was written"
    ):
        read_lens(folder, parts)
    (folder / "lens.json").write_text(json.dumps({**described, "format": 2}))
    with pytest.raises(LensFileError, match="found kind 'tuned' of format 2; expected format 1"):
        read_lens(folder, parts)
    (folder / "lens.json").write_text(json.dumps(described))
    (folder / "lens.safetensors").write_bytes(b"no tensors")
    with pytest.raises(LensFileError, match="damaged"):
        read_lens(folder, parts)
    with pytest.raises(LensArgumentError, match=r"holds no lens; expected lens.json"):
        LensSettings(lens=str(tmp_path))
    with pytest.raises(LensArgumentError, match="the folder holds a tuned lens"):
        LensSettings(lens=f"jacobian:{folder}")
    with pytest.raises(LensArgumentError, match="was learnt through the final norm; found norm='none'"):
        LensSettings(lens=str(folder), norm="none")


def test_a_checkpoint_without_a_lens_says_how_to_train_one(llava: Specimen) -> None:
    with pytest.raises(LensFileError, match=r"brings no tuned lens .*`mmlens train-lens .* lens_kind=tuned:FOLDER"):
        LogitLens(built("llava"), llava.inputs(), LensSettings(lens="tuned"))


REFUSALS = {
    "not measured on held-out data": None,
    f"measured on {LEAST_CLUSTERS - 1} pictures": held_out(1, 2, clusters=LEAST_CLUSTERS - 1),
    "not measured at answer positions": held_out(1, 2, kinds=(TEXT,)),
    "farther from the last layer than that of the logit lens at layer 1, 2, 3": held_out(2, 1),
    "logit lens at layer 1, 2, 3": held_out(float("nan"), 1),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_a_lens_that_is_not_known_to_be_better_is_refused(why: str, tmp_path: Path, llava: Specimen) -> None:
    file = LensFile("jacobian", drawn_maps(), None, REFUSALS[why], "some")
    write_lens(tmp_path, file, find_parts(built("llava")), "tiny")
    with pytest.raises(LensFileError, match=f"is refused: .*{why}.*lens_allow_worse=True"):
        LogitLens(built("llava"), llava.inputs(), LensSettings(lens=str(tmp_path)))
    lens = LogitLens(built("llava"), llava.inputs(), LensSettings(lens=str(tmp_path), allow_worse=True))
    assert lens.refused_claims is not None and lens.describe()["lens"]["refused_claims"] == lens.refused_claims
    assert lens.describe()["lens"]["image_tokens"] == "logit"


def test_only_the_layers_that_are_read_are_held_against_the_logit_lens() -> None:
    own = Divergences(9, (3.0, 2.0, 1.0, 0.5), (4.0, 1.0, 1.0, 0.6), (0.1,) * L)
    found = HeldOut("others", 50, "float32", tuple(range(L)), {ANSWER: own})
    assert problem_of(found, ANSWER, (0, 2, 3, L)) is None
    assert "at layer 1" in str(problem_of(found, ANSWER, (1, 2, L)))
    assert "not measured at layer 7" in str(problem_of(found, ANSWER, (7, 8)))
    assert HeldOut.of_json(json.loads(json.dumps(found.to_json()))) == found


def published(folder: Path, model: Any, **changes: Any) -> dict[str, Tensor]:
    """A folder as the package tuned-lens saves it: a list of linear layers, and its configuration."""
    translators = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(L)])
    torch.save(translators.state_dict(), folder / "params.pt")
    config = {"base_model_name_or_path": "tiny", "d_model": WIDTH, "num_hidden_layers": L, "bias": True}
    (folder / "config.json").write_text(json.dumps({**config, "lens_type": "linear_tuned_lens", **changes}))
    return {name: each.detach() for name, each in translators.state_dict().items()}


def test_the_files_of_the_package_tuned_lens_are_read(tmp_path: Path, llava: Specimen) -> None:
    model = built("llava")
    written = published(tmp_path, model)
    with pytest.raises(LensFileError, match="not measured on held-out data"):
        LogitLens(model, llava.inputs(), LensSettings(lens=str(tmp_path)))
    lens = LogitLens(model, llava.inputs(), LensSettings(lens=f"tuned:{tmp_path}", allow_worse=True))
    residual = torch.randn(L, 3, WIDTH)
    mapped = lens._lens(residual, lens.layer_index)
    for place, layer in enumerate(range(1, L)):
        expected = residual[place] + nn.functional.linear(
            residual[place], written[f"{layer}.weight"], written[f"{layer}.bias"]
        )
        torch.testing.assert_close(mapped[place], expected, **bounds(torch.float32, WIDTH, scale=10.0))
    assert "package tuned-lens for tiny" in lens.describe()["lens"]["trained_on"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"unembed_hash": "0" * 64}, "with another unembedding"),
        ({"num_hidden_layers": 9}, "is of 9 layers"),
        ({"base_model_name_or_path": None}, None),
    ],
)
def test_published_files_that_do_not_fit_are_refused(changes: dict[str, Any], why: str | None, tmp_path: Path) -> None:
    published(tmp_path, built("llava"), **changes)
    if why is None:
        assert read_lens(tmp_path, find_parts(built("llava"))).kind == "tuned"
        return
    with pytest.raises(LensFileError, match=why):
        read_lens(tmp_path, find_parts(built("llava")))
    (tmp_path / "params.pt").write_bytes(b"")
    with pytest.raises(LensFileError, match="cannot be read"):
        read_lens(tmp_path, find_parts(built("llava")))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_learnt_from_are_the_lenss_own_logits_on_every_architecture(
    specimen: Specimen, dtype: torch.dtype
) -> None:
    model = built(specimen.model_type, dtype)
    lens = LogitLens(model, specimen.inputs(dtype=dtype))
    residual = lens.generate(specimen.inputs((4,), dtype), max_new_tokens=1, do_sample=False).residual(0, 0)
    given = residual.clone().requires_grad_(True)
    found = lens.unembedding.differentiable(given)
    expected = lens.unembedding(residual)
    scale = float(expected.abs().where(expected > torch.finfo(torch.float32).min / 2, torch.zeros(())).max())
    allowed = logit_bounds(lens.unembedding, residual)
    # the head of a 16-bit model rounds its product, and a cap or factor follows
    allowed["atol"] += scale * (4 * torch.finfo(dtype).eps if dtype != torch.float32 else 0.0)
    torch.testing.assert_close(found.detach(), expected, **allowed)
    torch.log_softmax(found, -1)[:, 3].sum().backward()
    assert given.grad is not None and bool(torch.isfinite(given.grad).all()) and float(given.grad.abs().max()) > 0
    fit = TunedFit(lens.unembedding, Recipe(steps=4, rate=0.1))
    kinds = torch.tensor([POSITION_KINDS.index(ANSWER)])
    states = States(torch.cat([residual[:1], residual])[:, None], kinds, "one")
    first, *_, last = (fit.take([states])[TEXT] for _ in range(4))
    assert last < first

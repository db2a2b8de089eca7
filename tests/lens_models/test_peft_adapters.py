"""Adapters: the lens reads the adapted model, checked against weights merged by hand."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from built_models import built
from close_readouts import logit_bounds
from safetensors.torch import load_file, save_file
from tolerances import bounds, sums_of
from zoo import ZOO, Specimen

from lens_models import LensArgumentError, LogitLens, ModelLoadError, find_parts
from lens_models.encoded_media import EncodedMedia
from lens_models.forced_run import ONE_PASS
from lens_models.peft_adapters import attach_adapter
from lens_models.probes import ResidualCapture
from lens_models.shared_prefix import prefix_problem
from lens_models.shared_vision import prove_shared_vision

# peft asks transformers for a property under its old name, and says what it saves
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers` to `True`:UserWarning:peft"),
]

TARGETS = ["q_proj", "v_proj", "down_proj"]
RANK, ALPHA = 4, 12


def peft_itself() -> Any:
    """Takes seconds to import, which only the tests that need it should cost."""
    return pytest.importorskip("peft")


def write_adapter(folder: Path, specimen: Specimen, targets: list[str], **settings: Any) -> Path:
    """A LoRA adapter whose B is not zero, as training leaves it."""
    torch.manual_seed(3)
    peft = peft_itself()
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets, init_lora_weights=False, **settings)
    peft.get_peft_model(specimen.build(), config).save_pretrained(folder)
    return folder


def merged_by_hand(folder: Path, specimen: Specimen) -> Any:
    """W + alpha / r * B A, written out."""
    model = specimen.build()
    weights = load_file(folder / "adapter_model.safetensors")
    names = [name.removesuffix(".lora_A.weight") for name in weights if name.endswith("lora_A.weight")]
    assert names
    with torch.no_grad():
        for name in names:
            down, up = weights[f"{name}.lora_A.weight"], weights[f"{name}.lora_B.weight"]
            module = model.get_submodule(name.removeprefix("base_model.model."))
            module.weight += (ALPHA / RANK) * (up.double() @ down.double()).float()
    return model


@pytest.fixture
def adapter(tmp_path: Path, llava: Specimen) -> Path:
    return write_adapter(tmp_path / "adapter", llava, TARGETS)


def residuals(model: Any, inputs: Any) -> torch.Tensor:
    with torch.no_grad(), ResidualCapture(find_parts(model)) as trace:
        model(**inputs)
    return trace.steps[0]


@pytest.mark.parametrize("targets", [TARGETS, [*TARGETS, "lm_head"]], ids=["layers", "layers and head"])
def test_every_layer_reads_as_with_weights_merged_by_hand(tmp_path: Path, llava: Specimen, targets: list[str]) -> None:
    folder = write_adapter(tmp_path / "adapter", llava, targets)
    model, merged, inputs = attach_adapter(llava.build(), str(folder)), merged_by_hand(folder, llava), llava.inputs()
    lens = LogitLens(model, inputs)
    assert lens.identity.exact
    with torch.no_grad():
        states = merged(**inputs, output_hidden_states=True).hidden_states
        norm = merged.model.language_model.norm
        # the last hidden state of transformers is normed already
        expected = [merged.lm_head(norm(state[:, -1])) for state in states[1:-1]] + [merged.lm_head(states[-1][:, -1])]
    ours = lens.logits(residuals(model, inputs))
    sums = sums_of(model, inputs["input_ids"].shape[1])
    for layer, theirs in enumerate(expected):
        torch.testing.assert_close(ours[layer], theirs, **bounds(torch.float32, sums, scale=float(theirs.abs().max())))
    plain = LogitLens(built("llava"), inputs).logits(residuals(built("llava"), inputs))
    assert (ours - plain).abs().max() > 0.1, "the adapter must matter, or nothing was compared"


def test_a_generation_with_an_adapter_is_that_of_the_merged_model(adapter: Path, llava: Specimen) -> None:
    inputs = llava.inputs((6, 3))
    lens = LogitLens(attach_adapter(llava.build(), str(adapter)), llava.inputs())
    traced = lens.generate(inputs, max_new_tokens=4, do_sample=False)
    merged = merged_by_hand(adapter, llava).generate(**inputs, max_new_tokens=4, do_sample=False)
    assert torch.equal(traced.sequences, merged)
    assert lens.check(traced).exact
    assert lens.forcing.way == ONE_PASS, lens.forcing.reason


@pytest.mark.parametrize("saved", ["lm_head", "norm"])
def test_a_head_or_norm_trained_as_a_whole_is_the_one_that_is_read(tmp_path: Path, llava: Specimen, saved: str) -> None:
    folder = write_adapter(tmp_path / "adapter", llava, ["q_proj"], modules_to_save=[saved])
    file = folder / "adapter_model.safetensors"
    weights = load_file(file)
    trained = {name: 1.7 * weight for name, weight in weights.items() if "lora" not in name}
    assert trained
    save_file({**weights, **trained}, file)
    model, inputs = attach_adapter(llava.build(), str(folder)), llava.inputs()
    lens = LogitLens(model, inputs)
    with torch.no_grad():
        theirs = model(**inputs).logits[:, -1]
    last = residuals(model, inputs)[-1]
    torch.testing.assert_close(lens.logits(last), theirs, **logit_bounds(lens._exact, last))


def test_the_parts_are_named_after_the_model_and_not_its_wrapper(adapter: Path, llava: Specimen) -> None:
    parts = find_parts(attach_adapter(llava.build(), str(adapter)))
    assert parts.model_class == "LlavaForConditionalGeneration"
    assert parts.decoder_path == "base_model.model.model.language_model.layers"


@torch.no_grad()
def test_what_is_spared_without_an_adapter_is_with_one(adapter: Path, llava: Specimen) -> None:
    model, inputs = attach_adapter(llava.build(), str(adapter)), llava.inputs((5, 6, 9))

    def prompts(*rows: int, pictures: Sequence[int] = ()) -> dict[str, torch.Tensor]:
        given = {name: value[list(rows)] for name, value in inputs.items()}
        return given | {"pixel_values": inputs["pixel_values"][list(pictures or rows)]}

    shared = prove_shared_vision(model, prompts(0, 1, 2, 0), prompts(2, 0, 1))
    for media, encoded in ((EncodedMedia(model), 3), (shared, 2)):
        with media.at_hand():
            for _ in range(2):
                model.generate(**prompts(0, 0, 1), max_new_tokens=2, do_sample=False)
        assert (media.pictures, media.pictures_encoded) == (6, encoded)
    # the longest prompt is not padded
    first, other, again = prompts(2), prompts(2, pictures=[1]), prompts(2)
    again["input_ids"] = torch.cat([again["input_ids"][:, :-1], again["input_ids"][:, -2:-1]], dim=1)
    assert prefix_problem(model, (first, other, again)) is None


def test_architectures_with_a_layout_rule_take_adapters_too(tmp_path: Path) -> None:
    """The rule's paths hold inside the wrapper."""
    specimen = ZOO["mllama"]
    folder = write_adapter(tmp_path / "adapter", specimen, ["q_proj"])
    assert LogitLens(attach_adapter(specimen.build(), str(folder)), specimen.inputs()).identity.exact


def test_an_adapter_with_missing_weights_is_refused(adapter: Path, llava: Specimen) -> None:
    file = adapter / "adapter_model.safetensors"
    save_file({name: value for name, value in load_file(file).items() if ".layers.1." not in name}, file)
    with pytest.raises(ModelLoadError, match=r"cannot be loaded \(Found missing adapter keys .*layers\.1\."):
        attach_adapter(llava.build(), str(adapter))


def test_an_adapter_of_another_model_is_refused(adapter: Path, llava: Specimen) -> None:
    settings = json.loads((adapter / "adapter_config.json").read_text())
    settings["target_modules"] = ["c_attn"]
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelLoadError, match=r"the adapter cannot be loaded \(Target modules .*c_attn.* not found"):
        attach_adapter(llava.build(), str(adapter))


def test_a_wider_model_does_not_fit(adapter: Path, llava: Specimen) -> None:
    with pytest.raises(ModelLoadError, match=r"the adapter cannot be loaded .*size mismatch"):
        attach_adapter(llava.build(intermediate_size=64), str(adapter))


@pytest.mark.parametrize("name", ["./nowhere", "."])
def test_a_folder_without_an_adapter_is_named(name: str, llava: Specimen) -> None:
    with pytest.raises(ModelLoadError, match=r"peft=\.\S*: the adapter cannot be loaded \(Can't find 'adapter_config"):
        attach_adapter(llava.build(), name)


def test_adapters_that_put_vectors_before_the_prompt_are_refused(tmp_path: Path, llava: Specimen) -> None:
    peft = peft_itself()
    settings = peft.PromptTuningConfig(
        task_type=peft.TaskType.CAUSAL_LM, num_virtual_tokens=3, num_layers=4, token_dim=32, num_attention_heads=4
    )
    settings.save_pretrained(tmp_path)
    with pytest.raises(LensArgumentError, match=r"is a PROMPT_TUNING adapter, which puts vectors before the prompt"):
        attach_adapter(llava.build(), str(tmp_path))


def test_without_the_package_the_message_says_what_to_install(
    adapter: Path, llava: Specimen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(LensArgumentError, match=r"needs the package peft, .* pip install 'mm-logit-lens\[peft\]'"):
        attach_adapter(llava.build(), str(adapter))


def test_a_loaded_checkpoint_carries_its_adapter(tmp_path: Path) -> None:
    """`load_model(peft=...)` on the bundled model."""
    from lens_models import example_inputs, load_model

    plain = load_model(device="cpu")
    torch.manual_seed(0)
    peft = peft_itself()
    config = peft.LoraConfig(r=RANK, target_modules=TARGETS, init_lora_weights=False)
    peft.get_peft_model(load_model(device="cpu").model, config).save_pretrained(tmp_path / "adapter")
    loaded = load_model(device="cpu", peft=str(tmp_path / "adapter"))
    probe = example_inputs(loaded.processor)
    assert not loaded.model.training
    assert LogitLens(loaded.model, probe).identity.exact
    with torch.no_grad():
        assert (loaded.model(**probe).logits - plain.model(**probe).logits).abs().max() > 0.1
    shutil.rmtree(tmp_path / "adapter")
    with pytest.raises(ModelLoadError, match="the adapter cannot be loaded"):
        load_model(device="cpu", peft=str(tmp_path / "adapter"))

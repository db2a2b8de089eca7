from __future__ import annotations

from typing import Any

import pytest
from built_models import built
from torch import nn
from zoo import Specimen, layer_list

from lens_models import PartsError, architectures, find_parts
from lens_models.architectures import LayoutRule


def test_parts_are_the_models_own_modules(specimen: Specimen) -> None:
    model = built(specimen.model_type)
    parts = find_parts(model)
    assert list(parts.layers) == list(layer_list(model, specimen.layers_path))
    assert parts.decoder_path == specimen.layers_path
    assert parts.norm is model.get_submodule(specimen.layers_path.removesuffix("layers") + "norm")
    assert parts.head is model.get_output_embeddings()
    assert (parts.hidden_size, parts.vocab_size) == (32, 160)
    assert parts.describe() == (
        f"{type(model).__name__}: {len(parts.layers)} layers in '{specimen.layers_path}', final norm "
        f"'{parts.norm_path}', head '{parts.head_path}' (32 -> 160)"
    )


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(4, 4)


def model_with(**modules: Any) -> Any:
    model = nn.Module()
    for name, module in modules.items():
        setattr(model, name, module)
    model.config = type("Config", (), {"model_type": "imagined"})()  # type: ignore[assignment]
    return model


def decoder(layers: str = "layers", norm: str = "norm") -> nn.Module:
    return model_with(**{layers: nn.ModuleList([Block(), Block()]), norm: nn.LayerNorm(4)})


@pytest.mark.parametrize("layers", ["layers", "h", "blocks"])
@pytest.mark.parametrize("norm", ["norm", "final_layernorm", "ln_f"])
def test_usual_names_are_found_without_accessors(layers: str, norm: str) -> None:
    model = model_with(model=decoder(layers, norm), lm_head=nn.Linear(4, 9))
    parts = find_parts(model)
    assert (parts.decoder_path, parts.norm_path, parts.head_path) == (f"model.{layers}", f"model.{norm}", "lm_head")
    assert parts.vocab_size == 9


def test_a_decoder_without_a_final_norm_has_none() -> None:
    parts = find_parts(model_with(model=decoder(norm="other"), lm_head=nn.Linear(4, 9)))
    assert parts.norm is None
    assert parts.norm_path is None


def test_a_rule_comes_before_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        architectures._RULES, "imagined", LayoutRule("thinker.core.layers", "thinker.core.after", "out")
    )
    model = model_with(model=decoder(), thinker=model_with(core=decoder(norm="after")), out=nn.Linear(4, 9))
    parts = find_parts(model)
    assert (parts.decoder_path, parts.norm_path, parts.head_path) == (
        "thinker.core.layers",
        "thinker.core.after",
        "out",
    )


def test_a_rule_may_say_that_there_is_no_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(architectures._RULES, "imagined", LayoutRule(norm=""))
    assert find_parts(model_with(model=decoder(), lm_head=nn.Linear(4, 9))).norm is None


def test_a_rule_that_names_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(architectures._RULES, "imagined", LayoutRule("thinker.layers"))
    with pytest.raises(PartsError, match=r"the layout rule of Module names 'thinker\.layers', which the model"):
        find_parts(model_with(model=decoder(), lm_head=nn.Linear(4, 9)))


def test_a_bert_like_head_brings_its_transform() -> None:
    bert = model_with(bert=model_with(encoder=model_with(layer=nn.ModuleList([Block()]))))
    bert.cls = model_with(predictions=model_with(transform=nn.LayerNorm(4), decoder=nn.Linear(4, 9)))
    bert.get_output_embeddings = lambda: bert.cls.predictions.decoder
    model = model_with(decoder=bert)
    model.get_output_embeddings = bert.get_output_embeddings
    model.get_decoder = lambda: bert
    parts = find_parts(model)
    assert parts.decoder_path == "decoder.bert.encoder.layer"
    assert parts.norm_path == "decoder.cls.predictions.transform"


def test_without_layers() -> None:
    with pytest.raises(PartsError, match=r"Module: no decoder with a list of layers was found\..*adding-a-model\.md"):
        find_parts(model_with(lm_head=nn.Linear(4, 9)))


def test_without_a_head() -> None:
    with pytest.raises(PartsError, match=r"Module: get_output_embeddings\(\) gave nothing and there is no 'lm_head'"):
        find_parts(model_with(model=decoder()))


def test_a_head_without_a_width() -> None:
    with pytest.raises(PartsError, match="the head Sequential has neither 'in_features' nor a two-dimensional weight"):
        find_parts(model_with(model=decoder(), lm_head=nn.Sequential(nn.Linear(4, 9))))

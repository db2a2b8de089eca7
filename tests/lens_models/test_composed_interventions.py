"""Interventions on top of each other, in both orders, against their slow references on top of each other."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from built_models import built
from safetensors.torch import save_file
from slow_interventions import BEGIN, INSTRUCTION, Changed, expected_logits, made_for, one_row, reference_model
from zoo import ZOO

from lens_models import LensArgumentError, LensSettings, LogitLens
from lens_models.interventions import changed, interventions_of

N = 3
WORDS = {
    "dola": "dola:1:layers=1-3:cut=0.2",
    "deco": "deco:2:layers=1-3:top_k=20",
    "early_exit": "early_exit:1:layers=1-3:threshold=0.01",
    "vcd": "vcd:1:noise=900:cut=0.3",
    "icd": "icd:0.5:cut=0.3",
    "pai": "pai:0.8:gamma=1.5:cut=0.3",
    "adaptvis": "adaptvis:1:high=3:threshold=0",
    "vista": "vista:0.5",
    "memvr": "memvr:0.7:threshold=0.9:layers=1-3",
    "steer": "steer:0.7",
}
PAIRS = tuple(permutations(WORDS, 2))
HARD = [pair for pair in PAIRS if set(pair) <= {"vcd", "icd", "pai", "adaptvis", "vista", "memvr"}]


class Tokenizer:
    bos_token_id = BEGIN

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": list(INSTRUCTION)}


@pytest.fixture(scope="module")
def directions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file, made = tmp_path_factory.mktemp("steer") / "v.safetensors", torch.Generator().manual_seed(0)
    width = built("llava").config.text_config.hidden_size
    save_file({f"layer.{layer}": torch.randn(width, generator=made) for layer in (2, 3)}, file)
    return file


def in_words(pair: tuple[str, ...], directions: Path) -> str:
    return "+".join(WORDS[name] + (f":file={directions}" if name == "steer" else "") for name in pair)


def check(family: str, words: str) -> None:
    """Each step of both rows of a padded batch."""
    lens = LogitLens(built(family), ZOO[family].inputs(), LensSettings())
    inputs, model = ZOO[family].inputs((3, 6)), reference_model(family)
    for asked in interventions_of(words)[:-1]:
        model = Changed(asked, model)
    last = interventions_of(words)[-1]
    kept: dict[str, Any] = {"output_logits": True, "return_dict_in_generate": True, "do_sample": False}
    with changed(lens.parts, made_for(words, lens, family, Tokenizer())):
        found = lens.model.generate(**inputs, max_new_tokens=N, min_new_tokens=N, **kept)
    for row in (0, 1):
        prompt = one_row(inputs, row)
        said = found.sequences[row, inputs["input_ids"].shape[1] :].tolist()
        for step, logits in enumerate(found.logits):
            expected = expected_logits(last, model, prompt, said[:step])
            np.testing.assert_allclose(
                logits[row].double().numpy(), expected, rtol=2e-3, atol=2e-3, err_msg=f"row {row}, step {step}"
            )
    plain = lens.model.generate(**inputs, max_new_tokens=1, **kept).logits[0]
    assert not torch.allclose(plain, found.logits[0], atol=1e-2)


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_two_are_their_formulas_on_top_of_each_other(pair: tuple[str, str], directions: Path) -> None:
    check("llava", in_words(pair, directions))


@pytest.mark.parametrize("pair", HARD, ids="+".join)
def test_so_they_are_where_positions_have_several_axes(pair: tuple[str, str], directions: Path) -> None:
    check("qwen2_vl", in_words(pair, directions))


THREE = [("memvr", "icd", "pai"), ("icd", "vcd", "pai"), ("pai", "vista", "icd"), ("dola", "icd", "memvr")]


@pytest.mark.parametrize("names", THREE, ids="+".join)
def test_three_are(names: tuple[str, ...], directions: Path) -> None:
    check("llava", in_words(names, directions))


@pytest.mark.parametrize("other", [name for name in WORDS if name != "steer"])
def test_patches_that_come_again_are_refused_beside_others(other: str) -> None:
    lens = LogitLens(built("llava"), ZOO["llava"].inputs(), LensSettings())
    for words in (f"{WORDS[other]}+icot", f"select:1:by=random+{WORDS[other]}"):
        with pytest.raises(LensArgumentError, match=f"which {other} knows nothing of; use one of the two"):
            made_for(words, lens, "llava", Tokenizer())

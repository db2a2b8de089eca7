"""What the stock wrapper does with a task's generation arguments and a checkpoint's tokens, the lens does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lmms_eval.models import get_model
from lmms_eval_outcome import Evaluate, Outcome
from test_evaluation import stock_wrapper

from lens_models import ModelLoadError, load_model
from lens_models.loading import resolve_pretrained

TASK = "tiny_long"
SPECIAL = list(range(2562, 2570))
"""Ids of the end token and its kin."""


def copied(folder: Path, **changes: Any) -> Path:
    """The bundled checkpoint with other entries in its JSON files: file name without its ending -> entries."""
    shutil.copytree(resolve_pretrained("lens_tiny"), folder)
    for name, entries in changes.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))
    return folder


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled checkpoint, which goes on after its answer until its tokens are spent."""
    return copied(tmp_path_factory.mktemp("talker") / "model", generation_config={"suppress_tokens": SPECIAL})


def same_readouts(one: Outcome, other: Outcome) -> None:
    assert one.run.samples["answer_step"].tolist() == other.run.samples["answer_step"].tolist()
    np.testing.assert_array_equal(one.run.stack("entropy"), other.run.stack("entropy"))


@pytest.mark.parametrize("until", ["ОТВЕТ", "e"])
def test_until_cuts_neither_the_answer_nor_what_the_lens_reads_of_it(
    evaluate: Evaluate, talker: Path, until: str
) -> None:
    plain = evaluate(TASK, f"pretrained={talker}")
    assert any(until in text for text in plain.texts(TASK))
    stopped = evaluate(TASK, f"pretrained={talker}", gen_kwargs=f"until={until}", output="until")
    without = evaluate(TASK, f"pretrained={talker},lens=False", gen_kwargs=f"until={until}", output="off")
    assert stopped.texts(TASK) == plain.texts(TASK) == without.texts(TASK)
    same_readouts(stopped, plain)


def test_the_stock_wrapper_cuts_nothing_at_until_either(evaluate: Evaluate, talker: Path) -> None:
    ours = evaluate(TASK, f"dtype=bfloat16,pretrained={talker}", gen_kwargs="until=e")
    stock = evaluate(TASK, model=stock_wrapper(str(talker)), gen_kwargs="until=e", output="stock")
    assert ours.texts(TASK) == stock.texts(TASK)
    assert any("e" in text for text in stock.texts(TASK))


@pytest.mark.parametrize("lens", [True, False])
def test_an_answer_ends_at_each_end_token_of_the_checkpoint(
    evaluate: Evaluate, talker: Path, tmp_path: Path, lens: bool
) -> None:
    tokenizer = load_model().tokenizer
    (second,) = tokenizer.encode("What", add_special_tokens=False)
    ends = {"eos_token_id": [tokenizer.eos_token_id, second], "suppress_tokens": SPECIAL}
    folder = copied(tmp_path / "ends", generation_config=ends)
    plain, ended = (
        evaluate(TASK, f"pretrained={talker}"),
        evaluate(TASK, f"pretrained={folder},lens={lens}", output="e"),
    )
    assert any("What" in text for text in plain.texts(TASK))
    for text, shorter in zip(plain.texts(TASK), ended.texts(TASK), strict=True):
        before, end, _ = text.partition("What")
        assert shorter == before + end


def test_a_tokenizer_without_a_padding_token_answers_as_with_one(evaluate: Evaluate, tmp_path: Path) -> None:
    folder = copied(tmp_path / "unpadded", tokenizer_config={"pad_token": None})
    assert load_model(str(folder)).tokenizer.pad_token_id is not None
    for arguments in (f"pretrained={folder}", f"pretrained={folder},lens=False"):
        unpadded = evaluate(TASK, arguments, batch_size=3, output=arguments[-5:])
        assert unpadded.texts(TASK) == evaluate(TASK, batch_size=3, output="padded").texts(TASK)


def test_a_checkpoint_that_cannot_pad_is_told_at_once_and_no_document_is_blamed(tmp_path: Path) -> None:
    folder = copied(
        tmp_path / "bare",
        tokenizer_config={"pad_token": None, "eos_token": None, "unk_token": None, "bos_token": None},
        generation_config={"pad_token_id": None},
    )
    with pytest.raises(
        ModelLoadError, match="its tokenizer has no padding token, and no end token to use in its place"
    ):
        get_model("hf-multimodal-lens").create_from_arg_string(f"pretrained={folder},lens=False", {"batch_size": 1})

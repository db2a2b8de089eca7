"""What a user gets wrong, and what the message says."""

from __future__ import annotations

from pathlib import Path

import pytest
from lmms_eval import evaluator
from lmms_eval.models import get_model
from lmms_eval_outcome import Evaluate
from transformers import Qwen2Config, Qwen2ForCausalLM

from harness_ext.lmms_eval.evaluation import install
from harness_ext.wrapping import UnsupportedHarnessError
from lens_models import InputError, LensArgumentError, NotMultimodalError, UnknownModelError


def make(model_args: str) -> object:
    return get_model("hf-multimodal-lens").create_from_arg_string(model_args, {"batch_size": 1})


@pytest.mark.parametrize(
    ("model_args", "message"),
    [
        ("lens_topkk=3", "unknown model argument 'lens_topkk'. Did you mean lens_topk?"),
        ("lens_layer=3", "unknown model argument 'lens_layer'. Did you mean lens_layers?"),
        ("pretraind=x", "unknown model argument 'pretraind'. Did you mean pretrained?"),
        ("lens_layers=first", "lens_layers='first': expected 'all' or numbers and ranges such as 0+4-8+24"),
        ("lens_norm=rms", "norm='rms'; expected 'final' or 'none'"),
        ("lens_tau=2", "tau is a divergence in nats between 0 and ln 2"),
        ("lens=maybe", "lens='maybe'; expected True or False"),
        ("batch_size=auto", "batch_size='auto'; expected a whole number from 1 on"),
        ("dtype=float8", "dtype='float8' is unknown; use one of"),
    ],
)
def test_wrong_arguments_are_named_with_what_was_meant(model_args: str, message: str) -> None:
    arguments = dict(pair.split("=") for pair in model_args.split(","))
    with pytest.raises(LensArgumentError) as caught:
        get_model("hf-multimodal-lens")(**{"batch_size": 1, **arguments})
    assert message in str(caught.value)


def test_a_layer_that_does_not_exist_is_refused_with_the_range() -> None:
    with pytest.raises(Exception, match=r"layers \[99\] do not exist; this model has layers 0 \(embedding\) to \d+"):
        make("lens_layers=99")


def test_an_unknown_folder_is_named() -> None:
    with pytest.raises(UnknownModelError, match=r"pretrained=\./nowhere: there is no such folder"):
        make("pretrained=./nowhere")


def test_a_text_only_model_is_refused(tmp_path: Path) -> None:
    config = Qwen2Config(
        vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(NotMultimodalError, match=r"is a 'qwen2' model .* Choose a checkpoint for images"):
        make(f"pretrained={tmp_path}")


def test_a_broken_image_stops_the_run_by_name_and_loses_nothing(evaluate: Evaluate, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="task tiny_broken, document 1: the document cannot be read"):
        evaluate("tiny_broken")
    from lens_results import load

    kept = load(tmp_path / "out")
    assert kept.samples["doc_id"].tolist() == [0]
    assert not kept.complete


def test_an_unsupported_harness_is_named_with_both_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate(model: object, tasks: object) -> None: ...

    monkeypatch.setattr(evaluator, "evaluate", evaluate)
    with pytest.raises(UnsupportedHarnessError) as caught:
        install()
    assert "lmms_eval.evaluator.evaluate was expected with the parameters lm, task_dict" in str(caught.value)
    assert "found model, tasks" in str(caught.value)

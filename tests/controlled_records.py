"""What a control has to have recorded, worked out by plain transformers and compared with a record."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from mera_folder import MINIS
from PIL import Image
from plain_model import Floats, PlainModel, answer_log_odds, lens_tiny_bounds, pooled
from scipy.special import log_softmax, logsumexp

from lens_engine.sample import text_digest
from lens_results import SampleRecord
from lens_results.record import FloatArray

OWN_READOUT = (
    "logprob_pred", "rank_pred", "logprob_gold", "rank_gold", "entropy", "cand_entropy", "cand_mass", "kl_last",
    "jsd_last", "margin_pred", "log_odds", "energy", "resid_norm", "cand_scores", "pivot_scores", "topk_ids",
    "topk_logprobs",
)  # fmt: skip


@functools.cache
def mini_documents(task: str) -> list[dict[str, Any]]:
    """The documents of a bundled mini benchmark, read from its file."""
    return list(pq.read_table(MINIS / f"{task}.parquet").to_pylist())


def mini_image(document: Mapping[str, Any]) -> Image.Image:
    """The image of such a document."""
    encoded = document["image"] if "image" in document else document["inputs"]["image"]
    return Image.open(BytesIO(encoded["bytes"])).convert("RGB")


def mini_text(document: Mapping[str, Any]) -> str:
    """What such a document asks, with `<image>` where the image stands; without one it stands first."""
    if "instruction" not in document:
        return str(document["question"])
    return str(document["instruction"].format(**document["inputs"]))


def read_prompt(record: SampleRecord, model: PlainModel, text: str, n_images: int = 1) -> str:
    """The prompt by the processor's own template; the record's digest says that it is the one that was read."""
    pieces = text.split("<image>")
    if len(pieces) == 1:
        content = [{"type": "image"}] * n_images + [{"type": "text", "text": text}]
    else:
        content = [part for piece in pieces for part in ({"type": "image"}, {"type": "text", "text": piece})][1:]
    prompt = model.prompt([part for part in content if part.get("text") != ""])
    assert text_digest(prompt) == record.prompt_sha256
    return prompt


def check_generated(
    record: SampleRecord, control: str, model: PlainModel, prompt: str, own: Sequence[Image.Image],
    other: Sequence[Image.Image],
) -> Floats:  # fmt: skip
    """Compare the control of a generated answer, read on pooled first tokens, with the model under `other` images.

    Returns the log-probabilities of the answer by block under the control.
    """
    assert record.answer_step is not None and record.answer_token_id is not None
    tokens = model.generated(prompt, own, record.answer_step + 1)
    assert tokens[-1] == record.answer_token_id
    mine, theirs = (model.logits(prompt, images, tokens[:-1])[:, -1] for images in (own, other))
    logp = log_softmax(theirs, axis=1)
    found = record.controls[control]
    np.testing.assert_allclose(found["logprob_pred"], logp[:, record.answer_token_id], **lens_tiny_bounds())
    np.testing.assert_allclose(found["energy"], -logsumexp(theirs, axis=1), **lens_tiny_bounds())
    if record.candidate_token_ids:
        scores = pooled(theirs, record.candidate_token_ids)
        np.testing.assert_allclose(found["cand_scores"], scores, **lens_tiny_bounds())
        _check_odds(record, found, pooled(mine, record.candidate_token_ids), scores)
        if record.gold_candidate is not None:
            gold = logsumexp(logp[:, list(record.candidate_token_ids[record.gold_candidate])], axis=1)
            np.testing.assert_allclose(found["logprob_gold"], gold, **lens_tiny_bounds())
    if control == "blank":
        _check_scalar(record, found)
    return np.asarray(found["logprob_pred"])


def check_forced(
    record: SampleRecord, control: str, mine: Floats, theirs: Floats
) -> None:  # fmt: skip
    """Compare the control of teacher-forced candidates with their scores [blocks, candidates] under either image."""
    found = record.controls[control]
    np.testing.assert_allclose(found["cand_scores"], theirs, **lens_tiny_bounds())
    _check_odds(record, found, mine, theirs)
    if control == "blank":
        _check_scalar(record, found)


def same_readout(first: SampleRecord, second: SampleRecord) -> None:
    """Nothing but the controls differs between two records, to the last bit."""
    for name in OWN_READOUT:
        mine, other = getattr(first, name), getattr(second, name)
        assert (mine is None) == (other is None), name
        if mine is not None:
            np.testing.assert_array_equal(mine, other, err_msg=name)
    for name in ("response", "status", "correct", "answer_step", "answer_token_id", "image_sha256", "prompt_sha256"):
        assert getattr(first, name) == getattr(second, name), name
    assert first.scores == second.scores
    assert first.gold_based == second.gold_based
    without = {name: value for name, value in first.label_free.items() if name != "visual_gain"}
    assert without == {name: value for name, value in second.label_free.items() if name != "visual_gain"}


def _check_odds(record: SampleRecord, found: dict[str, FloatArray], mine: Floats, theirs: Floats) -> None:
    if record.binary is not None:
        positive, negative = record.binary
        np.testing.assert_allclose(found["log_odds"], theirs[:, positive] - theirs[:, negative], **lens_tiny_bounds())
    if record.pred_candidate is not None:
        gain = answer_log_odds(mine, record.pred_candidate) - answer_log_odds(theirs, record.pred_candidate)
        np.testing.assert_allclose(found["visual_gain"], gain, **lens_tiny_bounds())


def _check_scalar(record: SampleRecord, found: dict[str, FloatArray]) -> None:
    value = record.label_free["visual_gain"]
    if "visual_gain" in found and value is not None:
        np.testing.assert_allclose(value, found["visual_gain"][-1], **lens_tiny_bounds())

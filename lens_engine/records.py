"""Put a readout and what is known of its sample into a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from lens_models import IdentityReport, Readout
from lens_models.metrics import (
    LayerReadout,
    Thresholds,
    final_log_odds,
    gold_based_scalars,
    label_free_scalars,
    visual_gain,
    visual_gain_by_layer,
)
from lens_models.readout import FloatArray
from lens_results import SampleRecord
from lens_results.record import Key

from .candidates import SampleCandidates
from .controls import ControlReading
from .engine import Lens
from .failures import NoReadout
from .image_maps import Observed
from .position import AnswerPosition
from .sample import Sample, text_digest

__all__ = [
    "NON_FINITE",
    "ReadSample",
    "RecordAssembler",
    "bare_record",
    "common_fields",
    "sample_fields",
    "unread_record",
    "valid_record",
    "without_readout",
]

_READ = ("logprob_pred", "logprob_gold", "entropy", "kl_last", "jsd_last", "energy", "resid_norm", "topk_logprobs")
_READ_OF_CANDIDATES = ("cand_scores", "cand_mass", "cand_entropy")
NON_FINITE = "the model's logits at the answer are NaN or infinite"


@dataclass(frozen=True)
class ReadSample:
    """One answered sample and its readout."""

    sample: Sample
    response: str
    n_generated: int
    position: AnswerPosition
    candidates: SampleCandidates
    readout: Readout
    observed: Observed = field(default_factory=Observed)


class RecordAssembler:
    """Makes records for one lens; holds what all samples share."""

    def __init__(self, lens: Lens, tokenizer: Any, thresholds: Thresholds) -> None:
        self._layer_index = np.asarray(lens.layer_index)
        self._n_layers = lens.parts.n_layers
        self._thresholds = thresholds
        self._token_text = lru_cache(maxsize=65536)(lambda token: str(tokenizer.decode([token])))

    def read(self, read: ReadSample, identity: IdentityReport | None, *, compared: bool = True) -> SampleRecord:
        """The record of a sample that was read; a readout that is not finite or not exact keeps its reason alone.

        Args:
            read: the sample with its readout.
            identity: of its batch; None where the model gave no finite logits to compare with.
            compared: whether this very sample was compared; else the record does not say so.
        """
        own = identity if compared else None
        common = common_fields(read.sample, read.response, read.n_generated, own) | _answer(read)
        if doubt := self._doubt(read, identity, "this batch"):
            return valid_record(read.sample, read.response, common, status=doubt.status, status_reason=doubt.reason)
        layers = self._layer_readout(read)
        gold, observed = read.candidates.gold, read.observed
        return valid_record(
            read.sample,
            read.response,
            common,
            **self._arrays(read),
            probes=observed.probes,
            probe_status=observed.status,
            token_texts=observed.token_texts,
            label_free=label_free_scalars(layers, self._thresholds) | observed.label_free,
            gold_based=(
                gold_based_scalars(layers, gold, read.candidates.correct, self._thresholds)
                if read.candidates.ids
                else {}
            )
            | observed.gold_based,
        )

    def control(
        self, read: ReadSample, readout: Readout, identity: IdentityReport | None, *, passes: int
    ) -> ControlReading:
        """What is kept of `readout`, the sample's answer read under other images.

        Args:
            read: the sample with its own readout.
            readout: of the same tokens at the same layers.
            identity: of the control's own forward pass.
            passes: forward passes that it took.
        """
        if doubt := self._doubt(replace(read, readout=readout), identity, "this control"):
            return ControlReading({}, None, passes, doubt.status, doubt.reason)
        candidates = read.candidates
        arrays = {name: getattr(readout, name) for name in ("logprob_pred", "logprob_gold", "energy")}
        own, other = self._layer_readout(read), self._layer_readout(replace(read, readout=readout))
        if candidates.ids:
            arrays["cand_scores"] = readout.cand_scores
            arrays["log_odds"] = _log_odds(readout.cand_scores, candidates.binary)
            arrays["visual_gain"] = visual_gain_by_layer(own, other)
        kept = {name: value for name, value in arrays.items() if value is not None}
        if not all(np.isfinite(value).all() for value in kept.values()):
            return ControlReading({}, None, passes, "non_finite", "a score under this control is NaN or infinite")
        return ControlReading(kept, visual_gain(final_log_odds(own), final_log_odds(other)), passes)

    def unread(
        self,
        sample: Sample,
        response: str,
        why: NoReadout,
        *,
        n_generated: int | None = None,
        identity: IdentityReport | None = None,
        observed: Observed | None = None,
    ) -> SampleRecord:
        """The record of a sample without a readout: its status and the reason, and what further probes observed."""
        common = common_fields(sample, response, n_generated, identity)
        seen = observed or Observed()
        found = {"probes": seen.probes, "probe_status": seen.status, "token_texts": seen.token_texts}
        return valid_record(sample, response, common, status=why.status, status_reason=why.reason, **found)

    def _layer_readout(self, read: ReadSample) -> LayerReadout:
        readout, candidates = read.readout, read.candidates
        return LayerReadout(
            layer_index=self._layer_index,
            n_layers=self._n_layers,
            cand_scores=readout.cand_scores,
            cand_mass=readout.cand_mass,
            logprob_pred=readout.logprob_pred,
            entropy=readout.entropy,
            jsd_last=readout.jsd_last,
            top1_ids=readout.top1_ids,
            pred_index=candidates.pred if candidates.ids else None,
            candidates_fixed=candidates.fixed,
            pred_token=read.position.token_id,
            sequences=candidates.score != "logit",
        )

    def _doubt(self, read: ReadSample, identity: IdentityReport | None, what: str) -> NoReadout | None:
        """Why a readout is not kept; None when all is well."""
        if not read.readout.finite:
            return NoReadout("non_finite", NON_FINITE)
        if identity is not None and not identity.exact:
            reason = f"the readout of {what} was off by {identity.deviation:.2e} (allowed {identity.tolerance:.2e})"
            return NoReadout("identity_failed", reason)
        names = (*_READ_OF_CANDIDATES, *_READ) if read.candidates.ids else _READ
        for name in (*names, "pivot_scores") if _pivots(read.candidates) else names:
            values = getattr(read.readout, name)
            if values is not None and not np.isfinite(values).all():
                return NoReadout("non_finite", self._not_finite(name, values, read.candidates.labels))
        return None

    def _not_finite(self, name: str, values: FloatArray, labels: tuple[str, ...]) -> str:
        place = np.argwhere(~np.isfinite(values))[-1]  # of the last layer first: there it is the model's own
        what = f"the score of {labels[place[1]]!r}" if name == "cand_scores" else name
        return f"{what} is {values[tuple(place)]} at layer {self._layer_index[place[0]]}"

    def _arrays(self, read: ReadSample) -> dict[str, Any]:
        readout, candidates = read.readout, read.candidates
        arrays: dict[str, Any] = {
            name: getattr(readout, name)
            for name in (
                "logprob_pred", "rank_pred", "logprob_gold", "rank_gold", "entropy", "kl_last", "jsd_last", "energy",
                "resid_norm", "topk_ids", "topk_logprobs",
            )
        }  # fmt: skip
        arrays["topk_tokens"] = tuple(tuple(self._token_text(int(t)) for t in row) for row in readout.topk_ids)
        if candidates.ids:
            arrays |= {name: getattr(readout, name) for name in _READ_OF_CANDIDATES}
            arrays["margin_pred"] = _margin(readout.cand_scores, candidates.pred)
            arrays["log_odds"] = _log_odds(readout.cand_scores, candidates.binary)
        if _pivots(candidates):
            arrays["pivot_scores"] = readout.pivot_scores
        return arrays


def valid_record(sample: Sample, response: str, common: Mapping[str, Any], **found: Any) -> SampleRecord:
    """The record; where its fields contradict each other, one that says so and holds what is certain."""
    try:
        return SampleRecord(**common, **found)
    except Exception as error:  # fields that contradict each other, or of a kind that no record holds
        why = NoReadout("not_run", f"what was read is no valid record: {error}")
    return bare_record(sample.key, sample.kind, response, why)


def bare_record(key: Key, kind: str, response: str, why: NoReadout) -> SampleRecord:
    """A sample of which nothing is known but its answer and why there is no more."""
    task, doc_id, request_idx, repeat = key
    return SampleRecord(
        task=task,
        doc_id=doc_id,
        request_idx=request_idx,
        repeat=repeat,
        kind=kind,
        response=response,
        status=why.status,
        status_reason=why.reason,
    )


_WITHOUT_READOUT = (
    "task", "doc_id", "request_idx", "repeat", "kind", "split", "question", "response", "gold", "image_sha256",
    "videos", "sounds", "prompt_sha256", "fingerprint", "cluster", "question_type", "dialogue", "turn", "answers_shown",
    "n_generated", "identity_deviation", "identity_argmax",
)  # fmt: skip


def without_readout(record: SampleRecord, why: NoReadout) -> SampleRecord:
    """What a record says of its sample apart from the readout and what was taken for the answer."""
    return unread_record(sample_fields(record), why)


def sample_fields(record: SampleRecord) -> dict[str, Any]:
    """What a record says of its sample, for `unread_record`; it takes less memory than a record."""
    return {name: getattr(record, name) for name in _WITHOUT_READOUT}


def unread_record(fields: Mapping[str, Any], why: NoReadout) -> SampleRecord:
    """The record of a sample of which no more is known than `sample_fields` says."""
    return SampleRecord(**fields, status=why.status, status_reason=why.reason)


def common_fields(
    sample: Sample, response: str, n_generated: int | None, identity: IdentityReport | None
) -> dict[str, Any]:
    """What a record says of a sample whatever was read of its answer."""
    task, doc_id, request_idx, repeat = sample.key
    target, turn = sample.target, sample.reference.turn
    return {
        "task": task,
        "doc_id": doc_id,
        "request_idx": request_idx,
        "repeat": repeat,
        "kind": sample.kind,
        "split": sample.split,
        "question": sample.question,
        "response": response,
        "gold": target.gold_texts,
        "image_sha256": sample.media.image_sha256,
        "videos": sample.media.video_records,
        "sounds": sample.media.sound_records,
        "prompt_sha256": text_digest(sample.prompt),
        "fingerprint": sample.fingerprint,
        "cluster": target.cluster,
        "question_type": target.question_type,
        "dialogue": None if turn is None else turn.dialogue,
        "turn": None if turn is None else turn.number,
        "answers_shown": sample.answers_shown,
        "n_generated": n_generated,
        "identity_deviation": None if identity is None or not np.isfinite(identity.deviation) else identity.deviation,
        "identity_argmax": None if identity is None else identity.argmax_agrees,
    }


def _answer(read: ReadSample) -> dict[str, Any]:
    candidates, position = read.candidates, read.position
    return {
        "candidates": candidates.labels,
        "candidate_token_ids": candidates.ids,
        "candidate_method": candidates.method,
        "gold_candidate": candidates.gold,
        "pred_candidate": candidates.pred,
        "candidate_score": candidates.score if candidates.ids else None,
        "pivot_labels": candidates.pivot_labels if _pivots(candidates) else (),
        "binary": candidates.binary if candidates.ids else None,
        "correct": candidates.correct,
        "answer_rule": position.span.rule,
        "answer_aligned": position.span.aligned,
        "answer_step": position.step,
        "answer_token_id": position.token_id,
    }


def _pivots(candidates: SampleCandidates) -> bool:
    """Whether the pivots' logits stand beside logits: a logit and a log-probability of a sequence do not compare."""
    return bool(candidates.pivots and candidates.ids) and candidates.score == "logit"


def _margin(scores: FloatArray, pred: int | None) -> FloatArray | None:
    if pred is None or scores.shape[1] < 2:
        return None
    others = np.delete(scores, pred, axis=1)
    return np.asarray(scores[:, pred] - others.max(axis=1), dtype=np.float32)


def _log_odds(scores: FloatArray, binary: tuple[int, int] | None) -> FloatArray | None:
    if binary is None:
        return None
    return np.asarray(scores[:, binary[0]] - scores[:, binary[1]], dtype=np.float32)

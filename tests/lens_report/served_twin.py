"""The samples of a synthetic run as a model behind a server answers them, with the same last-layer distribution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from synthetic import Plan, records, run_info

from lens_engine.description import RunSettings
from lens_engine.sample import Reference, Sample
from lens_engine.served import ServedAnswer, ServedModel, ServedOptions, ServedReader
from lens_results import RecordWriter, SampleRecord, merge
from lens_tasks import AnswerTarget, Candidate
from lens_tasks.surface import word_forms

RUN_ID = "20260201T120000Z-00000002"


def write_twin(
    folder: Path,
    plan: Plan,
    *,
    left: float = 1e-5,
    logprobs: bool = True,
    open_task: bool = False,
    run_id: str = RUN_ID,
) -> Path:
    """Write the run and return its folder.

    Args:
        folder: of the run.
        plan: of the run with layers.
        left: probability that the server leaves out of its lists.
        logprobs: whether it gives any.
        open_task: whether the answers have no candidates.
        run_id: of the run.
    """
    model = ServedModel(
        "acme/served-vlm", "local-chat-completions", "http://host:8000/v1/chat/completions", ServedOptions()
    )
    of_layers = run_info(plan)
    settings = RunSettings(generation=of_layers.generation, prompt=of_layers.prompt, limits=of_layers.limits)
    info = model.describe(run_id, harness="lm-eval", settings=settings)
    with RecordWriter(folder, info, part_rows=2048, part_seconds=1e9) as writer:
        for record in records(plan):
            writer.append(_served(record, left, logprobs=logprobs, open_task=open_task))
    merge(folder, run_id)
    return folder


def shares(record: SampleRecord) -> Any:
    """The candidates' shares at the last layer of a record with layers."""
    assert record.cand_scores is not None
    last = record.cand_scores[-1].astype(np.float64)
    return np.exp(last - np.logaddexp.reduce(last))


def _served(record: SampleRecord, left: float, *, logprobs: bool, open_task: bool) -> SampleRecord:
    candidates = () if open_task else tuple(Candidate(label, word_forms([label])) for label in record.candidates)
    gold = record.gold[0] if record.gold else None
    target = AnswerTarget(candidates, None if open_task else gold, record.gold, record.cluster, record.question_type)
    reference = Reference(target)
    sample = Sample(
        record.key,
        record.question,
        question=record.question,
        split=record.split,
        make_reference=partial(lambda r: r, reference),
    )
    choice = _choice(record, left) if logprobs and record.status == "ok" else {}
    answer = ServedAnswer(record.response, record.response, choice, n_tokens=1)
    (made,) = ServedReader().read([sample], [answer])
    return replace(made, image_sha256=record.image_sha256, scores=record.scores)


def _choice(record: SampleRecord, left: float) -> Mapping[str, Any]:
    p, named = shares(record) * (0.999 - left), record.pred_candidate
    texts = [record.response if place == named else label for place, label in enumerate(record.candidates)]
    texts.append(" the" if named is not None else record.response)
    logprobs = np.log([*p, 0.001]).tolist()
    listed = [{"token": text, "logprob": logprob} for text, logprob in zip(texts, logprobs, strict=True)]
    own = listed[-1 if named is None else named]
    return {"logprobs": {"content": [{**own, "top_logprobs": sorted(listed, key=lambda each: -each["logprob"])}]}}

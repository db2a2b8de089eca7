"""Generation with the lens, from the hooks to the record on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lens_engine import Sample
from lens_engine.candidates import SampleCandidates
from lens_engine.description import ModelOfRun, RunSettings, describe_run
from lens_engine.options import LensOptions
from lens_engine.position import AnswerPosition
from lens_engine.recorder import LensRecorder
from lens_engine.records import ReadSample, RecordAssembler
from lens_engine.sample import Reference
from lens_models import LensSettings, LogitLens, ReadoutRow, TracedGeneration
from lens_models.image_tokens import ImageTokens
from lens_models.interventions import Host, Intervention, bound
from lens_models.probes import Answered
from lens_results import new_run_id
from lens_tasks.answers import AnswerSpan
from lens_tasks.target_types import AnswerTarget, Candidate

__all__ = ["ProbedGeneration", "RecordedGeneration"]

_YES, _NO = tuple(range(11, 19)), tuple(range(21, 29))  # eight surface variants each, as yes and no have
_SPAN = AnswerSpan(0, 3, "yes", "first_content", True, "yes")


class RecordedGeneration:
    """What a run with the lens does for a batch of yes/no questions.

    Only finding the answer in the text is left out: random weights answer nothing. The first token counts as the
    answer, and the candidates are two groups of eight tokens.
    """

    def __init__(self, model: Any, probe: Mapping[str, Tensor], folder: Path) -> None:
        self._lens = LogitLens(model, probe)
        options = LensOptions()
        self._assembler = RecordAssembler(self._lens, _Tokens(), options.thresholds)
        read = ModelOfRun(
            self._lens, options, processor=None, name_or_path="shape", path="shape", revision=None, rank=0
        )
        info = describe_run(new_run_id(), read, harness="lmms-eval", settings=RunSettings())
        self._recorder = LensRecorder(info, folder)
        self._asked = 0

    def generate(
        self, inputs: Mapping[str, Tensor], arguments: Mapping[str, Any], changed: Sequence[Intervention] = ()
    ) -> TracedGeneration:
        """Generation with the hooks in place and under interventions, without a readout."""
        return self._lens.generate(inputs, interventions=bound(changed, Host(self._lens.unembedding)), **arguments)

    def __call__(self, inputs: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> None:
        """Generate, read, check, record."""
        generation = self.generate(inputs, arguments)
        first = [tokens[0] for tokens in generation.new_tokens]
        rows = [
            ReadoutRow(generation.residual(sample, 0), token, (_YES, _NO), _YES) for sample, token in enumerate(first)
        ]
        readouts = self._lens.read(rows)
        identity = self._lens.check(generation, {i: readout.last_logits for i, readout in enumerate(readouts)})
        for token, readout in zip(first, readouts, strict=True):
            candidates = SampleCandidates(
                ("yes", "no"), (_YES, _NO), gold=0, pred=0, gold_ids=_YES, binary=(0, 1), method="first_token",
                correct=True,
            )  # fmt: skip
            position = AnswerPosition(_SPAN, 0, token)
            sample = ReadSample(self._request(), "yes", len(generation.new_tokens[0]), position, candidates, readout)
            self._recorder.add([self._assembler.read(sample, identity)])

    def _request(self) -> Sample:
        self._asked += 1
        target = AnswerTarget(
            candidates=(Candidate("yes", ("yes",)), Candidate("no", ("no",))), gold="yes", gold_texts=("yes",),
            binary=("yes", "no"),
        )  # fmt: skip
        return Sample(
            ("timed", self._asked, 0, 0), "prompt", question="Is there a dog in the image?", split="test",
            make_reference=lambda: Reference(target),
        )  # fmt: skip


class ProbedGeneration:
    """Generation with one probe of the picture, and what it says of two words.

    Args:
        model: to time.
        probe: example inputs.
        name: of the probe.
    """

    def __init__(self, model: Any, probe: Mapping[str, Tensor], name: str) -> None:
        self._lens = LogitLens(model, probe, LensSettings(probes=(name,)))
        self._image_token = model.config.image_token_id

    def __call__(self, inputs: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> None:
        """Generate and ask the probe about each sample."""
        places = [(row == self._image_token).nonzero().flatten().cpu().numpy() for row in inputs["input_ids"]]
        tokens = [ImageTokens(own, np.zeros_like(own)) for own in places]
        generation = self._lens.generate(inputs, image_tokens=tokens, **arguments)
        for sample, new in enumerate(generation.new_tokens):
            found = generation.probes[0].result(Answered(sample, [sample] * len(new), 0, {"yes": _YES, "no": _NO}))
            assert found, "the probe saw nothing"


class _Tokens:
    """Text of a token id, as a tokenizer gives it."""

    def decode(self, ids: list[int]) -> str:
        return f"token{ids[0]}"

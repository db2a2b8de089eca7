"""A fault of the lens gives a sample a status and a reason; it never ends a run that would have ended well without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

import lens_engine.recorder as recorder_module
from lens_engine.choices import ChoiceRule, choice_rule, scored_beside
from lens_engine.description import storable
from lens_engine.engine import Generation
from lens_engine.failures import NoReadout, failure
from lens_engine.reading import Reader
from lens_engine.recorder import LensRecorder
from lens_engine.records import RecordAssembler, bare_record
from lens_engine.sample import Choices, Reference, Sample
from lens_models import CaptureError, IdentityReport, LensSettings, Readout
from lens_models.continuations import ScoredContinuation
from lens_models.metrics import Thresholds
from lens_results import LensInfo, ModelInfo, RunInfo, load, merging, new_run_id
from lens_tasks import AnswerTarget, Candidate

LAYERS = 3
CHOICES = ("a cat on a mat", "a dog", "nothing at all")
CANDIDATES = tuple(Candidate(text, (text,)) for text in CHOICES)
TARGET = AnswerTarget(CANDIDATES, "a dog", gold_texts=("a dog",), choices=CHOICES)
SEQUENCES = [(1, 2, 3, 4), (5, 6), (7, 8, 9)]
TOKENS = tuple(float(len(sequence)) for sequence in SEQUENCES)
EXACT = IdentityReport(0.0, 1e-3, True, torch.float32)


def readout(**changes: Any) -> Readout:
    line = np.ones(LAYERS, dtype=np.float32)
    whole = Readout(
        logprob_pred=-line, rank_pred=np.ones(LAYERS, np.int32), entropy=line, kl_last=line, jsd_last=line * 0,
        energy=line, resid_norm=line, topk_ids=np.ones((LAYERS, 2), np.int32),
        topk_logprobs=-np.ones((LAYERS, 2), np.float32), cand_scores=np.zeros((LAYERS, 0), np.float32),
        cand_mass=line * 0, cand_entropy=line * np.nan, pivot_scores=np.zeros((LAYERS, 0), np.float32),
        last_logits=torch.zeros(10),
    )  # fmt: skip
    return replace(whole, **changes)


def stub_lens(read: Callable[[Any], list[Readout]] = lambda rows: [readout() for _ in rows]) -> Any:
    return SimpleNamespace(
        layer_index=(1, 2, 3),
        parts=SimpleNamespace(n_layers=LAYERS),
        end_token_ids=lambda tokenizer: (),
        read=read,
        finite=lambda generation: [True] * len(generation.new_tokens),
        refused_probes={},
        settings=LensSettings(),
        check=lambda generation, known: EXACT,
        compared=lambda generation, known: list(known),
        compare_position=lambda residual, logits: EXACT,
    )


class Letters:
    """A tokenizer whose tokens are the letters a, b, c, ..."""

    eos_token_id = None

    def encode(self, text: str, **_: Any) -> list[int]:
        return [ord(letter) - 97 for letter in text.strip()]

    def decode(self, tokens: list[int], **_: Any) -> str:
        return "".join(chr(97 + token) for token in tokens)


def reader(**lens: Any) -> Reader:
    stub = stub_lens(**lens)
    return Reader(SimpleNamespace(lens=stub), stub, Letters(), Thresholds())  # type: ignore[arg-type]


def request(doc_id: int = 0, target: AnswerTarget = TARGET) -> Sample:
    return Sample(
        ("t", doc_id, 0, 0), "prompt", question="Which?", split="test", kind="loglikelihood",
        make_reference=lambda: Reference(target),
    )  # fmt: skip


def choices(rule: ChoiceRule) -> Choices:
    return Choices([request()] * len(SEQUENCES), SEQUENCES, lambda: rule)


def scored(*sums: float, layer: int | None = None, value: float = np.nan) -> list[ScoredContinuation]:
    """Continuations with these log-probabilities at every layer; the second has `value` at `layer`."""
    found = []
    for place, (total, sequence) in enumerate(zip(sums, SEQUENCES, strict=True)):
        lines = torch.full((LAYERS,), total)
        if place == 1 and layer is not None:
            lines[layer] = value
        found.append(ScoredContinuation(total, len(sequence), False, torch.zeros(10), lines, torch.zeros(LAYERS, 4)))
    return found


SUM = ChoiceRule("logprob", (1.0, 1.0, 1.0))


@pytest.mark.parametrize("value", [np.nan, -np.inf, np.inf])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_choice_without_a_finite_score_gives_the_document_a_status(value: float, layer: int) -> None:
    record = reader().read_choices(choices(SUM), scored(-3.0, -2.0, -4.0, layer=layer, value=value))
    assert record.status == "non_finite"
    assert record.status_reason == f"the score of 'a dog' is {value} at layer {layer + 1}"
    assert (record.cand_scores, record.gold_based, record.pred_candidate) == (None, {}, 1)


def test_a_nan_score_is_the_answer_where_it_is_the_harness_s() -> None:
    sums = (-3.0, np.nan, -2.0)
    record = reader().read_choices(choices(SUM), scored(*sums, layer=2))
    assert (record.status, record.pred_candidate) == ("non_finite", int(np.argmax(sums)))


@pytest.mark.parametrize(
    ("metrics", "per_token", "name", "lengths"),
    [
        (("acc", "acc_norm"), False, "logprob", (1, 1, 1)),
        (("acc_norm",), False, "logprob_per_char", tuple(map(len, CHOICES))),
        (("acc_bytes",), False, "logprob_per_byte", tuple(map(len, CHOICES))),
        ((), False, "logprob", (1, 1, 1)),
        (("acc",), True, "logprob_per_token", TOKENS),
        (
            ("acc_norm",),
            True,
            "logprob_per_token_char",
            tuple(n * len(c) for n, c in zip(TOKENS, CHOICES, strict=True)),
        ),
    ],
)
def test_the_highest_score_of_the_last_layer_is_the_harness_s_answer(
    metrics: tuple[str, ...], per_token: bool, name: str, lengths: tuple[float, ...]
) -> None:
    rule = choice_rule(metrics, CHOICES, [len(sequence) for sequence in SEQUENCES], per_token=per_token)
    assert (rule.score, rule.lengths) == (name, pytest.approx(lengths))
    for sums in ((-9.0, -4.0, -8.0), (-9.0, -5.0, -7.0), (-3.0, -2.9, -4.0), (-12.0, -5.0, -9.5)):
        handed = np.array(sums) / (TOKENS if per_token else 1)  # what the harness's scorer compares, by its own rules
        by = {"char": [len(c) for c in CHOICES], "byte": [len(c.encode()) for c in CHOICES]}.get(name.split("_")[-1], 1)
        harness = int(np.argmax(handed / by)) if not per_token else int(np.argmin(-handed / by))
        record = reader().read_choices(choices(rule), scored(*sums))
        assert (record.status, record.candidate_score) == ("ok", name)
        assert record.cand_scores is not None
        assert (record.pred_candidate, int(np.argmax(record.cand_scores[-1]))) == (harness, harness)
        assert record.correct is (harness == 1)


def test_a_right_choice_of_many_tokens_emerges() -> None:
    record = reader().read_choices(choices(SUM), scored(-30.0, -20.0, -40.0))
    assert (record.gold_based["emerged"], record.gold_based["first_correct_layer"]) == (1, 1)
    assert record.cand_mass is not None and record.cand_mass.max() < 1e-8


def generation(*rows: tuple[int, ...]) -> Any:
    return SimpleNamespace(
        new_tokens=rows,
        residual=lambda sample, step: torch.full((LAYERS, 4), float(sample)),
        probes=(),
        image_tokens=(),
    )


def test_one_sample_that_cannot_be_read_costs_the_others_nothing() -> None:
    def read(rows: Any) -> list[Readout]:
        if any(float(row.residual[0, 0]) == 1.0 for row in rows):
            raise ValueError("no such thing")
        scores = [np.zeros((LAYERS, len(row.candidates)), np.float32) for row in rows]
        return [readout(cand_scores=each, cand_entropy=np.zeros(LAYERS, np.float32)) for each in scores]

    open_task = AnswerTarget((), None, gold_texts=("b",))
    trace = generation((0,), (1,), (2,))
    answers = [Generation(text, 1, trace, row) for row, text in enumerate("abc")]
    records = reader(read=read).read([request(n, open_task) for n in range(3)], answers)
    assert [record.status for record in records] == ["ok", "not_run", "ok"]
    assert records[1].status_reason == "the lens failed on this sample: ValueError: no such thing"
    assert records[1].response == "b"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (CaptureError("one position was lost"), "capture_failed", "one position was lost"),
        (MemoryError(), "not_run", "there was no memory for the lens beside the model (MemoryError)"),
        (KeyError("x"), "not_run", "the lens failed on this sample: KeyError: 'x'"),
        (AssertionError(), "not_run", "the lens failed on this sample: AssertionError"),
    ],
)
def test_each_failure_is_named(error: Exception, status: str, reason: str) -> None:
    assert failure(error) == NoReadout(status, reason)


def test_fields_that_contradict_each_other_become_a_record_that_says_so() -> None:
    assembler = RecordAssembler(stub_lens(), Letters(), Thresholds())
    media = SimpleNamespace(image_sha256="no tuple", other_sha256=(), video_records=(), sound_records=())
    for changes in ({"media": media}, {"question": ["no text"]}):
        record = assembler.unread(replace(request(), **changes), "a", NoReadout("no_answer", "why"))
        assert record.status == "not_run"
        assert "what was read is no valid record" in str(record.status_reason)
    record = assembler.unread(request(), "a", NoReadout("no_answer", "why"), n_generated=2**40)
    assert "n_generated: found 1099511627776" in str(record.status_reason)


def test_texts_that_utf8_cannot_hold_are_recorded() -> None:
    assembler = RecordAssembler(stub_lens(), Letters(), Thresholds())
    record = assembler.unread(
        replace(request(), prompt="\ud800", question="\ud800"), "\ud800", NoReadout("no_answer", "x")
    )
    assert (record.status, record.question, record.response) == ("no_answer", "\ufffd", "\ufffd")


def test_settings_that_json_cannot_hold_are_recorded(tmp_path: Path) -> None:
    settings = storable({"t": {"temperature": np.inf, "until": ("\ud800", float("nan"))}})
    assert settings == {"t": {"temperature": "inf", "until": ["\ud800", "nan"]}}
    recorder = LensRecorder(info(generation=settings), tmp_path)
    recorder.add([bare_record(("t", 0, 0, 0), "generate", "yes", NoReadout("no_answer", "x"))])
    recorder.finish(recorder.close())
    assert load(tmp_path).info.generation["t"]["until"] == ["\ufffd", "nan"]


def test_scores_come_without_the_lens_where_it_fails() -> None:
    def engine(plain: Exception | None = None) -> Any:
        def score(sample: Sample, sequences: Any, *, replacement: Any, observe: bool, probes: bool) -> list[str]:
            if observe:
                raise CaptureError("hooks")
            if plain is not None:
                raise plain
            return ["score"] * len(sequences)

        return SimpleNamespace(lens=stub_lens(), score=score)

    three = ["score"] * 3
    assert scored_beside(engine(), choices(SUM), observe=False) == (three, None)
    assert scored_beside(engine(), choices(SUM), observe=True) == (three, NoReadout("capture_failed", "hooks"))
    with pytest.raises(ValueError, match="the model's own"):
        scored_beside(engine(ValueError("the model's own")), choices(SUM), observe=True)


def test_a_document_whose_layers_could_not_be_read_keeps_its_answer() -> None:
    record = reader().read_choices(choices(SUM), scored(-3.0, -2.0, -4.0), NoReadout("capture_failed", "hooks"))
    assert (record.status, record.status_reason) == ("capture_failed", "hooks")
    assert record.response == TARGET.choice_labels(3)[1]


def info(**changes: Any) -> RunInfo:
    return RunInfo(**{"run_id": new_run_id(), "model": ModelInfo("m", 3), "lens": LensInfo((1, 2, 3))} | changes)


def test_what_fails_before_the_reading_becomes_records_too(tmp_path: Path) -> None:
    told: list[str] = []
    recorder = LensRecorder(info(), tmp_path, warn=told.append)

    def target_of_a_strange_document() -> list[Any]:
        raise TypeError("a list is no answer")

    recorder.add_read([(("t", n, 0, 0), "generate", "yes") for n in (0, 1)], target_of_a_strange_document)
    recorder.add([replace(bare_record(("t", 2, 0, 0), "generate", "no", NoReadout("no_answer", "x")), status="ok")])
    recorder.add([replace(bare_record(("t", 3, 0, 0), "generate", "no", NoReadout("ok", "")), entropy=np.ones(2))])
    recorder.finish(recorder.close())
    samples = load(tmp_path).samples
    assert samples["status"].tolist() == ["not_run", "not_run", "ok", "not_run"]
    assert "a list is no answer" in samples["status_reason"][0]
    assert "found 2 layers, expected 3" in samples["status_reason"][3]
    assert len(told) == 1 and "2 samples could not be read" in told[0]
    assert recorder.metrics("t", 0) == {"lens_coverage": 0.0}


def test_a_score_that_is_no_finite_number_is_missing_and_said(tmp_path: Path) -> None:
    told: list[str] = []
    recorder = LensRecorder(info(), tmp_path, warn=told.append)
    recorder.add([bare_record(("t", n, 0, 0), "generate", "yes", NoReadout("no_answer", "x")) for n in (0, 1)])
    recorder.add_scores("t", 0, {"acc": np.nan, "other": 1.0})
    recorder.add_scores("t", 1, {"acc": 0.0})
    recorder.finish(recorder.close())
    samples = load(tmp_path).samples
    assert samples["score.acc"].isna().tolist() == [True, False]
    assert told == ["The harness's score acc of t is NaN or infinite in 1 documents; it is missing in their records"]


@pytest.mark.parametrize("error", [MemoryError(), pa.ArrowInvalid("odd"), OSError(28, "No space left"), KeyError("x")])
@pytest.mark.parametrize("where", ["merge", "write_tables", "list_parts", "merge_thumbnails"])
def test_a_merge_that_fails_leaves_the_parts_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, where: str
) -> None:
    told: list[str] = []
    recorder = LensRecorder(info(), tmp_path, warn=told.append)
    recorder.add([bare_record(("t", 0, 0, 0), "generate", "yes", NoReadout("no_answer", "x"))])
    scores = recorder.close()

    def failing(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(merging if where in ("write_tables", "list_parts") else recorder_module, where, failing)
    files = recorder.finish(scores)
    assert set(files) == ({"t"} if where == "merge_thumbnails" else set())
    assert recorder.refusal is not None and len(told) == 1 and str(tmp_path) in told[0]
    assert load(tmp_path).samples["doc_id"].tolist() == [0]


def test_a_write_that_fails_in_an_unexpected_way_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lens_results.writer as writer

    told: list[str] = []
    recorder = LensRecorder(info(), tmp_path, warn=told.append)
    record = bare_record(("t", 0, 0, 0), "generate", "yes", NoReadout("no_answer", "x"))
    with monkeypatch.context() as patch:
        patch.setattr(writer, "to_table", lambda _: (_ for _ in ()).throw(pa.ArrowInvalid("odd")))
        recorder.add([record])
        recorder.flush()
        assert "ArrowInvalid: odd" in str(recorder.refusal)
    recorder.flush()
    assert recorder.refusal is None
    assert set(recorder.finish(recorder.close())) == {"t"}
    assert len(told) == 1

"""Answers of several small batches are read in one go, and give the records that each would give alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from controlled_records import mini_documents, mini_image

import lens_engine.waiting
from lens_engine import load
from lens_engine.reading import Reader
from lens_engine.sample import Sample
from lens_engine.waiting import TOGETHER
from lens_models import LogitLens, ReadoutRow, TracedGeneration
from lens_results import Run
from lens_results import load as load_records

TAIL = "\nAnswer the question using a single word or phrase."
DOCUMENTS = mini_documents("pope_mini")[: TOGETHER + 2]


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples were read in each go."""
    found: list[int] = []
    read = LogitLens.read

    def counted(lens: LogitLens, rows: Sequence[ReadoutRow]) -> Any:
        found.append(len(rows))
        return read(lens, rows)

    monkeypatch.setattr(LogitLens, "read", counted)
    return found


def run(folder: Path, documents: Sequence[Any] = DOCUMENTS, batch_size: int = 1, **asked: Any) -> Run:
    vlm = load(device="cpu", dir=str(folder), batch_size=batch_size, probes=asked.pop("probes", None))
    asked = {"candidates": ["yes", "no"], **asked}
    vlm.ask_all([(mini_image(each), each["question"] + TAIL) for each in documents], **asked)
    vlm.close()
    return load_records(folder)


def nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lens_engine.waiting, "READ_SECONDS", 0.0)


def all_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long this machine takes."""
    monkeypatch.setattr(lens_engine.waiting, "READ_SECONDS", 1e9)


def test_small_batches_are_read_together_and_say_the_same(
    groups: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nothing_waits(monkeypatch)
    alone = run(tmp_path / "alone")
    assert groups == [1] * len(DOCUMENTS)
    groups.clear()
    all_wait(monkeypatch)
    together = run(tmp_path / "together")
    assert groups == [TOGETHER, len(DOCUMENTS) - TOGETHER]
    for column in ("doc_id", "response", "status", "answer_step", "identity_argmax"):
        assert alone.samples[column].tolist() == together.samples[column].tolist(), column
    for name in ("resid_norm", "entropy", "jsd_last", "logprob_pred", "log_odds"):
        assert np.array_equal(alone.stack(name), together.stack(name)), name  # bit for bit: each in its own product
    assert together.samples["identity_deviation"].max() < together.info.identity.tolerance


@pytest.mark.parametrize("probes", ["attention", "image_tokens"])
def test_what_probes_keep_does_not_wait(
    probes: str, groups: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    all_wait(monkeypatch)
    run(tmp_path, DOCUMENTS[:2], probes=probes)
    assert groups[0] == 1


def test_a_task_that_runs_the_model_again_waits_no_more(
    groups: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    all_wait(monkeypatch)
    documents = [*DOCUMENTS, *DOCUMENTS]
    names = ["yes", "yes and no", "no"]  # two begin with the same token
    run(tmp_path, documents, candidates=names)
    assert groups == [TOGETHER] + [1] * (len(documents) - TOGETHER)


def test_one_that_cannot_be_read_costs_no_other_its_readout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    all_wait(monkeypatch)
    position = Reader._position

    def broken(reader: Reader, sample: Sample, *rest: Any) -> Any:
        if sample.key[1] == 3:
            raise RuntimeError("a fault of the lens")
        return position(reader, sample, *rest)

    monkeypatch.setattr(Reader, "_position", broken)
    found = run(tmp_path)
    statuses = ["ok"] * len(DOCUMENTS)
    statuses[3] = "not_run"
    assert found.samples["status"].tolist() == statuses
    assert found.samples["response"].str.len().gt(0).all()
    assert "its samples are read one by one" in caplog.text


def test_a_backend_that_does_not_say_what_it_holds_is_read_at_once(
    groups: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    all_wait(monkeypatch)
    monkeypatch.delattr(TracedGeneration, "held_bytes")
    found = run(tmp_path, DOCUMENTS[:3])
    assert groups == [1] * 3
    assert found.samples["status"].tolist() == ["ok"] * 3


def test_what_was_answered_before_a_failure_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    all_wait(monkeypatch)
    vlm = load(device="cpu", dir=str(tmp_path), batch_size=1)
    generate, answered = vlm._session.engine.generate, 0

    def fails_at_last(samples: Sequence[Sample], **options: Any) -> Any:
        nonlocal answered
        if answered == 3:
            raise KeyboardInterrupt
        answered += 1
        return generate(samples, **options)

    monkeypatch.setattr(vlm._session.engine, "generate", fails_at_last)
    with pytest.raises(KeyboardInterrupt):
        vlm.ask_all([(mini_image(each), each["question"]) for each in DOCUMENTS], candidates=["yes", "no"])
    assert load_records(tmp_path).samples["doc_id"].tolist() == [0, 1, 2]

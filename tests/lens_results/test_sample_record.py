from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lens_results import InvalidRecordError, LensResultsError, SampleRecord
from lens_results.codec import from_table, to_table
from lens_results.record import LAYER_QUANTITIES, RANK_QUANTITIES

finite32 = st.floats(allow_nan=False, allow_infinity=False, width=32)
finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.lists(st.text(max_size=8), max_size=3).map(tuple)
scalars = st.dictionaries(st.text(min_size=1, max_size=8), st.none() | finite, max_size=4)


def floats(*shape: int) -> Any:
    return hnp.arrays(np.float32, shape, elements=finite32)


def ints(*shape: int) -> Any:
    return hnp.arrays(np.int32, shape, elements=st.integers(0, 2**31 - 1))


@st.composite
def records(draw: Any) -> SampleRecord:
    layers, n, k = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(0, 3))
    arrays = {
        name: draw(st.none() | (ints(layers) if name in RANK_QUANTITIES else floats(layers)))
        for name in LAYER_QUANTITIES
    }
    tokens = st.lists(st.lists(st.text(max_size=4), min_size=k, max_size=k), min_size=layers, max_size=layers)
    unread = draw(st.lists(st.text(min_size=6, max_size=8), max_size=2))  # longer than names of controls with arrays
    control = st.dictionaries(st.sampled_from(["logprob_pred", "x"]), floats(layers) | floats(layers, 2), max_size=2)
    return SampleRecord(
        task=draw(st.text(max_size=10)),
        doc_id=draw(st.integers(-(2**63), 2**63 - 1)),
        kind=draw(st.sampled_from(["generate", "loglikelihood", "multi_round"])),
        split=draw(st.none() | st.text(max_size=4)),
        repeat=draw(st.integers(0, 9)),
        question=draw(st.text()),
        response=draw(st.text()),
        gold=draw(words),
        image_sha256=draw(words),
        candidates=tuple("c" * i for i in range(n)),
        candidate_token_ids=draw(st.just(()) | st.just(((1, 2),) * n)),
        gold_candidate=draw(st.none() | st.integers(0, n - 1)),
        correct=draw(st.none() | st.booleans()),
        answer_step=draw(st.none() | st.integers(0, 99)),
        identity_deviation=draw(st.none() | finite),
        layer_index=draw(st.none() | st.just(tuple(range(layers)))),
        cand_scores=draw(st.none() | floats(layers, n)),
        topk_ids=draw(st.none() | ints(layers, k)),
        topk_tokens=draw(st.none() | tokens),
        controls=draw(st.dictionaries(st.text(max_size=5), control, max_size=2)),
        control_source=draw(st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=2)),
        control_status=dict.fromkeys(unread, "no_image"),
        control_reason=dict.fromkeys(unread, "the prompt has no image"),
        label_free=draw(scalars),
        gold_based=draw(scalars),
        scores=draw(scalars),
        **arrays,
    )


@settings(max_examples=30)
@given(st.lists(records(), max_size=4))
def test_records_survive_the_table_bit_for_bit(rows: list[SampleRecord]) -> None:
    assert list(from_table(to_table(rows))) == rows


def test_full_record_survives(make_record: Any) -> None:
    record = make_record(7)
    assert next(from_table(to_table([record]))) == record
    assert pickle.loads(pickle.dumps(record)) == record
    assert record.key == ("pope_mini", 7, 0, 0)
    assert record.n_layers == 28
    assert len({record, make_record(7)}) == 1
    assert record != make_record(8)
    assert record != "something else"


def test_smallest_record_has_no_arrays() -> None:
    record = SampleRecord(task="t", doc_id=1, kind="generate", status="not_run", status_reason="lens off for text")
    assert record.n_layers is None
    assert next(from_table(to_table([record]))) == record


def test_arrays_are_exact_private_and_read_only() -> None:
    mine = np.array([0.1, 0.2], dtype=np.float32)
    record = SampleRecord(task="t", doc_id=1, kind="generate", entropy=mine, rank_pred=[3, 1])  # type: ignore[arg-type]
    mine[0] = 9
    assert record.entropy is not None
    assert record.rank_pred is not None
    assert record.entropy.tolist() == np.array([0.1, 0.2], dtype=np.float32).tolist()
    assert record.rank_pred.dtype == np.int32
    with pytest.raises(ValueError, match="read-only"):
        record.entropy[0] = 1


def test_text_utf8_cannot_hold_is_replaced() -> None:
    record = SampleRecord(task="t", doc_id=1, kind="generate", response="a\ud800b\x00")
    assert record.response == "a\ufffdb\x00"
    assert next(from_table(to_table([record]))) == record


def test_empty_arrays_become_none() -> None:
    record = SampleRecord(
        task="t",
        doc_id=1,
        kind="generate",
        entropy=np.ones(3, np.float32),
        cand_scores=np.zeros((3, 0), np.float32),
        controls={"blank": {"cand_scores": np.zeros((3, 0), np.float32)}},
    )
    assert record.cand_scores is None
    assert record.controls == {}


ones = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "generated"}, "kind: found 'generated', expected one of .* Did you mean 'generate'"),
        ({"status": "nonfinite", "status_reason": "x"}, "Did you mean 'non_finite'"),
        ({"status": "unaligned"}, "status_reason: found none for status 'unaligned', expected why"),
        ({"status": "non_finite", "status_reason": "NaN", "entropy": ones}, "found entropy, expected no arrays"),
        ({"candidate_method": "first"}, "expected one of first_token, teacher_forced"),
        ({"entropy": np.array([1, np.nan])}, "entropy: found nan at row 1, expected finite .* status='non_finite'"),
        ({"entropy": np.array([np.inf])}, "entropy: found inf"),
        ({"entropy": np.array([1e300])}, "beyond the range of float32"),
        ({"entropy": np.ones((2, 2))}, r"entropy: found shape \(2, 2\), expected 1 dimension"),
        ({"entropy": np.array(["a"])}, "expected numbers"),
        ({"rank_pred": np.array([1.5])}, "not int32, expected whole numbers"),
        ({"entropy": ones, "kl_last": np.ones(4)}, "kl_last: found 4 layers, expected 3 as in entropy"),
        ({"entropy": ones, "layer_index": (1, 2)}, "layer_index: found 2 layers, expected 3"),
        ({"entropy": ones, "controls": {"blank": {"x": np.ones(2)}}}, r"controls\['blank'\]\['x'\]: found 2 layers"),
        ({"candidates": ("a", "b"), "cand_scores": np.ones((3, 3))}, "expected 2 columns, one for each of the cand"),
        ({"pivot_labels": ("a",), "pivot_scores": np.ones((3, 3))}, "one for each of pivot_labels"),
        ({"topk_ids": np.ones((3, 5)), "topk_logprobs": np.ones((3, 4))}, r"found widths \[4, 5\]"),
        ({"candidates": ("a",), "gold_candidate": 1}, "gold_candidate: found 1, expected an index into the 1"),
        ({"candidates": ("a", "b"), "binary": (0, 0)}, "binary: found"),
        ({"candidates": ("a", "b"), "candidate_token_ids": ((1,),)}, "found 1 entries, expected 2"),
        ({"gold": "yes"}, "found the string 'yes', expected a tuple|Found the string 'yes', expected a tuple"),
        ({"label_free": {"flips": float("nan")}}, r"label_free\['flips'\]: found nan"),
        ({"identity_deviation": float("inf")}, "identity_deviation: found inf"),
        ({"control_status": {"blank": "none"}}, r"control_status\['blank'\]: found 'none', expected one of"),
        ({"control_status": {"blank": "failed"}}, "control_reason: found none for blank with 'failed', expected why"),
        (
            {
                "control_status": {"blank": "failed"},
                "control_reason": {"blank": "why"},
                "controls": {"blank": {"x": ones}},
            },
            "control_status 'failed' of blank: found arrays, expected none",
        ),
    ],
)
def test_contradictions_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRecordError, match=message) as caught:
        SampleRecord(**({"task": "t", "doc_id": 1, "kind": "generate"} | fields))
    assert isinstance(caught.value, LensResultsError)
    assert isinstance(caught.value, ValueError)


def test_an_empty_tuple_is_no_array_and_no_text(make_record: Any) -> None:
    assert make_record(pivot_scores=()).pivot_scores is None
    with pytest.raises((TypeError, AttributeError)):
        make_record(task=())

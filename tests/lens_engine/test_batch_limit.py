from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
import torch

from lens_engine.batching import BatchLimit, alone
from lens_engine.encoding_guard import encode_or_name
from lens_models import InputError, SampleTooLargeError
from lens_models.memory import is_out_of_memory


class Model:
    """Answers at most `room` requests at a time; `heavy` ones fill it alone."""

    def __init__(self, room: int, heavy: Sequence[int] = ()) -> None:
        self.room, self.heavy = room, heavy
        self.asked: list[list[int]] = []

    def __call__(self, part: Sequence[int]) -> list[float]:
        self.asked.append(list(part))
        values = torch.rand(len(part)).tolist()
        if len(part) > self.room or any(number in self.heavy for number in part):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB\nand more")
        return [number + 0 * value for number, value in zip(part, values, strict=True)]


def name(number: int) -> str:
    return f"task t, document {number}"


def test_halves_are_answered_in_order_and_later_batches_begin_at_what_fitted() -> None:
    told: list[str] = []
    limit, model = BatchLimit(told.append), Model(room=3)
    assert limit.answer(range(8), model, name) == list(range(8))
    assert [len(part) for part in model.asked] == [8, 4, 2, 2, 2, 2]
    assert len(told) == 1
    assert "A batch of 8 did not fit into memory. The run goes on with at most 2 requests at a time" in told[0]
    model.asked.clear()
    assert limit.answer(range(8, 13), model, name) == list(range(8, 13))
    assert [len(part) for part in model.asked] == [2, 2, 1]
    assert len(told) == 1


def test_one_that_does_not_fit_alone_is_named_with_what_was_said() -> None:
    message = r"^task t, document 5: this sample alone needs more memory than there is \(CUDA out of memory\. Tried to "
    with pytest.raises(SampleTooLargeError, match=message + re.escape("allocate 20.00 MiB)")):
        BatchLimit(print).answer(range(8), Model(room=8, heavy=[5]), name)
    with pytest.raises(SampleTooLargeError, match=r"^here: this sample alone"):
        alone("here", lambda: Model(room=0)([1]))


def test_the_random_state_is_that_of_an_undisturbed_run() -> None:
    torch.manual_seed(3)
    BatchLimit(print).answer(range(4), Model(room=2), name)
    found = torch.rand(3)
    torch.manual_seed(3)
    for part in ([0, 1], [2, 3]):
        Model(room=2)(part)
    assert torch.equal(torch.rand(3), found)


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError):
        BatchLimit(print).answer([0], lambda part: [1 / number for number in part], str)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory: you"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_a_lack_of_memory_is_told_from_other_failures(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def working(**_: object) -> dict[str, object]:
    """A processor that encodes whatever it is given."""
    return {}


working.tokenizer = working.apply_chat_template = lambda *_, **__: "prompt"  # type: ignore[attr-defined]


def test_the_row_that_cannot_be_encoded_is_named() -> None:
    def encode(rows: Sequence[int]) -> list[int]:
        if 2 in rows:
            raise ValueError("absolute aspect ratio must be smaller than 200")
        return list(rows)

    names = [name(row) for row in range(4)]
    assert encode_or_name(encode, names[:2], working) == [0, 1]
    with pytest.raises(InputError, match=r"^task t, document 2: the processor cannot encode .*ratio must be smaller"):
        encode_or_name(encode, names, working)


def test_rows_that_fail_together_alone_are_all_named() -> None:
    def encode(rows: Sequence[int]) -> list[int]:
        if len(rows) > 1:
            raise ValueError("sizes differ")
        return list(rows)

    with pytest.raises(InputError, match=r"^task t, document 0 to task t, document 1, together: .*\(sizes differ\)"):
        encode_or_name(encode, [name(0), name(1)], working)


def test_a_lack_of_memory_while_encoding_is_the_batches_affair() -> None:
    def encode(rows: Sequence[int]) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError):
        encode_or_name(encode, [name(0)], working)


def test_a_processor_that_encodes_nothing_is_not_blamed_on_a_document() -> None:
    def encode(*_: object, **__: object) -> None:
        raise ValueError("Asking to pad but the tokenizer does not have a padding token.")

    encode.tokenizer = encode.apply_chat_template = working.tokenizer  # type: ignore[attr-defined]
    with pytest.raises(InputError) as caught:
        encode_or_name(encode, [name(0)], encode)
    assert "document 0" not in str(caught.value)
    assert "the processor of this model encodes nothing, whatever the document (Asking to pad" in str(caught.value)

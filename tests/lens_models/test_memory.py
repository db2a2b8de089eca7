"""Garbage is still collected while older objects are set aside, and they come back."""

import gc
import weakref

import pytest

from lens_models.memory import older_objects_set_aside


class _Node:
    """Refers to itself: only the garbage collector frees it."""

    def __init__(self) -> None:
        self.itself = self


pytestmark = pytest.mark.usefixtures("nothing_set_aside")


def _abandoned() -> weakref.ref[_Node]:
    return weakref.ref(_Node())


def test_garbage_from_before_and_from_within_is_collected() -> None:
    gc.disable()
    try:
        before = _abandoned()
        assert before() is not None
        with older_objects_set_aside():
            assert before() is None
            within = _abandoned()
            assert within() is not None
            gc.collect()
            assert within() is None
    finally:
        gc.enable()


def test_a_pass_walks_over_younger_objects_alone() -> None:
    kept = [_Node() for _ in range(1000)]
    with older_objects_set_aside():
        younger = [_Node() for _ in range(10)]
        walked = {id(each) for each in gc.get_objects()}
        assert not walked & {id(each) for each in kept}
        assert {id(each) for each in younger} <= walked
    assert {id(each) for each in kept} <= {id(each) for each in gc.get_objects()}


def test_all_is_undone_after_a_failure() -> None:
    with pytest.raises(ValueError, match="broken"), older_objects_set_aside():
        raise ValueError("broken")
    assert gc.get_freeze_count() == 0


def test_what_the_program_set_aside_stays_aside() -> None:
    kept = _Node()
    gc.freeze()  # their number falls by itself, as some of them are let go
    for _ in range(2):
        with older_objects_set_aside():
            assert all(each is not kept for each in gc.get_objects())
        assert all(each is not kept for each in gc.get_objects())

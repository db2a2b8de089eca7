"""A call of a vision encoder taken apart: what of its inputs, and of its output, belongs to which picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

__all__ = ["EncoderCall", "OutputLayout", "cloned", "encoder_call", "number_of_pictures"]

_SETTINGS = (bool, int, float, str, torch.dtype)
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_OF_THE_TOWER = ("last_hidden_state", "hidden_states", "attentions")
"""What outputs hold beside what a decoder is given: layers of the tower, many times as large."""

_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class EncoderCall:
    """The inputs of a call. Each of its tensors has a row a picture, or as many rows as `sizes` says.

    Attributes:
        args, kwargs: as the encoder is given them.
        sizes: rows of each picture in those tensors that have `sum(sizes)` of them.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    sizes: tuple[int, ...]

    def of(self, pictures: Sequence[int]) -> EncoderCall:
        """The call for some of its pictures; that for one shares the memory of this one."""
        args = tuple(self._rows(value, pictures) for value in self.args)
        kwargs = {name: self._rows(value, pictures) for name, value in self.kwargs.items()}
        return EncoderCall(args, kwargs, tuple(self.sizes[each] for each in pictures))

    def _rows(self, value: Any, pictures: Sequence[int]) -> Any:
        if not isinstance(value, Tensor):
            return value
        rows = _shares(value, self.sizes)
        return rows[pictures[0]] if len(pictures) == 1 else torch.cat([rows[each] for each in pictures])

    def cloned(self) -> EncoderCall:
        """The same numbers in memory of their own."""
        kwargs = {name: cloned(value) for name, value in self.kwargs.items()}
        return EncoderCall(tuple(map(cloned, self.args)), kwargs, self.sizes)

    def digests(self) -> list[int]:
        """The sum of all bits of each picture, zero for one that is all zeros; the device is waited for once.

        Pictures with different sums differ, those with the same one may be the same.
        """
        tensors = [value for value in (*self.args, *self.kwargs.values()) if isinstance(value, Tensor)]
        parts = zip(*(_shares(each, self.sizes) for each in tensors), strict=True)
        sums = [torch.stack([_sum_of_bits(each).to(tensors[0].device) for each in part]).sum() for part in parts]
        return [int(each) for each in torch.stack(sums).tolist()]


def encoder_call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> EncoderCall | str:
    """A call as one for pictures, or why it is not known what of its inputs belongs to which of them.

    Every tensor has a row a picture; or whole numbers say how many rows of the longer ones each picture has, as they
    are (`[pictures]`) or as the sides of a grid (`[pictures, sides]`).
    """
    given = {**{f"argument {place}": value for place, value in enumerate(args)}, **kwargs}
    tensors = {name: value for name, value in given.items() if isinstance(value, Tensor) and value.dim()}
    for name, value in given.items():
        if name not in tensors and value is not None and not isinstance(value, _SETTINGS):
            return f"its input {name} is not one tensor ({type(value).__name__})"
    total = max((len(value) for value in tensors.values()), default=0)
    counted = [sizes for value in tensors.values() if sum(sizes := _counts(value)) == total]
    sizes = counted[0] if counted else (1,) * total
    if min(sizes, default=0) < 1 or any(len(value) not in (total, len(sizes)) for value in tensors.values()):
        shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in tensors.items()) or "no tensors"
        return f"its inputs do not say what of them belongs to which picture ({shapes})"
    return EncoderCall(args, kwargs, sizes)


def number_of_pictures(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """How many pictures a call is for, by the shapes of its tensors; one where there are none."""
    tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, Tensor) and value.dim())
    return min((len(value) for value in tensors), default=1)


@dataclass(frozen=True)
class OutputLayout:
    """Where the output of an encoder holds pictures, as the output for a single one shows.

    Attributes:
        lists: lists with elements of pictures; others have the same length for any number of pictures.
        rows: rows of each tensor outside of such lists, as a multiple of the input's.
    """

    lists: frozenset[_Path]
    rows: Mapping[_Path, Fraction]

    @classmethod
    def of(cls, output: Any, size: int) -> OutputLayout:
        """That of the output for one picture, whose input had `size` rows."""
        found = dict(_leaves(output))
        lists = {path for path, value in found.items() if isinstance(value, list | tuple)}
        rows = {path: Fraction(len(value), size) for path, value in found.items() if isinstance(value, Tensor)}
        return cls(frozenset(lists), rows)

    def apart(self, output: Any, sizes: Sequence[int], path: _Path = ()) -> list[Any] | None:
        """The output for each picture, as if it were that of a call for it alone; None where the layout is another."""
        if path in self.lists:
            return _shares(output, sizes) if len(output) in (len(sizes), sum(sizes)) else None
        if isinstance(output, Tensor):
            return self._rows_apart(output, sizes, self.rows.get(path, Fraction(0)))
        if not isinstance(output, Mapping | list | tuple):
            return [None] * len(sizes) if output is None else None
        found = {name: self.apart(value, sizes, (*path, name)) for name, value in _within(output)}
        columns = {name: each for name, each in found.items() if each is not None}
        if len(columns) < len(found):
            return None
        return [_like(output, {name: each[place] for name, each in columns.items()}) for place in range(len(sizes))]

    def _rows_apart(self, output: Tensor, sizes: Sequence[int], share: Fraction) -> list[Any] | None:
        own = [share * size for size in sizes]
        # of one row a picture several that became none or two would not show; of a grid the sides say how many
        known = all(each.denominator == 1 for each in own) and (share == 1 or set(sizes) != {1})
        return _shares(output, list(map(int, own))) if known and sum(own) == len(output) else None

    def joined(self, parts: Sequence[Any], path: _Path = ()) -> Any:
        """The output for several pictures from those for each of them, in memory of its own."""
        if path in self.lists:
            return [cloned(each) for part in parts for each in part]
        if isinstance(parts[0], Tensor):
            return torch.cat(list(parts))
        columns = [dict(_within(part)) for part in parts]
        return _like(
            parts[0], {name: self.joined([each[name] for each in columns], (*path, name)) for name in columns[0]}
        )


def cloned(value: Any) -> Any:
    """The same with tensors in memory of their own, however they are nested."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, Mapping | list | tuple):
        return _like(value, {name: cloned(each) for name, each in _within(value)})
    return value


def _leaves(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, Any]]:
    if (isinstance(value, Tensor) and value.dim()) or (isinstance(value, list | tuple) and len(value) == 1):
        yield path, value
    else:
        for name, each in _within(value):
            yield from _leaves(each, (*path, name))


def _within(value: Any) -> Iterator[tuple[str | int, Any]]:
    """Name or place -> what is in a collection and is not the tower's own."""
    if isinstance(value, Mapping):
        yield from ((name, each) for name, each in value.items() if name not in _OF_THE_TOWER)
    elif isinstance(value, list | tuple):
        yield from enumerate(value)


def _like(value: Any, within: Mapping[Any, Any]) -> Any:
    return type(value)(**within) if isinstance(value, Mapping) else type(value)(within.values())


def _shares(value: Any, sizes: Sequence[int]) -> list[Any]:
    """What belongs to each picture of something with as many rows as all sizes together, or with one a picture."""
    sizes = sizes if len(value) == sum(sizes) else [1] * len(sizes)
    return [value[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]


def _counts(value: Tensor) -> tuple[int, ...]:
    """Whole numbers, or products of those that stand in one row; none for other tensors."""
    if value.is_floating_point() or value.dtype == torch.bool or value.dim() > 2:
        return ()
    return tuple((value if value.dim() == 1 else value.prod(-1)).tolist())


def _sum_of_bits(value: Tensor) -> Tensor:
    return value.contiguous().view(_BITS[value.element_size()]).sum(dtype=torch.int64)

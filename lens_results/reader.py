"""`load` a run: its description, its samples and layers as data frames, its records one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lens_results import frames
from lens_results.codec import from_table
from lens_results.discovery import RunFiles, find_runs
from lens_results.errors import EmptyRunError, MissingRecordError, RecordFormatError, SeveralRunsError
from lens_results.fingerprint import Fingerprint
from lens_results.frames import FloatGrid
from lens_results.ragged import Ragged
from lens_results.record import LAYER_QUANTITIES, WIDE_QUANTITIES, FloatArray, IntArray, Key, SampleRecord
from lens_results.run_info import PARTS_LEFT_ASIDE
from lens_results.schema import KEY_FIELDS, SCHEMA
from lens_results.sources import pick, sorted_rows, with_identity_of
from lens_results.storage import run_of

Paths = str | Path | Iterable[str | Path]
_CHUNK = 4096


def load(paths: Paths) -> Run:
    """The one run in a record file, a folder (searched with what is below it) or several of these.

    Raises `SeveralRunsError` when there are more (see `load_all`), `MissingRecordError` when there is none,
    `EmptyRunError` when it has no samples, `RecordFormatError` for a file that cannot be read.
    """
    runs = load_all(paths)
    if len(runs) > 1:
        raise SeveralRunsError(
            f"Found {len(runs)} runs ({', '.join(run.info.run_id for run in runs)}), expected one. "
            "Give the files of one of them, or use load_all()."
        )
    return runs[0]


def load_all(paths: Paths) -> list[Run]:
    """All runs in files and folders, ordered by run id. Raises as `load` does."""
    return [Run(files) for files in find_runs(paths)]


class Run:
    """The samples of a run, sorted by (task, doc_id, request_idx, repeat), read from disk as they are asked for.

    `info` is the run's description, `files` where it was read from, `complete` false when some rows come from the
    parts of a run that was killed or is still going, or some could not be read when it was merged, `name` what its user
    calls it. Frames are cached: copy before changing them.
    """

    def __init__(self, files: RunFiles) -> None:
        self.name: str | None = None
        self.files = (*files.finished, *files.parts)
        self.complete = not files.parts
        self._rows = sorted_rows(self.files)
        if not len(self._rows):
            raise EmptyRunError(f"Run {files.run_id} in {self.files[0]}: found no samples, expected at least one.")
        self.info = with_identity_of(self._rows, run_of(self.files[-1]))
        self.complete = self.complete and not self.info.extra.get(PARTS_LEFT_ASIDE)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        state = "" if self.complete else ", incomplete"
        return f"<Run {self.info.run_id}: {len(self)} samples of {', '.join(self.tasks)}{state}>"

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """True task names, sorted."""
        return tuple(sorted(self.keys["task"].unique()))

    @cached_property
    def keys(self) -> pd.DataFrame:
        """Columns `task, doc_id, request_idx, repeat` of every sample."""
        frame: pd.DataFrame = pick(self._rows, KEY_FIELDS).to_pandas()
        return frame

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row a sample: all fields but the arrays, scalars as `label_free.*`, `gold_based.*` and `score.*`.

        Optional integers and booleans have pandas' nullable dtypes; a missing scalar is NaN; lists are tuples.
        """
        return frames.samples_frame(pick(self._rows, [*frames.SAMPLE_FIELDS, *frames.MAPS, *frames.TEXT_MAPS]))

    @cached_property
    def fingerprints(self) -> dict[Key, Fingerprint]:
        """Key -> the definition of the sample; its parts are empty in files before format 1.2."""
        parts = pick(self._rows, ["fingerprint"])["fingerprint"].to_pylist()
        return {
            key: Fingerprint(self.info.fingerprint, dict(own)) for key, own in zip(self._row_of, parts, strict=True)
        }

    @cached_property
    def layer_index(self) -> tuple[int, ...]:
        """The layer axis of `stack` and `layers`: the run's layers and any that a record lists by itself."""
        own = (layer for layers in self._own_layers.values() for layer in layers)
        return tuple(sorted({*self.info.lens.layer_index, *own}))

    @cached_property
    def layers(self) -> pd.DataFrame:
        """Tidy: one row a sample and layer, with `layer`, `depth` = layer / L and a column for each quantity.

        L is the number of decoder blocks. Samples without arrays have no rows; a quantity that was not recorded is
        NaN.
        """
        stacks = {name: self.stack(name) for name in LAYER_QUANTITIES}
        kept = np.any([~np.isnan(values) for values in stacks.values()], axis=0)
        sample, place = np.nonzero(kept)
        layer = np.asarray(self.layer_index, dtype=np.int64)[place]
        frame = self.keys.astype({"task": "category"}).take(sample).reset_index(drop=True)
        columns = {"layer": layer, "depth": layer / (self.info.model.n_layers or np.nan)}
        return pd.concat([frame, pd.DataFrame(columns | {n: v[kept] for n, v in stacks.items()})], axis=1)

    def stack(self, quantity: str, control: str | None = None) -> FloatGrid:
        """A quantity of all samples: [samples, layers], or [samples, layers, width] for `cand_scores` and its kind.

        float64; rows as in `samples`, layers as in `layer_index`; NaN where missing or beyond a sample's own width.
        With `control` the quantity as read out under that control. Raises `MissingRecordError` for an unknown name.
        """
        if control is not None:
            column = frames.single(pick(self._rows, ["controls"]), "controls")
            arrays, parent = frames.named_arrays(column, control, quantity)
            if not len(parent):
                raise MissingRecordError(
                    f"Found no {quantity!r} of control {control!r}; the run has {self.controls or 'no controls'}."
                )
        else:
            if quantity not in (*LAYER_QUANTITIES, *WIDE_QUANTITIES):
                known = ", ".join((*LAYER_QUANTITIES, *WIDE_QUANTITIES))
                raise MissingRecordError(f"Found no per-layer quantity {quantity!r}, expected one of {known}.")
            arrays, parent = frames.column_arrays(frames.single(pick(self._rows, [quantity]), quantity))
        return frames.grid(arrays, parent, self._places, (len(self), len(self.layer_index)))

    @cached_property
    def controls(self) -> dict[str, tuple[str, ...]]:
        """Control -> its per-layer quantities; empty for a run without controls."""
        return frames.names_in(frames.single(pick(self._rows, ["controls"]), "controls"))

    @cached_property
    def probes(self) -> dict[str, tuple[str, ...]]:
        """Probe -> its quantities in any sample; empty for a run without further probes."""
        return frames.names_in(self._probes)

    def probe(self, name: str, quantity: str) -> list[FloatArray | None]:
        """An array of a probe for every sample, rows as in `samples`: [values] or [rows, width], None without.

        float32, read-only views into one column. Raises `MissingRecordError` for a quantity that no sample has.
        """
        arrays, parent = self._probe_arrays(name, quantity)
        found: list[FloatArray | None] = [None] * len(self)
        for place, sample in enumerate(parent):
            found[sample] = arrays.row(place)
        return found

    def probe_layers(self, name: str, quantity: str, layers: str) -> tuple[IntArray, FloatGrid]:
        """Numbers by layer of a probe that names its layers in another of its arrays.

        Args:
            name: Of the probe, such as `boxes`.
            quantity: [layers] of each sample, such as `attention lift`.
            layers: The numbers of these layers, such as `attention layers`.

        Returns:
            int32 [L], every layer that a sample has, rising; float64 [samples, L], NaN where a sample has nothing.

        Raises:
            MissingRecordError: No sample has one of the two.
            RecordFormatError: A sample has other than one number for each of its layers.
        """
        numbers, values = self.probe(name, layers), self.probe(name, quantity)
        known = [own.astype(np.int32) for own in numbers if own is not None]
        index = np.unique(np.concatenate(known))
        grid = np.full((len(self), len(index)), np.nan)
        for row, (own, value) in enumerate(zip(numbers, values, strict=True)):
            if value is None:
                continue
            if own is None or own.shape != value.shape:
                raise RecordFormatError(
                    f"probe {name!r}, sample {row}: found {value.shape} numbers of {quantity!r} and "
                    f"{None if own is None else own.shape} of {layers!r}, expected as many."
                )
            grid[row, np.searchsorted(index, own.astype(np.int32))] = value
        return index, grid

    def _probe_arrays(self, name: str, quantity: str) -> tuple[Ragged, npt.NDArray[np.int64]]:
        arrays, parent = frames.named_arrays(self._probes, name, quantity)
        if not len(parent):
            raise MissingRecordError(
                f"Found no {quantity!r} of probe {name!r}; the run has {self.probes or 'no probes'}."
            )
        return arrays, parent

    @cached_property
    def _probes(self) -> pa.ListArray:
        """The whole column: a report asks for many arrays of it."""
        return frames.single(pick(self._rows, ["probes"]), "probes")

    def records(self) -> Iterator[SampleRecord]:
        """Every sample as a `SampleRecord`, a few thousand in memory at a time."""
        for start in range(0, len(self), _CHUNK):
            yield from from_table(pick(self._rows[start : start + _CHUNK], SCHEMA.names))

    def record(self, key: Key | tuple[str, int]) -> SampleRecord:
        """The sample with that key; `(task, doc_id)` means request 0, repeat 0. Raises `MissingRecordError`."""
        full = (*key, 0, 0)[:4]
        if full not in self._row_of:
            raise MissingRecordError(
                f"Found no sample {full} among the {len(self)} of run {self.info.run_id} "
                f"(tasks {', '.join(self.tasks)}), expected a key as in Run.keys."
            )
        return next(from_table(pick(self._rows[[self._row_of[full]]], SCHEMA.names)))

    def topk(self, key: Key | tuple[str, int]) -> pd.DataFrame:
        """The classic logit-lens table of a sample: `layer, place` (1: most likely), `token_id, token, logprob`.

        Logprobs in nats. No rows when the sample has no top-k. Raises `MissingRecordError` for an unknown key.
        """
        return frames.topk_frame(self.record(key), self.info.lens.layer_index)

    @cached_property
    def token_texts(self) -> dict[int, str]:
        """Token id -> its text, for all tokens in the top-k of the run's samples and in the arrays of their probes."""
        table = pick(self._rows, ["topk_ids", "topk_tokens"])
        missing = table["topk_ids"].null_count or table["topk_tokens"].null_count
        known = (
            table.filter(pc.and_(table["topk_ids"].is_valid(), table["topk_tokens"].is_valid())) if missing else table
        )
        ids, texts = (frames.single(known, name).flatten().flatten() for name in ("topk_ids", "topk_tokens"))
        numbers = ids.to_numpy(zero_copy_only=False)
        first = ~pd.Series(numbers).duplicated().to_numpy()
        read = zip(numbers[first].tolist(), texts.filter(pa.array(first)).to_pylist(), strict=True)
        of_probes = frames.single(pick(self._rows, ["token_texts"]), "token_texts")
        told = zip(of_probes.keys.to_pylist(), of_probes.items.to_pylist(), strict=True)
        return {int(token): text for token, text in told} | dict(read)

    @cached_property
    def _row_of(self) -> dict[Key, int]:
        return {key: i for i, key in enumerate(self.keys.itertuples(index=False, name=None))}

    @cached_property
    def _own_layers(self) -> dict[int, tuple[int, ...]]:
        """Row -> the layers of the samples that list them by themselves."""
        column = frames.single(pick(self._rows, ["layer_index"]), "layer_index")
        rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        return {int(row): tuple(column[int(row)].as_py()) for row in rows}

    @cached_property
    def _places(self) -> Sequence[Any]:
        """For each sample the positions of its layers in `layer_index`."""
        usual = np.searchsorted(self.layer_index, self.info.lens.layer_index)
        own = {row: np.searchsorted(self.layer_index, layers) for row, layers in self._own_layers.items()}
        return [own.get(row, usual) for row in range(len(self))]

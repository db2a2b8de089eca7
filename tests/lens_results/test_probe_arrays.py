"""Arrays of probes for all samples of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lens_results import MissingRecordError, RecordFormatError, RecordWriter, Run, RunInfo, SampleRecord, load, merge


def written(folder: Path, info: RunInfo, *records: SampleRecord) -> Run:
    with RecordWriter(folder, info) as writer:
        for record in records:
            writer.append(record)
    merge(folder, info.run_id)
    return load(folder)


def test_arrays_of_a_probe(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    boxes = {"attention layers": [2, 4], "attention lift": [1.5, 3.0]}
    maps = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = make_record(0, probes={"attention": {"map": maps}, "boxes": boxes})
    other = make_record(2, probes={"boxes": {"attention layers": [1, 2], "attention lift": [0.5, 0.25]}})
    run = written(tmp_path, make_info("r"), first, make_record(1), other)
    assert run.probes == {"attention": ("map",), "boxes": ("attention layers", "attention lift")}
    found = run.probe("attention", "map")
    assert found[0] is not None and found[0].tolist() == maps.tolist()
    assert found[1] is None and found[2] is None
    layers, lift = run.probe_layers("boxes", "attention lift", "attention layers")
    assert layers.tolist() == [1, 2, 4]
    np.testing.assert_array_equal(lift, [[np.nan, 1.5, 3.0], [np.nan] * 3, [0.5, 0.25, np.nan]])
    with pytest.raises(MissingRecordError, match=r"Found no 'rank' of probe 'attention'; the run has {'attention'"):
        run.probe("attention", "rank")


def test_a_probe_with_other_layers_than_values_is_damaged(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    damaged = make_record(0, probes={"boxes": {"attention layers": [1, 2], "attention lift": [0.5]}})
    run = written(tmp_path, make_info("r"), damaged)
    with pytest.raises(RecordFormatError, match=r"found \(1,\) numbers of 'attention lift'"):
        run.probe_layers("boxes", "attention lift", "attention layers")


def test_a_run_without_probes_says_so(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    run = written(tmp_path, make_info("r"), make_record(0))
    assert run.probes == {}
    with pytest.raises(MissingRecordError, match="no probes"):
        run.probe("boxes", "box")

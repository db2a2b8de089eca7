from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lens_results import (
    InvalidRecordError,
    LensResultsError,
    RecordWriteError,
    RecordWriter,
    check_writable,
    discard_parts,
    find_unmerged,
    load,
    load_all,
    merge,
)
from lens_results.storage import safe_name

ROOT = Path(__file__).parents[2]


def parts(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*.parquet") if ".lens_parts" in str(path))


def test_parts_by_rows(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    with RecordWriter(tmp_path, make_info("r"), part_rows=2) as writer:
        for i in range(3):
            writer.append(make_record(i))
        assert writer.waiting == 1
        assert parts(tmp_path) == ["pope_mini.rank0.000001.parquet"]
    assert parts(tmp_path) == ["pope_mini.rank0.000001.parquet", "pope_mini.rank0.000002.parquet"]


def test_parts_by_time(tmp_path: Path, make_record: Any, make_info: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    writer = RecordWriter(tmp_path, make_info("r"), part_seconds=20)
    writer.append(make_record(0))
    assert parts(tmp_path) == []
    now[0] += 20
    writer.append(make_record(1))
    assert writer.waiting == 0
    assert len(load(tmp_path)) == 2


def test_records_that_are_known_together_are_written_together(
    tmp_path: Path, make_record: Any, make_info: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that took long is on disk before the next one begins, whole."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    writer = RecordWriter(tmp_path, make_info("r"), part_seconds=20)
    for first in (0, 8, 16):
        now[0] += 20
        writer.append(*(make_record(number) for number in range(first, first + 8)))
        assert writer.waiting == 0
        assert len(load(tmp_path)) == first + 8
    with pytest.raises(InvalidRecordError, match="found 5 layers, expected 28"):
        writer.append(make_record(24), make_record(25, layers=5))
    assert writer.waiting == 0


def test_merge_finishes_the_run(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    info = make_info("r")
    with RecordWriter(tmp_path, info, part_rows=2) as writer:
        for i in (4, 1, 3):
            writer.append(make_record(i))
        writer.append(make_record(0, task="other"))
    key = ("pope_mini", 3, 0, 0)
    merged = merge(tmp_path, "r", scores={key: {"acc": 1, "f1": float("nan")}})
    assert {task: path.name for task, path in merged.items()} == {
        "other": "lens_other_r.parquet",
        "pope_mini": "lens_pope_mini_r.parquet",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lens_other_r.parquet", "lens_pope_mini_r.parquet"]
    run = load(tmp_path)
    assert run.complete
    assert [record.key[:2] for record in run.records()] == [("other", 0)] + [("pope_mini", i) for i in (1, 3, 4)]
    assert run.record(key).scores == {"acc": 1.0, "f1": None}
    assert run.record(("pope_mini", 1)) == make_record(1)
    assert run.info.identity.run_deviation == pytest.approx(5e-6)
    assert (run.info.identity.run_argmax, run.info.identity.n_checked) == (True, 4)


def test_ranks_merge_and_padding_duplicates_go(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    info = make_info("r")
    for rank in (1, 0):
        with RecordWriter(tmp_path, info, rank=rank, part_rows=3) as writer:
            for i in range(rank, 10, 2):
                writer.append(make_record(i))
            writer.append(make_record(0, response=f"padding of rank {rank}"))
    merge(tmp_path, "r")
    single = tmp_path / "single"
    with RecordWriter(single, info) as writer:
        for i in range(10):
            writer.append(make_record(i))
    merge(single, "r")
    both, one = list(load(tmp_path / "lens_pope_mini_r.parquet").records()), list(load(single).records())
    assert both[1:] == one[1:]
    assert both[0].response == "padding of rank 1"  # the last written: same part number, higher rank


def test_merge_of_many_rows_is_chunked(
    tmp_path: Path, make_record: Any, make_info: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lens_results.merging._CHUNK", 4)
    monkeypatch.setattr("lens_results.storage._ROW_GROUP", 3)
    with RecordWriter(tmp_path, make_info("r"), part_rows=3) as writer:
        for i in reversed(range(11)):
            writer.append(make_record(i))
    merge(tmp_path, "r")
    assert list(load(tmp_path).records()) == [make_record(i) for i in range(11)]
    assert load(tmp_path).record(("pope_mini", 10)) == make_record(10)


def test_merging_again_adds_later_parts_and_scores(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    info = make_info("r")
    for first in (0, 2):
        with RecordWriter(tmp_path, info) as writer:
            writer.append(make_record(first))
            writer.append(make_record(first + 1))
        merge(tmp_path, "r")
    assert parts(tmp_path) == []
    merge(tmp_path, "r", scores={("pope_mini", 2, 0, 0): {"acc": 0.5}})
    before = (tmp_path / "lens_pope_mini_r.parquet").read_bytes()
    assert merge(tmp_path, "r") == {"pope_mini": tmp_path / "lens_pope_mini_r.parquet"}
    assert (tmp_path / "lens_pope_mini_r.parquet").read_bytes() == before
    run = load(tmp_path)
    assert list(run.samples["doc_id"]) == [0, 1, 2, 3]
    assert run.record(("pope_mini", 2)).scores == {"acc": 0.5}


def test_kill_between_merging_and_tidying_loses_nothing(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    with RecordWriter(tmp_path, make_info("r")) as writer:
        writer.append(make_record(0))
    part = next((tmp_path / ".lens_parts" / "r").iterdir())
    copy = part.read_bytes()
    merge(tmp_path, "r", scores={("pope_mini", 0, 0, 0): {"acc": 1.0}})
    part.parent.mkdir(parents=True)
    part.write_bytes(copy)
    assert find_unmerged(tmp_path) == []
    assert load(tmp_path).complete
    assert load(tmp_path).record(("pope_mini", 0)).scores == {"acc": 1.0}
    merge(tmp_path, "r")
    assert load(tmp_path).record(("pope_mini", 0)).scores == {"acc": 1.0}
    assert parts(tmp_path) == []


def test_final_description_replaces_the_first(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    with RecordWriter(tmp_path, make_info("r")) as writer:
        writer.append(make_record(0))
    merge(tmp_path, "r", run_info=make_info("r", limits={"limit": 1}))
    assert load(tmp_path).info.limits == {"limit": 1}
    with pytest.raises(InvalidRecordError, match="found run 'x', expected 'r'"):
        merge(tmp_path, "r", run_info=make_info("x"))


def test_scores_of_unknown_tasks_are_reported(
    tmp_path: Path, make_record: Any, make_info: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with RecordWriter(tmp_path, make_info("r")) as writer:
        writer.append(make_record(0))
    merge(tmp_path, "r", scores={("elsewhere", 0, 0, 0): {"acc": 1.0}})
    assert "elsewhere" in caplog.text


def test_merging_nothing_gives_nothing(tmp_path: Path) -> None:
    assert merge(tmp_path, "r") == {}


@pytest.mark.parametrize("task", ["a/b", "../../etc", ".hidden", "", "x" * 300, "задача", "a b", "C:\\x"])
def test_odd_task_names_stay_in_the_folder_and_in_the_data(
    task: str, tmp_path: Path, make_record: Any, make_info: Any
) -> None:
    with RecordWriter(tmp_path, make_info("r")) as writer:
        writer.append(make_record(0, task=task))
    path = merge(tmp_path, "r")[task]
    assert path.parent == tmp_path
    assert len(path.name) < 200
    assert load(tmp_path).tasks == (task,)


def test_similar_task_names_do_not_collide() -> None:
    names = ["a/b", "a-b", "a b", "a_b", "a\\b"]
    assert len({safe_name(name) for name in names}) == len(names)
    assert safe_name("mmmu_val.v1-x") == "mmmu_val.v1-x"


def test_two_runs_share_a_folder(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    writers = [RecordWriter(tmp_path, make_info(), part_rows=2) for _ in range(2)]
    for i in range(5):
        for writer in writers:
            writer.append(make_record(i))
    writers[0].close()
    merge(tmp_path, writers[0].run_info.run_id)
    writers[1].close()
    assert [run.complete for run in sorted(load_all(tmp_path), key=lambda run: not run.complete)] == [True, False]
    merge(tmp_path, writers[1].run_info.run_id)
    assert [len(run) for run in load_all(tmp_path)] == [5, 5]


def test_restarted_writer_continues(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    info = make_info("r")
    for i in range(2):
        writer = RecordWriter(tmp_path, info)
        writer.append(make_record(i))
        writer.flush()
    assert parts(tmp_path) == ["pope_mini.rank0.000001.parquet", "pope_mini.rank0.000002.parquet"]


def test_closed_writer_refuses(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    writer = RecordWriter(tmp_path, make_info())
    writer.close()
    writer.close()
    with pytest.raises(LensResultsError, match="closed RecordWriter"):
        writer.append(make_record(0))


def test_layers_must_be_those_of_the_run(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    writer = RecordWriter(tmp_path, make_info())
    with pytest.raises(InvalidRecordError, match="found 5 layers, expected 28"):
        writer.append(make_record(0, layers=5))
    writer.append(make_record(0, layers=5, layer_index=(1, 2, 3, 4, 5)))
    assert writer.waiting == 1


KILLED = """
import sys
sys.path.insert(0, "tests/lens_results")
from built_records import build_info, build_record
from lens_results import RecordWriter
writer = RecordWriter(sys.argv[1], build_info("killed"), part_rows=3)
for i in range(100_000):
    writer.append(build_record(i))
    print(i + 1 - writer.waiting, flush=True)
"""


@pytest.mark.parametrize("rows", [7])
def test_killed_run_is_readable(rows: int, tmp_path: Path, make_record: Any, make_info: Any) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    written = 0
    for line in process.stdout:
        written = int(line)
        if written >= rows:
            break
    process.send_signal(signal.SIGKILL)
    written = max([written, *map(int, process.stdout.read().split())])
    process.wait()
    process.stdout.close()
    run = load(tmp_path)
    assert not run.complete
    assert len(run) >= written >= rows
    assert list(run.records())[:rows] == [make_record(i) for i in range(rows)]
    assert run.info.identity.n_checked == len(run)
    (unmerged,) = find_unmerged(tmp_path)
    assert unmerged.run_id == "killed"
    assert len(load(unmerged.folder)) == len(run)
    merge(tmp_path, "killed")
    assert load(tmp_path).complete
    assert len(load(tmp_path)) == len(run)


def test_half_written_file_is_no_part(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    with RecordWriter(tmp_path, make_info("r")) as writer:
        writer.append(make_record(0))
    folder = tmp_path / ".lens_parts" / "r"
    (folder / ".pope_mini.rank0.000002.parquet.77.tmp").write_bytes(b"PAR1 half")
    assert len(load(tmp_path)) == 1
    merge(tmp_path, "r")
    assert not folder.exists()


def test_taken_over_parts_can_be_discarded(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    with RecordWriter(tmp_path, make_info("r")) as writer:
        writer.append(make_record(0))
    discard_parts(tmp_path, "r")
    discard_parts(tmp_path, "r")
    assert find_unmerged(tmp_path) == []


def full_disk(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_says_so_and_loses_nothing(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    writer = RecordWriter(tmp_path, make_info("r"))
    writer.append(make_record(0))
    writer.flush()
    writer.append(make_record(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        with pytest.raises(RecordWriteError, match=r"into .*/r: No space left on device\. .* lens_dir") as caught:
            writer.flush()
    assert isinstance(caught.value.__cause__, OSError)
    assert len(load(tmp_path)) == 1
    assert list((tmp_path / ".lens_parts" / "r").glob(".*")) == []
    writer.close()
    assert len(load(tmp_path)) == 2


def test_full_disk_while_merging_keeps_the_parts(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    with RecordWriter(tmp_path, make_info("r")) as writer:
        writer.append(make_record(0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        with pytest.raises(RecordWriteError, match="What was written before is intact"):
            merge(tmp_path, "r")
    assert [path.name for path in tmp_path.iterdir()] == [".lens_parts"]
    assert len(load(tmp_path)) == 1


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    (tmp_path / "runs").write_text("a file is in the way")
    writer = RecordWriter(tmp_path / "runs", make_info("r"))
    writer.append(make_record(0))
    with pytest.raises(
        RecordWriteError, match=r"into .*runs.*: found a file where a folder is needed\..* Move the file away"
    ):
        writer.close()
    assert writer.waiting == 1


def test_a_full_disk_is_not_asked_at_every_record(
    tmp_path: Path, make_record: Any, make_info: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, asked = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def refuse(_: int) -> None:
        asked.append(now[0])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    writer = RecordWriter(tmp_path, make_info("r"), part_rows=2, part_seconds=20)
    refused = 0
    for i in range(10):
        try:
            writer.append(make_record(i))
        except RecordWriteError:
            refused += 1
        now[0] += 5
    assert asked == [105.0, 125.0, 145.0]
    assert (refused, writer.waiting) == (3, 10)


LIMITED = """
import resource, sys
sys.path.insert(0, "tests/lens_results")
from built_records import build_info, build_record
from lens_results import RecordWriteError, RecordWriter
writer = RecordWriter(sys.argv[1], build_info("r"), part_rows=64)
writer.append(build_record(0))
writer.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
for i in range(1, 65):
    try:
        writer.append(build_record(i))
    except RecordWriteError as error:
        print(error)
print(writer.waiting)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.close()
"""


@pytest.mark.end_to_end
def test_a_system_that_refuses_in_the_middle_of_a_file_leaves_no_half_file(tmp_path: Path) -> None:
    """The limit of the file size stands in for a full disk: the system takes some bytes and refuses the rest."""
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    message, waiting = done.stdout.splitlines()
    assert message.startswith(f"Cannot write lens records into {tmp_path}")
    assert "File too large" in message
    assert waiting == "64"
    assert list(load(tmp_path).samples["doc_id"]) == list(range(65))
    assert not list(tmp_path.rglob("*.tmp"))


READ_ONLY = """
import os, sys
sys.path.insert(0, "tests/lens_results")
from built_records import build_info, build_record
from lens_results import RecordWriteError, RecordWriter, check_writable
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
try:
    check_writable(__import__("pathlib").Path(sys.argv[1]) / "runs")
except RecordWriteError as error:
    print(error)
try:
    with RecordWriter(sys.argv[1], build_info("r")) as writer:
        writer.append(build_record(0))
except RecordWriteError as error:
    print(error)
"""


@pytest.mark.end_to_end
def test_read_only_folder_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    command = [sys.executable, "-c", READ_ONLY, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    tmp_path.chmod(0o755)
    early, late = done.stdout.splitlines()
    for message in (early, late):
        assert message.startswith(f"Cannot write lens records into {tmp_path}")
        assert "Permission denied" in message


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordWriteError, match=r"Cannot write lens records into .*file/runs: .*choose another folder"):
        check_writable(tmp_path / "file" / "runs")


SIDE_BY_SIDE = """
import sys
sys.path.insert(0, "tests/lens_results")
from built_records import build_info, build_record
from lens_results import RecordWriter, merge
for round in range(4):
    run_id = f"{sys.argv[2]}-{round}"
    with RecordWriter(sys.argv[1], build_info(run_id), part_rows=1) as writer:
        for i in range(4):
            writer.append(build_record(i, response=run_id))
    merge(sys.argv[1], run_id)
"""


@pytest.mark.end_to_end
def test_processes_that_write_and_merge_side_by_side_do_not_mix(tmp_path: Path) -> None:
    """Each merge takes the common folder of all parts away when it finds it empty, again and again."""
    program = [sys.executable, "-c", SIDE_BY_SIDE, str(tmp_path)]
    processes = [subprocess.Popen([*program, name], cwd=ROOT, stderr=subprocess.PIPE) for name in "abc"]
    for process in processes:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors.decode()
    runs = load_all(tmp_path)
    assert {run.info.run_id for run in runs} == {f"{name}-{round}" for name in "abc" for round in range(4)}
    for run in runs:
        assert run.complete
        assert run.samples["response"].tolist() == [run.info.run_id] * 4
    assert not (tmp_path / ".lens_parts").exists()


def test_a_row_takes_at_most_8_kib(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    with RecordWriter(tmp_path, make_info("r")) as writer:
        for i in range(512):
            writer.append(make_record(i))
    in_parts = sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    assert in_parts / 512 <= 8192
    assert merge(tmp_path, "r")["pope_mini"].stat().st_size / 512 <= 6144

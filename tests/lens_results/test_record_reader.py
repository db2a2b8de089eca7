from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lens_results import (
    EmptyRunError,
    MissingRecordError,
    NewerFormatError,
    NotARecordFileError,
    RecordFormatError,
    RecordWriter,
    Run,
    RunInfo,
    SampleRecord,
    SeveralRunsError,
    TruncatedRecordError,
    load,
    load_all,
    merge,
    merging,
)
from lens_results.schema import META_FORMAT, META_RUN, SCHEMA


def write(directory: Path, info: RunInfo, *records: SampleRecord) -> Path:
    with RecordWriter(directory, info) as writer:
        for record in records:
            writer.append(record)
    merged = merge(directory, info.run_id)
    return merged[records[0].task]


@pytest.fixture
def run(tmp_path: Path, make_record: Any, make_info: Any) -> Run:
    unread = dict.fromkeys(("topk_ids", "topk_logprobs", "topk_tokens", "cand_scores", "pivot_scores"))
    arrays = "logprob_gold entropy cand_entropy cand_mass kl_last jsd_last margin_pred log_odds energy resid_norm"
    unread |= dict.fromkeys([*arrays.split(), "logprob_pred", "rank_pred", "rank_gold", "correct", "pred_candidate"])
    failed = make_record(1, status="non_finite", status_reason="inf in layer 3", controls={}, **unread)
    bare = make_record(2, label_free={"flips": 2}, gold_based={}, topk_tokens=None, log_odds=None, binary=None)
    write(tmp_path, make_info("r"), make_record(0), failed, bare)
    return load(tmp_path)


def test_samples_are_tidy(run: Run, make_record: Any) -> None:
    samples, first = run.samples, make_record(0)
    assert list(samples["doc_id"]) == [0, 1, 2]
    assert list(samples["status"]) == ["ok", "non_finite", "ok"]
    assert samples["correct"].isna().tolist() == [False, True, False]
    assert bool(samples["correct"][0]) is first.correct
    assert samples["pred_candidate"].dtype == "Int32"
    assert samples["candidates"][0] == ("yes", "no")
    assert samples["candidate_token_ids"][0] == first.candidate_token_ids
    assert samples["binary"].tolist() == [(0, 1), (0, 1), None]
    assert samples["label_free.flips"].tolist()[2] == 2
    assert samples["label_free.commit_depth"].isna().tolist() == [False, False, True]
    assert samples["gold_based.stable_correct_layer"].isna().all()
    assert samples["control_source.shuffled"].tolist() == [100, 101, 102]
    assert not {"entropy", "topk_ids", "controls"} & set(samples.columns)


def test_the_status_of_each_control_is_a_column(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    text_only = make_record(1, controls={}, control_status={"blank": "no_image"}, control_reason={"blank": "no image"})
    file = write(tmp_path, make_info("r"), make_record(0, control_status={"blank": "ok"}), text_only, make_record(2))
    samples = load(file).samples
    assert samples["control_status.blank"].tolist() == ["ok", "no_image", None]
    assert samples["control_reason.blank"].tolist() == [None, "no image", None]


def test_layers_are_tidy(run: Run, make_record: Any) -> None:
    layers, first = run.layers, make_record(0)
    assert sorted(layers["doc_id"].unique()) == [0, 2]
    mine = layers[layers["doc_id"] == 0]
    assert mine["layer"].tolist() == list(range(1, 29))
    assert mine["depth"].iloc[-1] == 1.0
    assert mine["entropy"].to_numpy(np.float32).tolist() == first.entropy.tolist()
    assert mine["rank_gold"].tolist() == first.rank_gold.tolist()
    assert layers[layers["doc_id"] == 2]["log_odds"].isna().all()


def test_stack_keeps_the_order_of_samples(run: Run, make_record: Any) -> None:
    entropy = run.stack("entropy")
    assert entropy.shape == (3, 28)
    assert np.isnan(entropy[1]).all()
    assert (entropy[2] == make_record(2).entropy).all()
    assert run.stack("cand_scores").shape == (3, 28, 2)
    assert (run.stack("topk_ids")[0] == make_record(0).topk_ids).all()
    blank = run.stack("cand_scores", control="blank")
    assert np.isnan(blank[1]).all()
    assert (blank[2] == make_record(2).controls["blank"]["cand_scores"]).all()
    assert (
        run.stack("logprob_pred", control="shuffled")[0] == make_record(0).controls["shuffled"]["logprob_pred"]
    ).all()


def test_controls_are_listed(run: Run) -> None:
    assert run.controls == dict.fromkeys(("blank", "shuffled"), ("cand_scores", "logprob_pred"))


def test_records_come_back(run: Run, make_record: Any) -> None:
    records = list(run.records())
    assert records[0] == make_record(0)
    assert records[1].n_layers is None
    assert run.record(("pope_mini", 2, 0, 0)) == records[2]


def test_topk_is_the_classic_table(run: Run, make_record: Any) -> None:
    table, first = run.topk(("pope_mini", 0)), make_record(0)
    assert len(table) == 28 * 5
    row = table[(table["layer"] == 3) & (table["place"] == 2)].iloc[0]
    assert row["token_id"] == first.topk_ids[2, 1]
    assert row["token"] == first.topk_tokens[2][1]
    assert row["logprob"] == first.topk_logprobs[2, 1]
    assert run.topk(("pope_mini", 1)).empty
    assert run.topk(("pope_mini", 2))["token"].isna().all()


def test_own_layers_and_widths_are_aligned(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    def scores(n: int, layers: int) -> dict[str, Any]:
        return {"candidates": tuple("abc"[:n]), "candidate_token_ids": (), "cand_scores": np.ones((layers, n))}

    few = make_record(1, layers=2, layer_index=(2, 31), binary=None, **scores(3, 2))
    write(tmp_path, make_info("r"), make_record(0), few)
    run = load(tmp_path)
    assert run.layer_index == (*range(1, 29), 31)
    entropy = run.stack("entropy")
    assert np.flatnonzero(~np.isnan(entropy[1])).tolist() == [1, 28]
    assert np.isnan(entropy[0, 28])
    wide = run.stack("cand_scores")
    assert wide.shape == (2, 29, 3)
    assert np.isnan(wide[0, :, 2]).all()
    assert wide[1, 28].tolist() == [1, 1, 1]
    assert run.topk(("pope_mini", 1))["layer"].unique().tolist() == [2, 31]
    assert run.layers.groupby("doc_id").size().tolist() == [28, 2]


def test_one_file_of_several_tasks(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    file = write(tmp_path / "deep" / "er", make_info("r"), make_record(0), make_record(0, task="b"))
    assert load(tmp_path).tasks == ("b", "pope_mini")
    assert load(file).tasks == ("pope_mini",)
    assert load(str(file)).tasks == ("pope_mini",)
    assert len(load([file, tmp_path])) == 2


def test_several_runs(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    for run_id in ("r2", "r1"):
        write(tmp_path, make_info(run_id), make_record(0))
    assert [run.info.run_id for run in load_all(tmp_path)] == ["r1", "r2"]
    with pytest.raises(SeveralRunsError, match=r"Found 2 runs \(r1, r2\), expected one\. .* load_all"):
        load(tmp_path)


def test_columns_of_a_later_minor_version_are_skipped_and_missing_ones_null(
    tmp_path: Path, make_record: Any, make_info: Any
) -> None:
    file = write(tmp_path, make_info("r"), make_record(0))
    table = pq.read_table(file).drop_columns(["question_type", "gold_based", "energy", "control_status"])
    table = table.append_column("attention", pa.array([1.0]))
    metadata = table.schema.metadata | {META_FORMAT: b"1.7"}
    pq.write_table(table.replace_schema_metadata(metadata), file)
    run = load(file)
    assert next(run.records()) == make_record(0, question_type=None, gold_based={}, energy=None)
    assert np.isnan(run.stack("energy")).all()


def test_missing_path(tmp_path: Path) -> None:
    with pytest.raises(MissingRecordError, match="found nothing there"):
        load(tmp_path / "nowhere")
    with pytest.raises(MissingRecordError, match=r"found no lens_\*\.parquet .* --output_path or lens_dir"):
        load(tmp_path)


def test_newer_version(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    file = write(tmp_path, make_info("r"), make_record(0))
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata(table.schema.metadata | {META_FORMAT: b"2.0"}), file)
    with pytest.raises(NewerFormatError, match=r"record format 2\.0, this package reads up to 1\.x\. Upgrade"):
        load(file)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_file(share: float, tmp_path: Path, make_record: Any, make_info: Any) -> None:
    file = write(tmp_path, make_info("r"), make_record(0))
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(TruncatedRecordError, match=r"not a whole Parquet file .* Copy it again"):
        load(tmp_path)


def test_damaged_bytes(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    file = write(tmp_path, make_info("r"), *(make_record(i) for i in range(20)))
    found = bytearray(file.read_bytes())
    middle = len(found) // 3
    found[middle : middle + 64] = bytes(64)
    file.write_bytes(found)
    with pytest.raises(TruncatedRecordError):
        list(load(tmp_path).records())


def write_parts(tmp_path: Path, info: Any, *records: Any) -> list[Path]:
    """One part a record."""
    with RecordWriter(tmp_path, info, part_rows=1) as writer:
        for record in records:
            writer.append(record)
    return sorted((tmp_path / ".lens_parts" / info.run_id).iterdir())


@pytest.mark.parametrize("damage", ["cut short", "a byte in a page", "another file", "another type of column"])
def test_a_part_that_cannot_be_read_is_left_out_and_the_rest_is_merged(
    tmp_path: Path, make_record: Any, make_info: Any, damage: str
) -> None:
    parts = write_parts(tmp_path, make_info("r"), *(make_record(n) for n in range(3)))
    content = parts[1].read_bytes()
    if damage == "cut short":
        parts[1].write_bytes(content[:99])
    elif damage == "another file":
        parts[1].write_bytes(b"something else")
    elif damage == "a byte in a page":
        parts[1].write_bytes(content[:3000] + bytes([content[3000] ^ 255]) + content[3001:])
    else:
        table = pq.read_table(parts[1])
        place = table.schema.get_field_index("entropy")
        words = table.set_column(place, "entropy", pa.array(["no number"]))
        pq.write_table(words.replace_schema_metadata(table.schema.metadata), parts[1])
    reported: list[tuple[str, str]] = []
    (file,) = merge(tmp_path, "r", refused=lambda what, error: reported.append((what, str(error)))).values()
    assert load(file).samples["doc_id"].tolist() == [0, 2]
    assert [what for what, _ in reported] == [f"the part {parts[1].name}.unreadable, which was left out and kept"]
    assert parts[1].with_name(f"{parts[1].name}.unreadable").exists()
    run = load(tmp_path)
    assert (run.samples["doc_id"].tolist(), run.complete) == ([0, 2], False), "the folder can be read as a whole"


def test_a_process_with_a_similar_type_of_column_is_merged(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    parts = write_parts(tmp_path, make_info("r"), make_record(0), make_record(1))
    table = pq.read_table(parts[1])
    place = table.schema.get_field_index("repeat")
    wider = table.set_column(place, "repeat", pa.array([0], pa.int64()))
    pq.write_table(wider.replace_schema_metadata(table.schema.metadata), parts[1])
    (file,) = merge(tmp_path, "r").values()
    assert load(file).samples["doc_id"].tolist() == [0, 1]


@pytest.mark.parametrize("error", [MemoryError(), pa.ArrowInvalid("odd"), OSError(28, "No space left on device")])
def test_a_task_that_cannot_be_merged_keeps_its_parts_and_the_others_are_merged(
    tmp_path: Path, make_record: Any, make_info: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    write_parts(tmp_path, make_info("r"), make_record(0, "a"), make_record(1, "b"))
    write_tables = merging.write_tables

    def failing(path: Path, *args: Any) -> None:
        if "lens_a_" in path.name:
            raise error
        write_tables(path, *args)

    monkeypatch.setattr(merging, "write_tables", failing)
    reported: list[tuple[str, Exception]] = []
    assert list(merge(tmp_path, "r", refused=lambda *both: reported.append(both))) == ["b"]
    assert reported == [("task a", error)]
    assert load(tmp_path).keys["task"].tolist() == ["a", "b"], "the parts of a are read as they are"
    monkeypatch.undo()
    assert list(merge(tmp_path, "r")) == ["a", "b"]


def test_files_of_another_kind(tmp_path: Path) -> None:
    text = tmp_path / "lens_notes.parquet"
    text.write_text("not parquet at all")
    with pytest.raises(NotARecordFileError, match="18 bytes that are no Parquet"):
        load(text)
    pq.write_table(pa.table({"a": [1]}), text)
    with pytest.raises(NotARecordFileError, match=r"without the metadata key 'mmlens\.format'"):
        load(text)


def test_damaged_version_and_description(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    file = write(tmp_path, make_info("r"), make_record(0))
    table = pq.read_table(file)
    for changed, message in (({META_FORMAT: b"x"}, "format version 'x'"), ({META_RUN: b"{"}, "not JSON")):
        pq.write_table(table.replace_schema_metadata(table.schema.metadata | changed), file)
        with pytest.raises(RecordFormatError, match=message):
            load(file)


def test_empty_run(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    file = write(tmp_path, make_info("r"), make_record(0))
    empty = SCHEMA.empty_table().replace_schema_metadata(pq.read_schema(file).metadata)
    pq.write_table(empty, file)
    with pytest.raises(EmptyRunError, match=r"Run r in .*: found no samples"):
        load(file)


def test_unknown_names_say_what_there_is(run: Run, tmp_path: Path) -> None:
    with pytest.raises(MissingRecordError, match="quantity 'logits', expected one of logprob_pred"):
        run.stack("logits")
    with pytest.raises(MissingRecordError, match=r"no 'entropy' of control 'blank'; the run has \{'blank'"):
        run.stack("entropy", control="blank")
    with pytest.raises(MissingRecordError, match=r"no sample \('pope', 0, 0, 0\) among the 3 of run r"):
        run.record(("pope", 0))
    assert repr(run) == "<Run r: 3 samples of pope_mini>"


def test_description_that_does_not_fit_its_rows(tmp_path: Path, make_record: Any, make_info: Any) -> None:
    file = write(tmp_path, make_info("r"), make_record(0))
    table = pq.read_table(file)
    other = make_info("r", layers=3).to_json().encode()
    pq.write_table(table.replace_schema_metadata(table.schema.metadata | {META_RUN: other}), file)
    with pytest.raises(RecordFormatError, match="a sample with 28 layers, expected 3"):
        load(file).stack("entropy")


def test_samples_of_many_rows_are_opened_without_making_a_record_of_each(
    tmp_path: Path, make_record: Any, make_info: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, make_info("r"), *(make_record(i) for i in range(500)))
    table = pq.read_table(file)
    copies = [table.set_column(2, SCHEMA.field("doc_id"), pa.array(range(i, i + 500))) for i in range(0, 9000, 500)]
    pq.write_table(pa.concat_tables(copies), file, compression="zstd")
    monkeypatch.setattr(SampleRecord, "__init__", lambda *args, **fields: pytest.fail("a record was made"))
    samples = load(file).samples
    assert samples["doc_id"].tolist() == list(range(9000))


def test_texts_of_tokens_come_once(run: Run, make_record: Any) -> None:
    record = make_record(0)
    texts = run.token_texts
    assert texts[int(record.topk_ids[3, 2])] == record.topk_tokens[3][2]
    assert len(texts) == len(set(record.topk_ids.ravel().tolist()))

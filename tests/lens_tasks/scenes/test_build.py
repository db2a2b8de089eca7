import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import datasets
import PIL
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lens_tasks
from lens_tasks.scenes.build import build
from lens_tasks.scenes.pope import pope_rows
from lens_tasks.scenes.tables import content_hash, to_table, write
from lens_tasks.scenes.weird import weird_rows

FOLDER = Path(lens_tasks.__path__[0]) / "minis"
MANIFEST = json.loads((FOLDER / "hashes.json").read_text(encoding="utf-8"))
VERSIONS = {"pyarrow": pa.__version__, "pillow": PIL.__version__, "av": version("av")}
SAME_VERSIONS = MANIFEST["versions"] == VERSIONS


def test_shipped_files_are_those_of_the_manifest():
    assert {path.name for path in FOLDER.glob("*.parquet")} == set(MANIFEST["files"])
    for name, entry in MANIFEST["files"].items():
        table = pq.read_table(FOLDER / name)
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == entry["file"]
        assert len(table) == entry["rows"]
        assert content_hash(table) == entry["content"]


def test_content_hash_sees_a_changed_value():
    table = pq.read_table(FOLDER / "pope_mini.parquet").slice(0, 5)
    changed = table.set_column(3, "answer", pa.array(["yes"] * 5))
    assert content_hash(table) != content_hash(changed)


def test_pope_mini_is_regenerated_bit_for_bit(tmp_path):
    table = to_table("pope_mini", pope_rows())
    write(table, tmp_path / "pope_mini.parquet")
    entry = MANIFEST["files"]["pope_mini.parquet"]
    if SAME_VERSIONS:
        assert hashlib.sha256((tmp_path / "pope_mini.parquet").read_bytes()).hexdigest() == entry["file"]
    assert [r["question"] for r in table.to_pylist()] == [
        r["question"] for r in pq.read_table(FOLDER / "pope_mini.parquet").to_pylist()
    ]


def test_first_weird_pairs_are_regenerated():
    shots = to_table("weird_mini", weird_rows(pairs=1)["shots"]).to_pylist()
    shipped = pq.read_table(FOLDER / "weird_mini_shots.parquet").to_pylist()
    assert [row["inputs"] for row in shots] == [row["inputs"] for row in shipped]


@pytest.mark.slow
def test_everything_is_regenerated(tmp_path):
    fresh = build(tmp_path)
    for name, entry in MANIFEST["files"].items():
        assert fresh["files"][name]["rows"] == entry["rows"]
        if SAME_VERSIONS:
            assert fresh["files"][name] == entry


def test_datasets_gives_pictures(tmp_path):
    for name in ("pope_mini", "clevr_mini"):
        data = datasets.load_dataset(
            "parquet", data_files={"test": str(FOLDER / f"{name}.parquet")}, cache_dir=str(tmp_path), split="test"
        )
        assert isinstance(data.features["image"], datasets.Image)
        assert data[0]["image"].size == (64, 64)
    data = datasets.load_dataset(
        "parquet", data_files={"test": str(FOLDER / "weird_mini.parquet")}, cache_dir=str(tmp_path), split="test"
    )
    assert set(data[0]["inputs"]["image"]) == {"bytes", "path"}

"""Rows to Parquet files that `datasets` reads back with the right features."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

_TEXT: Final = pa.string()
_TEXTS: Final = pa.list_(pa.string())


def struct(**fields: pa.DataType) -> pa.StructType:
    """A structure with these fields."""
    return pa.struct(list(fields.items()))


IMAGE: Final = struct(bytes=pa.binary(), path=_TEXT)


def clevr_columns(number: pa.DataType, **more: pa.DataType) -> pa.StructType:
    """The columns of CLEVR's questions, with numbers of a type, and more columns."""
    return struct(
        image=IMAGE,
        image_filename=_TEXT,
        image_index=number,
        question_index=number,
        question=_TEXT,
        answer=_TEXT,
        question_family=_TEXT,
        program=_TEXT,
        lens_boxes=_TEXT,
        **more,
    )


TRACKS: Final = pa.list_(
    struct(
        id=pa.int32(),
        label=_TEXT,
        is_occluder=pa.int32(),
        bounding_boxes=pa.list_(pa.list_(pa.float64())),
        frame_ids=pa.list_(pa.int32()),
        timestamps=pa.list_(pa.int64()),
        is_masked=pa.list_(pa.int32()),
        visible=pa.list_(pa.float64()),
        role=_TEXT,
    )
)
"""Perception Test's object tracks; `visible` and `role` are ours."""

_CATEGORIES: Final = struct(commonsense_violation_subgroup=_TEXT, commonsense_violation_group=_TEXT)

SCHEMAS: Final = {
    "pope_mini": pa.schema(
        struct(
            id=_TEXT,
            question_id=_TEXT,
            question=_TEXT,
            answer=_TEXT,
            image_source=_TEXT,
            image=IMAGE,
            category=_TEXT,
            lens_boxes=_TEXT,
        )
    ),
    "clevr_mini": pa.schema(clevr_columns(pa.int32())),
    "reasoning_mini": pa.schema(clevr_columns(pa.int32(), lens_steps=_TEXT, steps=pa.int32(), language=_TEXT)),
    "ruclevr_mini": pa.schema(
        struct(
            instruction=_TEXT,
            inputs=struct(image=IMAGE, question=_TEXT),
            outputs=_TEXT,
            meta=struct(id=pa.int32(), question_type=_TEXT, image=struct(synt_source=_TEXTS, type=_TEXTS)),
            lens_boxes=_TEXT,
        )
    ),
    "weird_mini": pa.schema(
        struct(
            instruction=_TEXT,
            inputs=struct(image=IMAGE, question=_TEXT, option_a=_TEXT, option_b=_TEXT),
            outputs=_TEXT,
            meta=struct(
                id=pa.int32(), categories=_CATEGORIES, pair_id=_TEXT, image=struct(synt_source=_TEXTS, source=_TEXT)
            ),
            lens_boxes=_TEXT,
        )
    ),
    "perception_mini": pa.schema(
        struct(
            video_name=_TEXT,
            question=_TEXT,
            question_id=_TEXT,
            options=_TEXTS,
            answer_id=_TEXT,
            area=_TEXT,
            reasoning=_TEXT,
            tag=_TEXTS,
            tracks=TRACKS,
        )
    ),
    "perception_mini_videos": pa.schema(struct(video_name=_TEXT, video=pa.binary())),
    "sound_mini": pa.schema(
        struct(
            id=_TEXT,
            sound_name=_TEXT,
            question=_TEXT,
            options=_TEXTS,
            words=_TEXTS,
            instruction=_TEXT,
            answer=_TEXT,
            question_type=_TEXT,
            language=_TEXT,
            form=_TEXT,
            spoken=_TEXT,
        )
    ),
    "sound_mini_sounds": pa.schema(struct(sound_name=_TEXT, sound=pa.binary())),
}
"""Arrow schema of each benchmark. POPE and CLEVR have an image column; MERA's pictures are bytes inside ``inputs``."""


def with_features(schema: pa.Schema) -> pa.Schema:
    """The schema with the description of top-level columns that `datasets` looks for: ``image`` is an Image feature."""
    features = {
        field.name: {"_type": "Image"} if field.name == "image" else {"dtype": str(field.type), "_type": "Value"}
        for field in schema
    }
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def to_table(benchmark: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Arrow table of a benchmark's rows."""
    schema = SCHEMAS[benchmark]
    if "image" in schema.names:  # nested columns need no description: `datasets` derives them from the Arrow types
        schema = with_features(schema)
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


def write(table: pa.Table, path: Path) -> None:
    """Write one file; the dictionary limit is high enough to store each repeated picture once."""
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=8 * 2**20, row_group_size=len(table))


def content_hash(table: pa.Table) -> str:
    """SHA-256 of all values in a table, whatever version of Parquet stored them."""
    digest = hashlib.sha256()
    for row in table.to_pylist():
        digest.update(repr(row).encode("utf-8"))
    return digest.hexdigest()

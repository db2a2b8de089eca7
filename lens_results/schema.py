"""The Parquet schema of record files; `docs/record-format.md` describes every field in words.

Versioning: files carry `major.minor`. A minor step only adds fields, which older readers skip and newer readers
take as null where absent; a major step may change what a field means, and older readers refuse it.
"""

from __future__ import annotations

import pyarrow as pa

from lens_results.errors import NewerFormatError, NotARecordFileError, RecordFormatError

FORMAT_VERSION = 1
FORMAT_MINOR = 8
VERSION = f"{FORMAT_VERSION}.{FORMAT_MINOR}"

KEY_FIELDS = ("task", "doc_id", "request_idx", "repeat")

META_FORMAT = b"mmlens.format"
META_RUN = b"mmlens.run"
META_TASK = b"mmlens.task"
META_PART = b"mmlens.part"
META_MERGED = b"mmlens.merged"

_TEXT = pa.string()
_TEXTS = pa.list_(pa.string())
_FLOATS = pa.list_(pa.float32())
_INTS = pa.list_(pa.int32())
_SCALARS = pa.map_(pa.string(), pa.float64())
_WORDS = pa.map_(pa.string(), pa.string())
_NAMED_ARRAY = pa.struct(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("quantity", pa.string(), nullable=False),
        pa.field("width", pa.int32()),
        pa.field("values", _FLOATS, nullable=False),
    ]
)

_VIDEO = pa.struct(
    [
        pa.field("sha256", pa.string()),
        pa.field("source", pa.string()),
        pa.field("frames", pa.int32()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("times", pa.list_(pa.float64())),
        pa.field("fps", pa.float64()),
        pa.field("duration", pa.float64()),
        pa.field("start", pa.float64()),
        pa.field("end", pa.float64()),
    ]
)

_SOUND = pa.struct(
    [
        pa.field("sha256", pa.string()),
        pa.field("source", pa.string()),
        pa.field("rate", pa.int32()),
        pa.field("duration", pa.float64()),
    ]
)

SCHEMA = pa.schema(
    [
        pa.field("task", _TEXT, nullable=False),
        pa.field("split", _TEXT),
        pa.field("doc_id", pa.int64(), nullable=False),
        pa.field("request_idx", pa.int32(), nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("kind", _TEXT, nullable=False),
        pa.field("question", _TEXT, nullable=False),
        pa.field("response", _TEXT, nullable=False),
        pa.field("gold", _TEXTS, nullable=False),
        pa.field("image_sha256", _TEXTS, nullable=False),
        pa.field("videos", pa.list_(_VIDEO), nullable=False),
        pa.field("sounds", pa.list_(_SOUND), nullable=False),
        pa.field("prompt_sha256", _TEXT),
        pa.field("fingerprint", _WORDS, nullable=False),
        pa.field("candidates", _TEXTS, nullable=False),
        pa.field("candidate_token_ids", pa.list_(_INTS), nullable=False),
        pa.field("candidate_method", _TEXT),
        pa.field("candidate_score", _TEXT),
        pa.field("gold_candidate", pa.int32()),
        pa.field("pred_candidate", pa.int32()),
        pa.field("pivot_labels", _TEXTS, nullable=False),
        pa.field("cluster", _TEXT),
        pa.field("question_type", _TEXT),
        pa.field("dialogue", _TEXT),
        pa.field("turn", pa.int32()),
        pa.field("answers_shown", pa.int32()),
        pa.field("binary", _INTS),
        pa.field("status", _TEXT, nullable=False),
        pa.field("status_reason", _TEXT),
        pa.field("correct", pa.bool_()),
        pa.field("answer_rule", _TEXT),
        pa.field("answer_aligned", pa.bool_()),
        pa.field("answer_step", pa.int32()),
        pa.field("answer_token_id", pa.int32()),
        pa.field("n_generated", pa.int32()),
        pa.field("identity_deviation", pa.float64()),
        pa.field("identity_argmax", pa.bool_()),
        pa.field("layer_index", _INTS),
        pa.field("logprob_pred", _FLOATS),
        pa.field("rank_pred", _INTS),
        pa.field("logprob_gold", _FLOATS),
        pa.field("rank_gold", _INTS),
        pa.field("entropy", _FLOATS),
        pa.field("cand_entropy", _FLOATS),
        pa.field("cand_mass", _FLOATS),
        pa.field("kl_last", _FLOATS),
        pa.field("jsd_last", _FLOATS),
        pa.field("margin_pred", _FLOATS),
        pa.field("log_odds", _FLOATS),
        pa.field("energy", _FLOATS),
        pa.field("resid_norm", _FLOATS),
        pa.field("cand_scores", pa.list_(_FLOATS)),
        pa.field("pivot_scores", pa.list_(_FLOATS)),
        pa.field("topk_ids", pa.list_(_INTS)),
        pa.field("topk_logprobs", pa.list_(_FLOATS)),
        pa.field("topk_tokens", pa.list_(_TEXTS)),
        pa.field("output_tokens", _TEXTS, nullable=False),
        pa.field("controls", pa.list_(_NAMED_ARRAY), nullable=False),
        pa.field("control_source", pa.map_(pa.string(), pa.int64()), nullable=False),
        pa.field("control_status", _WORDS, nullable=False),
        pa.field("control_reason", _WORDS, nullable=False),
        pa.field("probes", pa.list_(_NAMED_ARRAY), nullable=False),
        pa.field("probe_status", _WORDS, nullable=False),
        pa.field("token_texts", _WORDS, nullable=False),
        pa.field("label_free", _SCALARS, nullable=False),
        pa.field("gold_based", _SCALARS, nullable=False),
        pa.field("scores", _SCALARS, nullable=False),
    ]
)


def check_version(metadata: dict[bytes, bytes] | None, path: object) -> str:
    """The format version in a file's metadata.

    Raises `NotARecordFileError` when there is none and `NewerFormatError` when its major number is above ours.
    """
    raw = (metadata or {}).get(META_FORMAT)
    if raw is None:
        raise NotARecordFileError(
            f"{path}: found a Parquet file without the metadata key {META_FORMAT.decode()!r}, expected a lens record "
            "file. Give the file or folder that a lens run wrote (lens_<task>_<run>.parquet)."
        )
    version = raw.decode("utf-8", "replace")
    try:
        major = int(version.split(".")[0])
    except ValueError:
        raise RecordFormatError(
            f"{path}: found format version {version!r}, expected a number like {VERSION}."
        ) from None
    if major > FORMAT_VERSION:
        raise NewerFormatError(
            f"{path}: found record format {version}, this package reads up to {FORMAT_VERSION}.x. "
            "Upgrade mm-logit-lens to read it."
        )
    return version


def leaf_paths(kind: str) -> list[str]:
    """Parquet paths of the leaf columns whose values are `kind`: "float" or "other"."""
    found: list[str] = []
    for item in SCHEMA:
        _walk(item.type, item.name, kind, found)
    return found


def _walk(dtype: pa.DataType, path: str, kind: str, found: list[str]) -> None:
    if pa.types.is_map(dtype):
        _walk(dtype.key_type, f"{path}.key_value.key", kind, found)
        _walk(dtype.item_type, f"{path}.key_value.value", kind, found)
    elif pa.types.is_list(dtype):
        _walk(dtype.value_type, f"{path}.list.element", kind, found)
    elif pa.types.is_struct(dtype):
        for item in dtype:
            _walk(item.type, f"{path}.{item.name}", kind, found)
    elif pa.types.is_floating(dtype) == (kind == "float"):
        found.append(path)

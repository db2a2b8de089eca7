"""The record format of lens runs: what is kept of a sample, a crash-safe writer, a reader with data frames."""

from lens_results.discovery import UnmergedRun, discard_parts, find_unmerged, make_store, store_files
from lens_results.dropping import drop_records
from lens_results.errors import (
    EmptyRunError,
    InvalidRecordError,
    LensResultsError,
    MissingRecordError,
    NewerFormatError,
    NotARecordFileError,
    RecordFormatError,
    RecordWriteError,
    SeveralRunsError,
    TruncatedRecordError,
)
from lens_results.fingerprint import Fingerprint
from lens_results.merging import merge
from lens_results.reader import Run, load, load_all
from lens_results.record import SampleRecord
from lens_results.run_info import HarnessInfo, IdentityInfo, LensInfo, ModelInfo, RunInfo, new_run_id
from lens_results.schema import FORMAT_VERSION
from lens_results.storage import check_writable
from lens_results.thumbnails import ThumbnailWriter, kept_frames, load_thumbnails, merge_thumbnails
from lens_results.writer import RecordWriter, check_layers

__all__ = [
    "FORMAT_VERSION",
    "EmptyRunError",
    "Fingerprint",
    "HarnessInfo",
    "IdentityInfo",
    "InvalidRecordError",
    "LensInfo",
    "LensResultsError",
    "MissingRecordError",
    "ModelInfo",
    "NewerFormatError",
    "NotARecordFileError",
    "RecordFormatError",
    "RecordWriteError",
    "RecordWriter",
    "Run",
    "RunInfo",
    "SampleRecord",
    "SeveralRunsError",
    "ThumbnailWriter",
    "TruncatedRecordError",
    "UnmergedRun",
    "check_layers",
    "check_writable",
    "discard_parts",
    "drop_records",
    "find_unmerged",
    "kept_frames",
    "load",
    "load_all",
    "load_thumbnails",
    "make_store",
    "merge",
    "merge_thumbnails",
    "new_run_id",
    "store_files",
]

"""Everything this package raises on purpose.

    LensResultsError
    ├── InvalidRecordError      a record or run description contradicts itself (also a ValueError)
    ├── RecordWriteError        the disk refused a write; what was written before is intact
    ├── MissingRecordError      no such file, folder, quantity or sample (also a LookupError)
    ├── SeveralRunsError        one run was asked for and several were found
    ├── EmptyRunError           a run without a single sample
    └── RecordFormatError       a file that is there and cannot be read
        ├── NotARecordFileError     a Parquet file of something else, or no Parquet at all
        ├── TruncatedRecordError    a record file that was cut short or damaged
        └── NewerFormatError        written by a later major version of the format

Every message says what was found, what was expected and what to do.
"""

from __future__ import annotations


class LensResultsError(Exception):
    """Base of all errors of this package."""


class InvalidRecordError(LensResultsError, ValueError):
    """A `SampleRecord` or `RunInfo` whose fields contradict each other or hold NaN or infinity."""


class RecordWriteError(LensResultsError):
    """A write failed; `__cause__` is the `OSError`. Records not yet on disk stay in the writer's memory."""


class MissingRecordError(LensResultsError, LookupError):
    """A file, folder, sample or quantity that is not there."""


class SeveralRunsError(LensResultsError):
    """Several runs were found where one was asked for."""


class EmptyRunError(LensResultsError):
    """A run without a single sample."""


class RecordFormatError(LensResultsError):
    """A file that exists and cannot be read as a record file."""


class NotARecordFileError(RecordFormatError):
    """A file that is not a record file."""


class TruncatedRecordError(RecordFormatError):
    """A record file that was cut short or damaged."""


class NewerFormatError(RecordFormatError):
    """A record file of a later major version than this package reads."""

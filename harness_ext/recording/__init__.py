"""What both adapters share: from a generated answer to a record, and from records to a harness's metrics."""

from .documents import Documents, ShownDocument
from .metrics_table import METRIC_NAMES, harness_metrics, higher_is_better
from .reader import BatchReader
from .recorder import LensRecorder
from .request import SampleRequest, image_digest, media_digest
from .store import CachedRequest, RecordStore

__all__ = [
    "METRIC_NAMES",
    "BatchReader",
    "CachedRequest",
    "Documents",
    "LensRecorder",
    "RecordStore",
    "SampleRequest",
    "ShownDocument",
    "harness_metrics",
    "higher_is_better",
    "image_digest",
    "media_digest",
]

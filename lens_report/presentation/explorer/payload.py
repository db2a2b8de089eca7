"""What of the records goes into the page: a light index that is there at once, details and pictures in chunks.

The index is JSON. Details are JSON, gzipped and in Base64, a few hundred samples a chunk; the page unpacks a chunk when
one of its samples is opened. Pictures are Base64 JPEG in chunks of JSON, read when shown. Nothing of it can end the
script element it stands in: Base64 has no `<`, and in JSON `<`, `>` and `&` are escaped.
"""

from __future__ import annotations

import base64
import gc
import gzip
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

from markupsafe import Markup

from lens_report.measures.task_run import TaskRun
from lens_report.presentation.document.safe import json_text, safe_json
from lens_report.presentation.explorer.details import Details
from lens_report.presentation.explorer.index import Index
from lens_results import LensResultsError, load_thumbnails

CHUNK = 200
LEVEL = 6
IMAGES_A_CHUNK = 50


@dataclass(frozen=True)
class ExplorerLimits:
    """How much may go into one page.

    Attributes:
        samples: Samples of all tasks and runs together; each task of a run gets an equal part.
        image_bytes: Bytes of thumbnails before Base64; those of wrong answers go first.
        map_bytes: Bytes of maps over pictures before Base64; likewise, an equal part for each task of a run.
    """

    samples: int = 20_000
    image_bytes: int = 24_000_000
    map_bytes: int = 24_000_000


@dataclass(frozen=True)
class ExplorerData:
    """Contents of the page's data elements, safe to stand inside a script element.

    Attributes:
        index: JSON of all samples.
        details: Base64 of gzipped JSON, one a chunk.
        images: JSON, one a chunk: number of the image -> Base64 of a JPEG.
        notes: What was left out and why, for the reader.
    """

    index: Markup
    details: tuple[str, ...]
    images: tuple[Markup, ...]
    notes: tuple[str, ...]


def explorer_data(task_runs: Sequence[TaskRun], limits: ExplorerLimits) -> ExplorerData:
    """Pack the samples of all tasks and runs."""
    share = limits.samples // max(1, len(task_runs))
    index, notes = Index(), []
    places: list[tuple[Details, int]] = []
    for number, task_run in enumerate(task_runs):
        kept = min(len(task_run.frame), share)
        if kept < len(task_run.frame):
            notes.append(
                f"{task_run.task}, {task_run.label}: the first {kept} of {len(task_run.frame)} samples are shown; "
                "figures and numbers use all."
            )
        index.add(task_run, kept)
        details = Details(task_run, number)
        without = details.keep_maps(limits.map_bytes // len(task_runs), kept)
        if without:
            notes.append(f"{task_run.task}, {task_run.label}: the maps of {without} samples are left out.")
        places.append((details, kept))
    images, image_notes = _images(task_runs, index, limits.image_bytes)
    head = index.content() | {"chunk": CHUNK, "images_a_chunk": IMAGES_A_CHUNK, "notes": [*notes, *image_notes]}
    return ExplorerData(safe_json(head), _packed(places), tuple(images), (*notes, *image_notes))


def _packed(places: Sequence[tuple[Details, int]]) -> tuple[str, ...]:
    """The details of all samples, a chunk each; zlib works beside the thread that makes the JSON."""
    entries = chain.from_iterable(
        details.block(start, min(start + CHUNK, kept)) for details, kept in places for start in range(0, kept, CHUNK)
    )
    with _no_collections(), ThreadPoolExecutor(max_workers=1) as pool:
        return tuple(pool.map(packed, iter(lambda: json_text(list(islice(entries, CHUNK))), "[]")))


@contextmanager
def _no_collections() -> Iterator[None]:
    """Millions of short-lived lists without a cycle: looking for cycles in them takes as long as making them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def packed(text: str) -> str:
    """Base64 of a gzipped text; the same text makes the same result."""
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=LEVEL, mtime=0)).decode("ascii")


def _images(task_runs: Sequence[TaskRun], index: Index, budget: int) -> tuple[list[Markup], list[str]]:
    """Chunks of pictures by the numbers the index gave them, and notes on those that are missing."""
    pictures, notes = _pictures(task_runs)
    kept: dict[int, str] = {}
    used = left_out = 0
    for digest in index.images_by_need():
        data = pictures.get(digest)
        if data is None:
            continue
        if used + len(data) > budget:
            left_out += 1
            continue
        used += len(data)
        kept[index.image_numbers[digest]] = base64.b64encode(data).decode("ascii")
    if left_out:
        notes.append(f"{left_out} of {left_out + len(kept)} images are left out to keep this file small.")
    if index.image_numbers and not pictures:
        notes.append("No thumbnails were recorded with these runs, so no images are shown.")
    chunks: dict[int, dict[str, str]] = {}
    for number, text in kept.items():
        chunks.setdefault(number // IMAGES_A_CHUNK, {})[str(number)] = text
    return [safe_json(chunks.get(place, {})) for place in range(max(chunks, default=-1) + 1)], notes


def _pictures(task_runs: Sequence[TaskRun]) -> tuple[dict[str, bytes], list[str]]:
    pictures: dict[str, bytes] = {}
    notes = []
    for run in {id(task_run.run): task_run.run for task_run in task_runs}.values():
        try:
            pictures |= load_thumbnails(run)
        except LensResultsError as error:
            notes.append(f"Images are missing: {error}")
    return pictures, notes

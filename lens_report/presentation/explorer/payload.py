"""What of the records goes into the page: a head that is there at once, and parts unpacked when needed.

A part is JSON, gzipped and in Base64: the columns of the list, one metric, or the texts, details or pictures of some
samples. Parts stand in the page, or beside it in a file each where there are many samples. Nothing of it can end the
script element it stands in: Base64 has no `<`, and in the head, which is JSON, `<`, `>` and `&` are escaped.
"""

from __future__ import annotations

import base64
import gc
import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lens_report.measures.task_run import TaskRun
from lens_report.presentation.document.safe import json_text, safe_json
from lens_report.presentation.explorer.details import Details
from lens_report.presentation.explorer.index import Index
from lens_report.presentation.language.catalogue import ENGLISH, Catalogue
from lens_results import LensResultsError, load_thumbnails

CHUNK = 200
TEXT_ROWS = 500
LEVEL = 4
"""Of zlib: 6 takes three times as long for 6 % less."""
FOLDER = "samples"
"""Where the parts are that stand beside the page."""
IMAGES_A_CHUNK = 50


@dataclass(frozen=True)
class ExplorerLimits:
    """How much goes into the explorer.

    Attributes:
        samples: Samples of all tasks and runs together; each task of a run gets an equal part.
        in_one_file: With more samples than that the explorer's data stand in files beside the page.
        image_bytes: Bytes of thumbnails in one file, before Base64; those of wrong answers go first.
        map_bytes: Bytes of maps over pictures in one file; likewise, an equal part for each task of a run.
    """

    samples: int = 1_000_000
    in_one_file: int = 20_000
    image_bytes: int = 24_000_000
    map_bytes: int = 24_000_000


@dataclass(frozen=True)
class ExplorerData:
    """Contents of the page's data elements, safe to stand inside a script element.

    Attributes:
        head: JSON of what the page knows at once.
        parts: Name -> Base64 of gzipped JSON: `columns`, `metric-N`, `texts-N`, `details-N`, `images-N`.
        beside: The parts stand in files beside the page.
        notes: What was left out and why, for the reader.
    """

    head: Markup
    parts: Mapping[str, str]
    beside: bool
    notes: tuple[str, ...]

    def write(self, page: Path) -> None:
        """Write the parts that stand beside a page; those of an earlier page go.

        A page that opens from disk may read no file but may run scripts: each part is one that hands over its text.
        """
        folder = page.parent / FOLDER
        for old in folder.glob("*.js"):
            old.unlink()
        if self.beside:
            folder.mkdir(exist_ok=True)
            for name, text in self.parts.items():
                (folder / f"{name}.js").write_text(f'mmlens("{name}","{text}")\n', encoding="ascii")


def explorer_data(task_runs: Sequence[TaskRun], limits: ExplorerLimits, texts: Catalogue = ENGLISH) -> ExplorerData:
    """Pack the samples of all tasks and runs; why something of them is missing is said in the language of `texts`."""
    beside = min(limits.samples, sum(len(one.frame) for one in task_runs)) > limits.in_one_file
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
        details = Details(task_run, number, texts)
        without = 0 if beside else details.keep_maps(limits.map_bytes // len(task_runs), kept)
        if without:
            notes.append(f"{task_run.task}, {task_run.label}: the maps of {without} samples are left out.")
        places.append((details, kept))
    images, image_notes = _images(task_runs, index, None if beside else limits.image_bytes)
    head = index.head() | {"chunk": CHUNK, "text_rows": TEXT_ROWS, "images_a_chunk": IMAGES_A_CHUNK}
    head |= {"image_parts": [name for name, _ in images]} | ({"folder": FOLDER} if beside else {})
    parts = _packed(chain(_texts(index.parts(TEXT_ROWS)), _details(places), _texts(images)))
    return ExplorerData(safe_json(head), parts, beside, (*notes, *image_notes))


def _texts(parts: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    return ((name, json_text(value)) for name, value in parts)


def _details(places: Sequence[tuple[Details, int]]) -> Iterator[tuple[str, str]]:
    """The details of all samples, some a part."""
    entries = chain.from_iterable(
        details.block(start, min(start + CHUNK, kept)) for details, kept in places for start in range(0, kept, CHUNK)
    )
    for number, chunk in enumerate(iter(lambda: list(islice(entries, CHUNK)), [])):
        yield f"details-{number}", f"[{','.join(chunk)}]"


def _packed(parts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Parts by name; zlib works beside the thread that makes the JSON."""
    with _no_collections(), ThreadPoolExecutor(max_workers=1) as pool:
        found = [(name, pool.submit(packed, text)) for name, text in parts]
        return {name: done.result() for name, done in found}


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


def _images(
    task_runs: Sequence[TaskRun], index: Index, budget: int | None
) -> tuple[list[tuple[str, dict[str, str]]], list[str]]:
    """Parts of pictures by the numbers the index gave them, and notes on those that are missing.

    A part: number of a picture -> Base64 of a JPEG. `budget`: bytes of all of them; None for no limit.
    """
    pictures, notes = _pictures(task_runs)
    kept: dict[int, str] = {}
    used = left_out = 0
    for digest in index.images_by_need():
        data = pictures.get(digest)
        if data is None:
            continue
        if budget is not None and used + len(data) > budget:
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
    return [(f"images-{place}", chunk) for place, chunk in sorted(chunks.items())], notes


def _pictures(task_runs: Sequence[TaskRun]) -> tuple[dict[str, bytes], list[str]]:
    pictures: dict[str, bytes] = {}
    notes = []
    for run in {id(task_run.run): task_run.run for task_run in task_runs}.values():
        try:
            pictures |= load_thumbnails(run)
        except LensResultsError as error:
            notes.append(f"Images are missing: {error}")
    return pictures, notes

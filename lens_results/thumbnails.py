"""Small pictures of a run's images and videos beside its records, one a digest, for reports made without the data set.

A video's is one picture with its frames side by side, from left to right.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lens_results.errors import InvalidRecordError, LensResultsError, TruncatedRecordError
from lens_results.part_writer import PartWriter
from lens_results.reader import Run
from lens_results.storage import PARTS_FOLDER, list_parts, part_path, parts_folder, refused, replacing

MAX_SIDE = 128
"""Longest side of an image's thumbnail in pixels."""
QUALITY = 80
FRAME_SIDE, MAX_FRAMES = 96, 32
"""Longest side of a video's frame in its picture, and the most frames that it has."""

Frames = NDArray[np.uint8]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_STAMP = (1980, 1, 1, 0, 0, 0)  # the same pictures make the same file

log = logging.getLogger(__name__)


class ThumbnailWriter(PartWriter):
    """Keeps a JPEG of at most `MAX_SIDE` pixels a side of every image of one process of a run.

    Pictures go to part files in `<directory>/.lens_parts/<run_id>/`, `part_images` at a time or on the first `add` at
    least `part_seconds` after the last write; `merge_thumbnails` makes one file of them. All processes of a run share
    `run_id` and differ in `rank`. A second writer with the same run and rank continues. Not thread-safe.

    `add`, `flush` and `close` raise `RecordWriteError` when the disk refuses; waiting pictures are kept.
    """

    def __init__(
        self,
        directory: str | Path,
        run_id: str,
        rank: int = 0,
        *,
        part_images: int = 256,
        part_seconds: float = 20.0,
    ) -> None:
        super().__init__(directory, rank, part_seconds)
        self.run_id, self.part_images = run_id, part_images
        self._waiting: dict[str, bytes] = {}
        parts = list_parts(parts_folder(self.directory, run_id), "zip")
        self._known = _names([thumbnails_path(self.directory, run_id), *(part.path for part in parts)])
        self._next_number = max((part.number for part in parts if part.rank == rank), default=0) + 1

    @property
    def waiting(self) -> int:
        """Number of pictures not yet on disk."""
        return len(self._waiting)

    def add(self, sha256: str, image: Image.Image | bytes) -> bool:
        """Keep a thumbnail of an image (PIL or encoded) under its digest in the records; whether there is one now.

        A digest that is known costs nothing. An image that cannot be decoded is logged and left out: a picture is no
        reason to stop a run. Raises `InvalidRecordError` when the digest is no SHA-256 in lower-case hex.
        """
        return self._keep(sha256, "image", lambda: encode(image))

    def add_frames(self, sha256: str, frames: Frames) -> bool:
        """Keep the frames of a video, uint8 [frames, height, width, 3], in one picture under its digest, as `add` does.

        Of a video of more than `MAX_FRAMES` the frames that `kept_frames` names.
        """
        return self._keep(sha256, "video", lambda: encode_frames(frames))

    def _keep(self, sha256: str, what: str, encoded: Callable[[], bytes]) -> bool:
        self._check_open("add")
        if not _DIGEST.fullmatch(sha256):
            raise InvalidRecordError(f"sha256: found {sha256!r}, expected 64 lower-case hex digits.")
        if sha256 in self._known:
            return True
        try:
            self._waiting[sha256] = encoded()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as err:
            log.warning("No thumbnail of %s %s: %s", what, sha256[:12], err)
            return False
        self._known.add(sha256)
        self._flush_when_due(self.part_images)
        return True

    def _write_waiting(self) -> None:
        if self._waiting:
            _write(
                part_path(self.directory, self.run_id, "thumbnails", self.rank, self._next_number, "zip"), self._waiting
            )
            self._waiting = {}
            self._next_number += 1


def encode(image: Image.Image | bytes) -> bytes:
    """A JPEG of at most `MAX_SIDE` pixels a side; transparent pixels are shown on white.

    Raises `OSError` or `ValueError` for bytes that are no image.
    """
    if isinstance(image, bytes):
        try:
            image = Image.open(io.BytesIO(image))
            image.draft("RGB", (2 * MAX_SIDE, 2 * MAX_SIDE))
        except UnidentifiedImageError as err:
            raise ValueError("the bytes are no image that Pillow knows") from err
    small = image.copy()
    if small.mode not in ("RGB", "L"):
        layered = small.convert("RGBA")
        small = Image.new("RGB", layered.size, "white")
        small.paste(layered, mask=layered.getchannel("A"))
    small.thumbnail((MAX_SIDE, MAX_SIDE))
    return _jpeg(small)


def encode_frames(frames: Frames) -> bytes:
    """A JPEG of the frames side by side, each of at most `FRAME_SIDE` pixels a side and all of one size."""
    kept = kept_frames(len(frames))
    if not kept:
        raise ValueError("the video has no frames")
    small = [Image.fromarray(frames[number]) for number in kept]
    for frame in small:
        frame.thumbnail((FRAME_SIDE, FRAME_SIDE))
    width, height = small[0].size
    row = Image.new("RGB", (width * len(small), height))
    for place, frame in enumerate(small):
        row.paste(frame, (place * width, 0))
    return _jpeg(row)


def kept_frames(count: int) -> list[int]:
    """Numbers of the frames in the picture of a video of so many frames: all, or `MAX_FRAMES` evenly spaced ones."""
    if count <= MAX_FRAMES:
        return list(range(count))
    return [round(place * (count - 1) / (MAX_FRAMES - 1)) for place in range(MAX_FRAMES)]


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def thumbnails_path(directory: str | Path, run_id: str) -> Path:
    """Path of a run's finished thumbnail file; the record reader and MERA's packer pass it over."""
    return Path(directory) / f"lens_thumbnails_{run_id}.zip"


def merge_thumbnails(directory: str | Path, run_id: str) -> Path | None:
    """Collect the parts of all ranks into `<directory>/lens_thumbnails_<run_id>.zip` and delete them.

    Call it in one process when all ranks have closed their writers; a later call adds later parts. A part that cannot
    be read is logged and left where it is. Returns the file, or None for a run without pictures. Raises
    `RecordWriteError`, and then nothing is lost.
    """
    base = Path(directory)
    path, folder = thumbnails_path(base, run_id), parts_folder(base, run_id)
    parts = [part.path for part in list_parts(folder, "zip")]
    pictures: dict[str, bytes] = {}
    read = []
    for file in [path, *parts] if path.exists() else parts:
        try:
            pictures |= {name: data for name, data in _read(file).items() if name not in pictures}
        except LensResultsError as err:
            log.warning("%s", err)
        else:
            read.append(file)
    if parts and pictures:
        _write(path, pictures)
    for file in read:
        if file != path:
            with contextlib.suppress(OSError):
                file.unlink()
    for emptied in (folder, folder.parent):
        with contextlib.suppress(OSError):
            emptied.rmdir()
    return path if path.exists() else None


def load_thumbnails(run: Run) -> dict[str, bytes]:
    """Image digest -> JPEG of all pictures kept for a run, finished or not; empty where none were kept.

    Raises `TruncatedRecordError` for a file that was cut short or damaged.
    """
    pictures: dict[str, bytes] = {}
    for folder in dict.fromkeys(file.resolve().parent for file in run.files):
        base = folder.parent.parent if folder.parent.name == PARTS_FOLDER else folder
        parts = list_parts(parts_folder(base, run.info.run_id), "zip")
        for file in (thumbnails_path(base, run.info.run_id), *(part.path for part in parts)):
            if file.exists():
                pictures |= _read(file)
    return pictures


def _names(files: Iterable[Path]) -> set[str]:
    """Digests in the files that can be read."""
    names: set[str] = set()
    for file in files:
        with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(file) as archive:
            names.update(Path(name).stem for name in archive.namelist())
    return names


def _read(file: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(file) as archive:
            return {Path(name).stem: archive.read(name) for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile, EOFError) as err:
        raise TruncatedRecordError(
            f"{file}: found no whole zip file ({err}), expected the thumbnails of a run. It was cut short or damaged. "
            "Copy it again from where it was made, or remove it to go without its pictures."
        ) from err


def _write(path: Path, pictures: Mapping[str, bytes]) -> None:
    """A zip of `<digest>.jpg` that appears complete or not at all. Raises `RecordWriteError`."""
    try:
        with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
            for name, data in sorted(pictures.items()):
                archive.writestr(zipfile.ZipInfo(f"{name}.jpg", _STAMP), data)
    except OSError as err:
        raise refused(path.parent, err) from err

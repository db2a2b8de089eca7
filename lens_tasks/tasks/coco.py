"""Boxes of COCO objects for POPE: the annotation file that a user has, in a form that is read quickly."""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lens_tasks.folders import MissingDataError, data_folder

__all__ = ["boxes_for", "prepare", "prepared_file"]

HOME = "https://cocodataset.org/#download"
_IMAGE = re.compile(r"(?:COCO_\w+_)?0*(\d+)(?:\.\w+)?")
_Boxes = Mapping[str, Mapping[str, list[list[float]]]]


def prepare(annotations: str | Path, out_dir: str | Path | None = None) -> Path:
    """Write the boxes of an `instances_*.json` of COCO to where POPE's documents find them.

    Args:
        annotations: `instances_val2014.json` for the images of POPE.
        out_dir: folder of prepared data; by default `lens_tasks.folders.data_folder`.

    Returns:
        The file written.

    Raises:
        MissingDataError: no such file.
        ValueError: the file holds no COCO annotations.
    """
    source = Path(annotations).expanduser()
    if not source.is_file():
        raise MissingDataError(f"{source} does not exist; download instances_val2014.json from {HOME}")
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
        names = {each["id"]: str(each["name"]) for each in content["categories"]}
        found: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
        for each in content["annotations"]:
            x, y, width, height = map(float, each["bbox"])
            found[str(each["image_id"])][names[each["category_id"]]].append([x, y, x + width, y + height])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{source} holds no COCO annotations ({type(error).__name__}: {error})") from error
    target = prepared_file(out_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".json.part")
    unfinished.write_text(json.dumps(found), encoding="utf-8")
    unfinished.replace(target)
    return target


def prepared_file(out_dir: str | Path | None = None) -> Path:
    """Where `prepare` writes."""
    return (data_folder() if out_dir is None else Path(out_dir).expanduser().resolve()) / "coco" / "boxes.json"


def boxes_for(image: object, asked: str) -> list[dict[str, Any]] | None:
    """The objects of an image, those of the category that is asked for as `asked`; None where nothing is prepared.

    Args:
        image: a name such as `COCO_val2014_000000310196`, or its number.
        asked: a category of COCO; an object of another name has no boxes, and none of its own is asked about.
    """
    number = _IMAGE.fullmatch(str(image).strip())
    file = prepared_file()
    if number is None or not file.is_file():
        return None
    objects = _read(file, file.stat().st_mtime_ns).get(number[1])
    if objects is None:
        return None
    wanted = asked.strip().lower()
    return [
        {"label": name, "box": box, "role": "asked" if name.lower() == wanted else "other"}
        for name, boxes in objects.items()
        for box in boxes
        if box[2] > box[0] and box[3] > box[1]  # COCO has a few lines and points
    ]


@functools.lru_cache(maxsize=2)
def _read(file: Path, changed: int) -> _Boxes:
    """`changed` is a part of the key, so that a file that was written anew is read anew."""
    found: _Boxes = json.loads(file.read_text(encoding="utf-8"))
    return found

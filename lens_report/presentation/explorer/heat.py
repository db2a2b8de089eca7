"""What a sample's page shows of pictures and videos: maps over image tokens, boxes, tracks, lifts, packed as bytes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.picture import ATTENTION, NEAR, RELATIVE, SINKLESS, WORDS
from lens_report.measures.picture.layers import RECORDED
from lens_report.measures.picture.section import STATUS
from lens_report.measures.picture.stored_maps import StoredMaps
from lens_report.measures.task_run import OUTPUT, TaskRun
from lens_report.presentation.explorer.index import rounded

PLACES = 10_000
"""Steps of a picture's width and height in which places are packed."""
STEPS = 255
LARGEST, MIDDLE = "all layers (largest)", "middle layers (mean)"
OF_ATTENTION = (ATTENTION, SINKLESS, RELATIVE)
Arrays = list[NDArray[np.float32] | None]


class Heat:
    """Pictures of the samples of one task.

    A sample's entry: `tokens` int16 [tokens, 4] left, top, right, bottom in parts of `PLACES` and `image` uint8
    [tokens], the number of each one's picture or video; `maps` [{`name`, `kind` whose lifts are of it, `layers`,
    `values` uint8 [layers, tokens], `whole` uint8 [tokens], the one map for all layers, made as `of` says, and whether
    the figures of records are of it (`scored`), `top`}], where 255 stands for `top`; `boxes` [[left, top, right,
    bottom, picture, asked]]; of a video also `frames` int16 [tokens, 2], the first and the last frame that a token
    stands for, and `tracks` [[left, top, right, bottom, frame, asked, percent of it seen]]; `lifts` kind of map ->
    `layers`, `lift`, `null`; `status` probe -> why there is nothing. Bytes are Base64,
    numbers in them little-endian. `left_out` says that the maps are not in the page.
    """

    def __init__(self, task_run: TaskRun) -> None:
        get = task_run.probe
        self._tokens, self._image = get("tokens", "boxes"), get("tokens", "image")
        self._in_time = [get("video_tokens", name) for name in ("boxes", "video", "frames")]
        self._tracks = [get("tracks", name) for name in ("box", "frame", "asked", "seen")]
        self._boxes = [get("boxes", name) for name in ("box", "image", "asked")]
        self._maps = StoredMaps(task_run)
        self._lifts = {
            kind: [get("boxes", f"{probe} {part}") for part in ("layers", "lift", "null lift")]
            for kind, probe in RECORDED.items()
        }
        frame = task_run.frame
        columns = [self._tokens, *self._in_time, *self._tracks, *self._boxes, *chain(*self._lifts.values())]
        self._nothing = all(values is None for column in columns for values in column)
        self._right = (frame["verdict"] == 1).to_numpy(dtype=bool)
        self._left_out: set[int] = set()
        self._status = {
            str(name).removeprefix(STATUS): frame[name].to_numpy(dtype=object)
            for name in frame
            if str(name).startswith(STATUS) and not str(name).startswith(STATUS + OUTPUT)
        }

    def keep(self, budget: int, shown: int) -> int:
        """Leave out maps beyond so many bytes, those of answers not known to be right kept first.

        Args:
            budget: Bytes of the maps of all samples together.
            shown: Samples in the page.

        Returns:
            Samples whose maps are left out.
        """
        order = np.argsort(self._right[:shown], kind="stable")
        sizes = np.array([self._maps.size(int(row)) for row in order], dtype=np.int64)
        self._left_out = {int(row) for row in order[(np.cumsum(sizes) > budget) & (sizes > 0)]}
        return len(self._left_out)

    def entry(self, row: int) -> dict[str, Any] | None:
        """The entry of a sample; None where no probe of the picture has anything to show or to say."""
        if self._nothing and not self._status:
            return None
        found: dict[str, Any] = {}
        status = {name: values[row] for name, values in self._status.items() if isinstance(values[row], str)}
        told = {name: text for name, text in status.items() if text != "ok"}
        if told:
            found["status"] = told
        tokens, image, frames = self._tokens[row], self._image[row], None
        if tokens is None:
            tokens, image, frames = (each[row] for each in self._in_time)
        if tokens is not None and image is not None:
            places = np.clip(np.rint(tokens.astype(np.float64) * PLACES), -32768, 32767)
            found |= {"tokens": packed(places, "<i2"), "image": packed(image, "u1")}
            found |= {"frames": packed(frames, "<i2")} if frames is not None else {}
            found["maps"] = [] if row in self._left_out else list(self._shown(row, len(tokens)))
            found |= {"left_out": True} if row in self._left_out else {}
        box, picture, asked = (each[row] for each in self._boxes)
        if box is not None and picture is not None and asked is not None:
            whole = np.column_stack([np.rint(box * PLACES), picture, asked]).astype(np.int64)
            found["boxes"] = whole.tolist()
        track, frame, meant, seen = (each[row] for each in self._tracks)
        if track is not None and frame is not None and meant is not None and seen is not None:
            whole = np.column_stack([np.rint(track * PLACES), frame, meant, np.rint(100 * seen)]).astype(np.int64)
            found["tracks"] = whole.tolist()
        lifts = {kind: self._lift(arrays, row) for kind, arrays in self._lifts.items()}
        known = {kind: one for kind, one in lifts.items() if one is not None}
        return found | ({"lifts": known} if known else {}) or None

    def _shown(self, row: int, n_tokens: int) -> Iterator[dict[str, Any]]:
        """The maps of attention, the words asked about together and one by one, then the answers."""
        asked = self._maps.asked(row)
        together = self._maps.together(row) if len(asked) > 1 else None
        listed = [
            (ATTENTION, ATTENTION, self._maps.attention(row)),
            (SINKLESS, SINKLESS, self._maps.sinkless_attention(row)),
            (RELATIVE, RELATIVE, self._maps.relative_attention(row)),
            (WORDS, "all words asked about", together),
        ]
        listed += [("" if together else WORDS, f"word asked about: {one.word}", one) for one in asked]
        listed.append((NEAR, "nearness of the words asked about", self._maps.together(row, near=True)))
        listed += [("", f"answer: {one.word}", one) for one in self._maps.answers(row)]
        for kind, name, one in listed:
            if one is not None and one.values.shape[1] == n_tokens:
                middle = self._maps.middle_attention(row, one) if kind in OF_ATTENTION else None
                top = float(one.largest.max(initial=0.0))
                yield {
                    "name": name, "kind": kind, "layers": one.layers.tolist(), "top": float(f"{top:.4g}"),
                    "values": packed(_steps(one.values, top), "u1"),
                    "whole": packed(_steps(one.largest if middle is None else middle, top), "u1"),
                    "of": LARGEST if middle is None else MIDDLE, "scored": kind in (WORDS, NEAR) or middle is not None,
                }  # fmt: skip

    @staticmethod
    def _lift(arrays: list[Arrays], row: int) -> dict[str, Any] | None:
        layers, lift, null = (each[row] for each in arrays)
        if layers is None or lift is None:
            return None
        found = {"layers": layers.astype(int).tolist(), "lift": rounded(lift.astype(np.float64), 3)}
        return found | ({"null": rounded(null.astype(np.float64), 3)} if null is not None else {})


def _steps(values: NDArray[np.float64], top: float) -> NDArray[np.float64]:
    """Values in steps of 1 / 255 of the largest one: those in which records keep them, so nothing is lost."""
    scale = STEPS / top if top > 0 else 0.0
    return np.clip(np.rint(values * scale), 0, STEPS)


def packed(values: NDArray[Any], kind: str) -> str:
    """Numbers of a type of numpy as Base64."""
    return base64.b64encode(values.astype(kind).tobytes()).decode("ascii")

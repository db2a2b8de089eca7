"""The light part of the explorer: one entry a sample for list, filters and sorting, column by column, and its texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lens_report.measures.columns import numbers
from lens_report.measures.main_score import VERDICT
from lens_report.measures.overview import differs
from lens_report.measures.task_run import TaskRun
from lens_report.presentation.document.plain import plain
from lens_results import kept_frames

SCALARS = ("label_free.", "gold_based.", "score.")
LONGEST = 4_000
"""Characters of a question or an answer in the page; the rest is cut with a mark."""
TEXTS = ("question", "answer", "gold", "images", "videos")
"""Columns that only the samples in sight need, and a search."""


class Index:
    """Collects samples of several tasks and runs; rows of all of them share the columns."""

    def __init__(self) -> None:
        self._task_runs: list[dict[str, Any]] = []
        self._columns: dict[str, list[Any]] = {}
        self._metrics: dict[str, list[float | None]] = {}
        self._n = 0
        self.image_numbers: dict[str, int] = {}
        """Digest of an image -> its number in the page."""
        self._needed: dict[str, int] = {}
        self._documents: dict[tuple[Any, ...], int] = {}

    def add(self, task_run: TaskRun, kept: int) -> None:
        """Add the first `kept` samples of one task of a run."""
        frame = task_run.frame.head(kept)
        columns = _columns(task_run, frame) | {"task_run": [len(self._task_runs)] * kept}
        keys = zip(frame["doc_id"], frame["request_idx"], frame["repeat"], strict=True)
        columns["document"] = [self._documents.setdefault((task_run.task, *key), len(self._documents)) for key in keys]
        wrong = [verdict != "right" for verdict in columns["verdict"]]
        columns["images"] = [self._numbered(*each) for each in zip(frame["image_sha256"], wrong, strict=True)]
        columns["videos"] = [self._videos(*each) for each in zip(frame["videos"], wrong, strict=True)]
        for name, values in columns.items():
            self._columns.setdefault(name, []).extend(values)
        metrics = {str(name): rounded(numbers(frame[name])) for name in frame if str(name).startswith(SCALARS)}
        for name in {**self._metrics, **metrics}:
            known = self._metrics.setdefault(name, [None] * self._n)
            known.extend(metrics.get(name, [None] * kept))
        self._task_runs.append(
            {
                "task": task_run.task,
                "run": task_run.label,
                "layers": [int(layer) for layer in task_run.layers],
                "n_layers": task_run.run.info.model.n_layers,
            }
        )
        self._n += kept

    def head(self) -> dict[str, Any]:
        """What the page knows at once, as JSON values: the number of samples, their tasks and runs, the metrics."""
        return {"n": self._n, "task_runs": self._task_runs, "metrics": self._names()}

    def parts(self, rows_of_texts: int) -> Iterator[tuple[str, Any]]:
        """Name and JSON value of each part that is read when it is needed.

        `columns`, which filters and the order of the list need: column -> [samples], where `document` numbers the
        documents, which several runs may share; `metric-N`, [samples] of the N-th metric; `texts-N`, column of `TEXTS`
        -> [samples of the N-th so many].
        """
        yield "columns", {name: values for name, values in self._columns.items() if name not in TEXTS}
        for place, name in enumerate(self._names()):
            yield f"metric-{place}", self._metrics[name]
        for place, start in enumerate(range(0, self._n, rows_of_texts)):
            part = slice(start, start + rows_of_texts)
            yield f"texts-{place}", {name: self._columns[name][part] for name in TEXTS}

    def _names(self) -> list[str]:
        return [name for prefix in SCALARS for name in self._metrics if name.startswith(prefix)]

    def images_by_need(self) -> list[str]:
        """Digests, those of wrong answers first."""
        return sorted(self.image_numbers, key=lambda digest: (-self._needed[digest], self.image_numbers[digest]))

    def _videos(self, videos: Sequence[Mapping[str, Any]], wrong: bool) -> list[dict[str, Any]]:
        """Of each video `image`, the number of the picture of its frames, `frames` in that picture as they were shown,
        from 0, and their `times` in seconds, None where these are not known."""
        found = []
        known = [video for video in videos if video["frames"]]
        for video, image in zip(known, self._numbered([each["sha256"] for each in known], wrong), strict=True):
            frames, times = kept_frames(video["frames"]), video["times"]
            seconds = None if times is None else [round(float(times[number]), 2) for number in frames]
            found.append({"image": image, "frames": frames, "times": seconds})
        return found

    def _numbered(self, digests: Sequence[str], wrong: bool) -> list[int]:
        for digest in digests:
            self.image_numbers.setdefault(digest, len(self.image_numbers))
            self._needed[digest] = max(self._needed.get(digest, 0), int(wrong))
        return [self.image_numbers[digest] for digest in digests]


def rounded(values: np.ndarray, digits: int = 4) -> list[float | None]:
    """Numbers for the page: rounded, None where missing, integers without a point."""
    found = np.round(values, digits)
    return [None if value != value else int(value) if value == int(value) else value for value in found.tolist()]


def cut(text: str) -> str:
    """A text of bearable length."""
    return text if len(text) <= LONGEST else text[:LONGEST] + " […]"


def _columns(task_run: TaskRun, frame: pd.DataFrame) -> dict[str, list[Any]]:
    kept = len(frame)
    wrong_format = task_run.format_error[:kept]
    verdict = frame["verdict"].to_numpy(dtype=np.float64)
    words = np.where(verdict == 1, "right", np.where(verdict == 0, "wrong", "unscored"))
    words = np.where(wrong_format, "format error", words)
    words = np.where((frame["status"] == "ok") | wrong_format, words, "not read")
    return {
        "doc": [int(value) for value in frame["doc_id"]],
        "question": [cut(text) for text in frame["question"]],
        "answer": [cut(text) for text in frame["response"]],
        "gold": [" / ".join(gold) for gold in frame["gold"]],
        "verdict": words.tolist(),
        "score": rounded(_scores(task_run)[:kept]),
        "differs": differs(task_run)[:kept].astype(int).tolist(),
        "type": plain([None if value is None or value != value else value for value in frame["question_type"]]),
        "lost": _flag(frame, "gold_based.correct_then_lost"),
        "corrected": _flag(frame, "gold_based.wrong_then_corrected"),
    }


def _scores(task_run: TaskRun) -> np.ndarray:
    """What the task says of each sample; NaN everywhere where it has no score but the lens's verdict."""
    judged = task_run.score.judged
    return np.full(judged.shape, np.nan) if task_run.score.column == VERDICT else judged


def _flag(frame: pd.DataFrame, column: str) -> list[int]:
    return (frame[column] == 1).astype(int).tolist() if column in frame else [0] * len(frame)

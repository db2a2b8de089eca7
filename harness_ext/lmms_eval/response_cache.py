"""lmms-eval's `--use_cache` with a lens: a cached answer brings its record back, or is read again."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from lmms_eval.api.instance import unwrap_generation_output
from loguru import logger

from harness_ext.recording import RecordStore

from .requests import normalise
from .run import LensRun

__all__ = ["RecordingCache"]

_BATCHES_AT_A_TIME = 16


class RecordingCache:
    """Stands in front of the harness's response cache; keeps records in `<cache>/lens` beside its answers.

    Requests go to the harness's cache some batches at a time. It stores answers only when a call ends, so this is what
    lets a killed run continue where it was.
    """

    def __init__(self, cache: Any, run: LensRun) -> None:
        self._cache = cache
        self._run = run
        root = getattr(cache, "_cache_root", None)
        self._store = None if root is None else RecordStore(Path(root) / "lens", run.recorder)
        if root is not None:
            _adopt_unfinished_runs(cache, Path(root))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def execute(self, lm: Any, request_type: str, instances: list[Any]) -> list[Any]:
        """Answers as the harness's cache gives them, and a record for each."""
        if request_type == "loglikelihood":
            return list(lm.loglikelihood(instances))  # the harness's cache would give the pairs back as strings
        answers: list[Any] = []
        step = _BATCHES_AT_A_TIME * int(lm.batch_size)
        for start in range(0, len(instances), step):
            answers += self._execute_some(lm, request_type, instances[start : start + step])
        return answers

    def _execute_some(self, lm: Any, request_type: str, instances: list[Any]) -> list[Any]:
        answers: list[Any] = self._cache.execute(lm, request_type, instances)
        unread = self._without_record(instances, answers)
        if unread:
            logger.info(f"Lens: {len(unread)} cached answers have no record; they are read again")
            getattr(lm, request_type)(unread)
        return answers

    def _without_record(self, instances: list[Any], answers: list[Any]) -> list[Any]:
        unread = []
        for request, instance, answer in zip(normalise(instances), instances, answers, strict=True):
            if request.padding or request.key in self._run.recorder:
                continue
            text = unwrap_generation_output(answer)[0]
            if self._store is None or not self._store.restore(request.key, text):
                unread.append(instance)
        return unread


def _adopt_unfinished_runs(cache: Any, root: Path) -> None:
    """Take over the answers of runs that were killed; the harness itself only looks at runs that ended well.

    Keys carry the model and its arguments, so answers of other models never match.
    """
    runs = [folder for folder in (root / "runs").glob("*") if folder.is_dir() and not (folder / ".merged").exists()]
    own = Path(cache.db_path).resolve()
    shards = [str(shard) for folder in runs for shard in sorted(folder.glob("rank_*.db")) if shard.resolve() != own]
    if not shards:
        return
    try:
        taken = cache.merge_shards(shards, str(own))
        logger.info(f"Lens: {taken} answers of unfinished runs found in {root / 'runs'}")
    except (AttributeError, sqlite3.Error) as error:
        logger.warning(f"Lens: answers of unfinished runs in {root / 'runs'} cannot be used ({error})")

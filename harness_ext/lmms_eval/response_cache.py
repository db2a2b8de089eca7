"""lmms-eval's `--use_cache` with a lens: an answer comes back with its record, or both are made anew."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from loguru import logger

from harness_ext.recording import CachedRequest, RecordStore

from .requests import HarnessRequest, normalise
from .run import LensRun

__all__ = ["RecordingCache"]


class RecordingCache:
    """Stands in front of the harness's response cache; keeps records in `<cache>/lens` beside its answers.

    Generated answers come from there. Choices and conversations of several rounds are put to the model anew, because
    their records need every layer of each choice and the prompts of later rounds.
    """

    def __init__(self, cache: Any, run: LensRun) -> None:
        self._cache = cache
        root = getattr(cache, "_cache_root", None)
        self._store = (
            None if root is None else RecordStore(Path(root) / "lens", run.recorder, logger.info, run.controls)
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def execute(self, lm: Any, request_type: str, instances: list[Any]) -> list[Any]:
        """Answers in order, and a record for each."""
        if self._store is None or request_type != "generate_until":
            return list(getattr(lm, request_type)(instances))
        requests = normalise(instances)

        def ask(places: list[int]) -> list[Any]:
            return list(lm.answer([requests[place] for place in places]))

        return self._store.answers([_cached(lm, request) for request in requests], ask)


def _cached(lm: Any, request: HarnessRequest) -> CachedRequest:
    sample = functools.partial(lm.responder.sample_request, request)
    return CachedRequest(request.key, request.generation, sample, request.padding)

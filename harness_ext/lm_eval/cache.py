"""lm-eval's `--use_cache` with a lens: a cached answer brings its record back, or is read again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness_ext.recording import RecordStore

from .run import LensRun
from .tagging import tag

__all__ = ["RecordingCache"]

log = logging.getLogger(__name__)

_REQUEST_TYPES = ("generate_until", "loglikelihood")


class RecordingCache:
    """Stands before lm-eval's `CachingLM`; keeps records in `<cache>.lens` beside its database."""

    def __init__(self, cache: Any, run: LensRun) -> None:
        self._cache = cache
        self._run = run
        self._store = RecordStore(Path(cache.cache_db).with_suffix(".lens"), run.recorder)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._cache, name)
        return self._recorded(name, value) if name in _REQUEST_TYPES else value

    def _recorded(self, request_type: str, answer: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
        def answers_with_records(instances: Sequence[Any]) -> list[Any]:
            answers = answer(instances)
            unread = self._without_record(request_type, instances, answers)
            if unread:
                log.info("Lens: %d cached answers have no record; they are read again", len(unread))
                getattr(self._cache.lm, request_type)(unread)
            return answers

        return answers_with_records

    def _without_record(self, request_type: str, instances: Sequence[Any], answers: Sequence[Any]) -> list[Any]:
        if request_type == "loglikelihood":
            return self._choices_without_record(instances)
        unread = []
        for request, instance, text in zip(tag(instances), instances, answers, strict=True):
            key = self._run.key(request)
            if request.padding or key in self._run.recorder or self._store.restore(key, text):
                continue
            unread.append(instance)
        return unread

    def _choices_without_record(self, instances: Sequence[Any]) -> list[Any]:
        """The requests of multiple-choice documents without a record: scoring all choices again gives it."""
        unread = []
        for request, instance in zip(tag(instances), instances, strict=True):
            task, position, _, repeat = request.key
            known = (task, self._run.document_number(task, position), 0, repeat) in self._run.recorder
            if len(instance.args) > 2 and not known and not request.padding:
                unread.append(instance)
        return unread

"""lm-eval's `--use_cache` with a lens: an answer comes back with its record, or both are computed again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lens_engine import Recording
from lens_engine.batching import in_order
from lens_results.fingerprint import digest_of

from .samples import visuals

__all__ = ["ConfiguredDatabase", "RecordingCache"]


class RecordingCache:
    """Stands before lm-eval's `CachingLM`; records are kept in `<cache>.lens` beside its database.

    Generated answers come from there. Choices of documents with images are scored again, because their record needs all
    layers of each choice. Everything else is left to lm-eval's database, under keys that include the model.
    """

    def __init__(self, cache: Any, recording: Recording) -> None:
        self._cache = cache
        recording.keep_cache(Path(cache.cache_db).with_suffix(".lens"))
        cache.dbdict = ConfiguredDatabase(cache.dbdict, digest_of(recording.recorder.run_info.fingerprint))
        cache.lm.set_cache_hook(cache.get_cache_hook())

    def __getattr__(self, name: str) -> Any:
        own = {"generate_until": self._cache.lm.generate_until, "loglikelihood": self._loglikelihood}
        return own[name] if name in own else getattr(self._cache, name)

    def _loglikelihood(self, instances: Sequence[Any]) -> list[Any]:
        shown = {place for place, instance in enumerate(instances) if len(instance.args) > 2 and visuals(instance)}
        rest = [place for place in range(len(instances)) if place not in shown]

        def score(places: Sequence[int]) -> list[Any]:
            scorer = self._cache.lm if places[0] in shown else self._cache
            return list(scorer.loglikelihood([instances[place] for place in places]))

        return in_order(filter(None, (sorted(shown), rest)), score)


class ConfiguredDatabase:
    """lm-eval's database of answers with the run's fingerprint in every key: its own keys lack the model."""

    def __init__(self, database: Any, fingerprint: str) -> None:
        self._database: Any = database._database if isinstance(database, ConfiguredDatabase) else database
        self._fingerprint = fingerprint

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def __contains__(self, key: str) -> bool:
        return self._key(key) in self._database

    def __getitem__(self, key: str) -> Any:
        return self._database[self._key(key)]

    def __setitem__(self, key: str, answer: Any) -> None:
        self._database[self._key(key)] = answer

    def _key(self, key: str) -> str:
        return f"{self._fingerprint} {key}"

"""lm-eval's `--use_cache` with a lens: an answer comes back with its record, or both are computed again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lm_eval.api.model as lm_eval_model
from lm_eval.api.model import CachingLM

from lens_engine import Recording
from lens_engine.batching import in_order
from lens_models.shadowing import shadowed
from lens_results.fingerprint import digest_of

from .media import given_media

__all__ = ["keys_of_run", "records_beside"]


@contextmanager
def records_beside(cache: CachingLM, recording: Recording) -> Iterator[None]:
    """While this lasts, records are kept in `<cache>.lens` beside lm-eval's database, and answers come from there.

    Choices of documents with media are scored again, because their record needs all layers of each choice. Everything
    else is left to the database, under keys that include the model.
    """
    recording.keep_cache(Path(cache.cache_db).with_suffix(".lens"))
    cached = cache.loglikelihood

    def loglikelihood(instances: Sequence[Any]) -> list[Any]:
        shown = [place for place, each in enumerate(instances) if given_media(each).any]
        rest = [place for place, each in enumerate(instances) if not given_media(each).any]

        def score(places: Sequence[int]) -> list[Any]:
            scorer = cache.lm.loglikelihood if given_media(instances[places[0]]).any else cached
            return list(scorer([instances[place] for place in places]))

        return in_order([places for places in (shown, rest) if places], score)

    own = {"generate_until": cache.lm.generate_until, "loglikelihood": loglikelihood}
    with shadowed(cache, **own), keys_of_run(recording):
        yield


@contextmanager
def keys_of_run(recording: Recording) -> Iterator[None]:
    """While this lasts, lm-eval's keys of answers hold the run's fingerprint; its own lack the model."""
    run, key = digest_of(recording.recorder.run_info.fingerprint), lm_eval_model.hash_args
    with shadowed(lm_eval_model, hash_args=lambda attr, args: f"{run} {key(attr, args)}"):
        yield

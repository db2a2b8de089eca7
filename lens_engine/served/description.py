"""Which model answered behind which server: the description of a run without layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from lens_engine.description import POSITION_RULE, RunSettings, package_versions, storable, versions_of
from lens_results import HarnessInfo, LensInfo, ModelInfo, RunInfo

from .arguments import ServedOptions
from .output import PRECISION

__all__ = ["ServedModel", "without_secrets"]

_SECRETS = ("auth_token", "header", "api_key", "token")
_CANDIDATES = "tokens that the server lists and whose text is a spelling of the candidate"


@dataclass(frozen=True)
class ServedModel:
    """What a run says of a model behind a server; a `lens_engine.recording.DescribedModel`.

    Attributes:
        name: as the server calls it.
        api: name of the harness's class that asks.
        url: of the server.
        options: what the user asked of the run.
        rank: number of this process.
    """

    name: str
    api: str
    url: str
    options: ServedOptions
    rank: int = 0

    @property
    def thumbnails(self) -> bool:
        """Whether small pictures of the images are kept."""
        return self.options.thumbnails

    def describe(self, run_id: str, *, harness: str, settings: RunSettings) -> RunInfo:
        """See `lens_engine.recording.DescribedModel`; there are no layers and no identity to check."""
        versions, url = package_versions(), without_user(self.url)
        lens = LensInfo(
            (),
            norm="none",
            topk=self.options.topk,
            candidate_rule=_CANDIDATES,
            position_rule=POSITION_RULE,
            thresholds={"precision": PRECISION},
        )
        return RunInfo(
            run_id=run_id,
            harness=HarnessInfo(harness, versions.get(harness, "")),
            model=ModelInfo(self.name, None, model_class=self.api, extra={"url": url}),
            lens=lens,
            versions=versions,
            **settings.stored(),
            fingerprint=storable(
                {
                    # nothing says which weights a server runs under a name: there is no commit
                    "checkpoint": {"name": self.name, "commit": None, "url": url, "api": self.api},
                    "arguments": dict(settings.non_default),
                    "lens": {"topk": lens.topk, "candidates": lens.candidate_rule, "position": lens.position_rule},
                    "thresholds": dict(lens.thresholds),
                    "versions": versions_of(("mm-logit-lens", harness, "pillow"), builds=False),
                }
            ),
        )


def without_user(url: str) -> str:
    """An address without user, password, query and fragment, in which keys may stand."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def without_secrets(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Model arguments as they may stand in a file."""
    kept = {name: value for name, value in arguments.items() if name not in _SECRETS}
    return kept | ({"base_url": without_user(str(kept["base_url"]))} if kept.get("base_url") else {})

"""The description that is stored with every record file of a run."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

from lens_models import LogitLens
from lens_models.metrics import Thresholds
from lens_results import HarnessInfo, IdentityInfo, LensInfo, ModelInfo, RunInfo

__all__ = ["RunSettings", "describe_run", "package_versions"]

_PACKAGES = ("mm-logit-lens", "lmms-eval", "lm-eval", "torch", "transformers", "accelerate", "datasets", "numpy")


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run outside of the lens, as JSON values."""

    generation: Mapping[str, Any] = field(default_factory=dict)
    prompt: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, Any] = field(default_factory=dict)
    args: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, bool | None]] = field(default_factory=dict)


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on; those not installed are left out."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def describe_run(
    run_id: str,
    lens: LogitLens,
    thresholds: Thresholds,
    *,
    name_or_path: str,
    revision: str | None,
    harness: str,
    settings: RunSettings,
    controls: tuple[str, ...] = (),
) -> RunInfo:
    """What defines the numbers of a run.

    Args:
        run_id: name of the run, the same in all its processes.
        lens: the proven lens.
        thresholds: cut-offs of the scalars.
        name_or_path: the checkpoint as the user named it.
        revision: its commit, where known.
        harness: distribution name of the harness.
        settings: what the harness tells of its own settings.
        controls: names of the controls that are read.
    """
    model, parts, report = lens.model, lens.parts, lens.identity
    about = lens.describe()
    versions = package_versions()
    return RunInfo(
        run_id=run_id,
        harness=HarnessInfo(harness, versions.get(harness, "")),
        model=ModelInfo(
            name_or_path,
            parts.n_layers,
            hidden_size=parts.hidden_size,
            vocab_size=parts.vocab_size,
            revision=revision,
            model_class=parts.model_class,
            dtype=str(model.dtype).removeprefix("torch."),
            device=str(model.device),
        ),
        lens=LensInfo(
            lens.layer_index,
            norm=lens.settings.norm,
            topk=lens.settings.topk,
            scaling=about["transform"],
            head=parts.head_path,
            candidate_rule="logsumexp over the distinct first tokens of the surface variants",
            position_rule="first token of the answer: after the last answer marker, else the first word",
            thresholds=asdict(thresholds),
            controls=controls,
            extra={"layers_path": parts.decoder_path, "norm_path": parts.norm_path},
        ),
        identity=IdentityInfo(report.deviation, report.argmax_agrees, report.tolerance),
        versions=versions,
        generation=settings.generation,
        prompt=settings.prompt,
        limits=settings.limits,
        seeds=settings.seeds,
        args=settings.args,
        metrics=settings.metrics,
    )

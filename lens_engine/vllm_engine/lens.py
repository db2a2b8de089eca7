"""What the workers of vLLM say of their layers, in the form in which the engine asks a lens."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig

from lens_models import (
    CaptureError,
    IdentityError,
    IdentityReport,
    LensArgumentError,
    LensSettings,
    Readout,
    ReadoutRow,
)
from lens_models.definition import served_definition
from lens_models.encoding import end_token_ids
from lens_models.errors import StepNotKeptError
from lens_models.image_tokens import ImageTokens
from lens_models.lens import lens_description
from lens_models.probes import EveryToken, ImageAttention, Probe, StepCauses, StepRegions, WrittenSteps

from .client import MarkingClient
from .observing import probes_of

__all__ = ["WORKER", "Position", "VllmLens", "VllmTrace"]

WORKER = "lens_models.vllm_worker.LensWorker"
"""`worker_extension_cls` of a client that the lens reads."""
COMPILED_WORKER = "lens_models.vllm_worker.compiled.CompiledLensWorker"
"""`worker_cls` of one whose model is compiled."""
_INTEGERS = ("rank_pred", "rank_gold", "topk_ids")
_NO_LOGITS = torch.empty(0)
_REFUSED = {
    ImageAttention.name: "vLLM's kernels hand out no attention",
    WrittenSteps.name: "steps are read under transformers alone",
    StepCauses.name: "steps are read under transformers alone",
    StepRegions.name: "vLLM's kernels hand out no attention, and steps are read under transformers alone",
    EveryToken.name: "every token is read under transformers alone",
}


@dataclass(frozen=True)
class Position:
    """A position that the workers keep: of a marked request, a generated or a given token."""

    mark: int
    place: int
    given: bool = False


@dataclass(frozen=True)
class VllmTrace:
    """What was observed of a batch; see `lens_engine.engine.BatchTrace`.

    Attributes:
        new_tokens: ids that each row generated.
        marks: of each row's request.
        seen: what the workers kept of each.
    """

    new_tokens: tuple[tuple[int, ...], ...]
    marks: tuple[int, ...]
    seen: tuple[Mapping[str, Any], ...]
    image_tokens: tuple[ImageTokens, ...] = ()
    probes: tuple[Probe, ...] = ()
    held_bytes: ClassVar[None] = None  # the workers hold it

    def row(self, sample: int, step: int) -> int:
        """See `BatchTrace`."""
        return sample

    def residual(self, sample: int, step: int) -> Position:
        """See `BatchTrace`."""
        seen = self.seen[sample]
        if step >= seen["steps"]:
            raise CaptureError(seen["problem"] or f"step {step} was not seen by vLLM's workers, {seen['steps']} were")
        if not seen["kept"][step]:
            raise StepNotKeptError(f"step {step} of so long a generation was not kept (LensSettings.capture_limit)")
        return Position(self.marks[sample], step)


@dataclass(frozen=True)
class VllmParts:
    """See `lens_engine.engine.Parts`."""

    n_layers: int
    hidden_size: int
    vocab_size: int
    model_class: str
    decoder_path: str
    norm_path: str
    head_path: str = "compute_logits"


class VllmLens:
    """The logit lens of a model that vLLM runs; see `lens_engine.engine.Lens`.

    Args:
        client: the `vllm.LLM`, built with `worker_extension_cls=WORKER`.
        settings: what is read.

    Raises:
        LensArgumentError: a setting that is not read under vLLM.
        PartsError: the workers do not find the parts of the model.
    """

    bank = None

    def __init__(self, client: Any, settings: LensSettings) -> None:
        if settings.norm != "final" or settings.lens != "logit":
            raise LensArgumentError(
                f"norm={settings.norm!r}, lens={settings.lens!r}; under vLLM the logit lens is read with the final norm"
            )
        self._client = client
        self.settings = settings
        layers = None if settings.layers is None else list(settings.layers)
        found = self.ask(
            "lens_attach", layers, settings.topk, settings.capture_limit, settings.memory_limit, list(settings.probes)
        )
        self.layer_index: tuple[int, ...] = tuple(found["layer_index"])
        self.parts = VllmParts(
            found["n_layers"], found["hidden_size"], found["vocab_size"], found["model_class"], found["layers_path"],
            found["norm_path"],
        )  # fmt: skip
        self.device: str = found["device"]
        self.refused_probes = {name: why for name, why in _REFUSED.items() if name in settings.probes}
        self.marks: Iterator[int] = itertools.count()
        self._forced: dict[int, IdentityReport] = {}
        self._passes = 0
        self._identity: IdentityReport | None = None

    @property
    def identity(self) -> IdentityReport:
        """See `Lens`."""
        assert self._identity is not None
        return self._identity

    @property
    def dtype(self) -> str:
        """See `Lens`."""
        return str(self._client.model_config.dtype).removeprefix("torch.")

    def prove(self, params: Any) -> None:
        """Let the model say a few tokens and compare what is read of each with what it said.

        Args:
            params: sampling parameters of three greedy tokens with their log-probabilities.

        Raises:
            IdentityError: the readout is not the model's own logits.
            CaptureError: the workers saw nothing.
        """
        client = MarkingClient(self._client, self.marks)
        prompt = {"prompt_token_ids": self._client.get_tokenizer().encode("1 2 3")}
        (output,) = client.generate([prompt], [params], use_tqdm=False)
        trace = self.trace(client)
        tokens = trace.new_tokens[0]
        report = self._reports(trace.marks)[0]
        if report is None:
            raise CaptureError("vLLM's first rank gave no logits; the lens reads none of its models so")
        own = [entry[token].logprob for entry, token in zip(output.outputs[0].logprobs, tokens, strict=True)]
        said = self._logprobs(trace.marks[0], tokens, own, given=False)[1]
        worst = max(report, said, key=lambda each: each.deviation / each.tolerance)
        if not (report.exact and said.exact):
            raise IdentityError(
                f"the last layer's readout is off by {worst.deviation:.1e} of the logits' range from what vLLM itself "
                f"gives (allowed {worst.tolerance:.1e}); the lens does not read {self.parts.model_class} here"
            )
        self._identity = worst
        self.forget()

    def trace(self, client: MarkingClient, tokens: Sequence[ImageTokens] = ()) -> VllmTrace:
        """What was observed of the requests that a `MarkingClient` passed on.

        Args:
            client: passed them on.
            tokens: the image tokens of each, where somebody located them.
        """
        seen = self.ask("lens_seen", client.marks)
        new = tuple(tuple(output.outputs[0].token_ids) for output in client.outputs)
        probes = probes_of(self.settings.probes, self.ask, client.marks, tokens)
        return VllmTrace(new, tuple(client.marks), tuple(seen), tuple(tokens), probes)

    def read(self, rows: Sequence[ReadoutRow]) -> list[Readout]:
        """See `Lens`; the residual of each row is a `Position`."""
        if not rows:
            return []
        asked = [
            {
                "mark": row.residual.mark,
                "place": row.residual.place,
                "given": row.residual.given,
                "token_id": row.token_id,
                "candidates": [list(each) for each in row.candidates],
                "gold": list(row.gold),
                "pivots": [list(each) for each in row.pivots],
            }
            for row in rows
        ]
        return [_readout(found) for found in self.ask("lens_read", asked)]

    def finite(self, generation: VllmTrace) -> list[bool]:
        """See `Lens`."""
        return [seen["finite"] is not False for seen in generation.seen]

    def compared(self, generation: VllmTrace, known: Collection[int]) -> list[int]:
        """See `Lens`."""
        finite = [sample for sample, is_finite in enumerate(self.finite(generation)) if is_finite]
        usable = [sample for sample in finite if generation.seen[sample]["steps"]]
        return [sample for sample in usable if sample in known] or usable[:1]

    def check(self, generation: VllmTrace, known: Mapping[int, Any]) -> IdentityReport | None:
        """See `Lens`; the workers kept the logits of each first step."""
        samples = self.compared(generation, known)
        found = self._reports([generation.marks[sample] for sample in samples])
        reports = [report for report in found if report is not None]
        return max(reports, key=lambda report: report.deviation / report.tolerance, default=None)

    def compare_position(self, residual: Position, model_logits: Tensor) -> IdentityReport:
        """See `Lens`; of given tokens, by their log-probabilities."""
        return self._forced[residual.mark]

    def layer_logprobs(self, mark: int, tokens: Sequence[int], own: Sequence[float]) -> Tensor:
        """fp32 `[layers]`: sum of log-probabilities of given tokens at each layer.

        Args:
            mark: of the request at whose prompt's end they stand.
            tokens: in order.
            own: their log-probabilities by vLLM.
        """
        layers, self._forced[mark] = self._logprobs(mark, tokens, own, given=True)
        return layers

    def forget(self) -> None:
        """Let go what the workers keep."""
        self._forced.clear()
        self.ask("lens_forget")

    def ran(self) -> None:
        """The model ran over one prompt."""
        self._passes += 1

    @contextmanager
    def counted_passes(self) -> Iterator[Callable[[], int]]:
        """See `Lens`."""
        before = self._passes
        yield lambda: self._passes - before

    def end_token_ids(self, tokenizer: Any) -> tuple[int, ...]:
        """See `Lens`: the tokenizer's, then those of the checkpoint's generation configuration."""
        return end_token_ids(GenerationConfig.from_dict(dict(self._generation_config())), tokenizer)

    def definition(self, processor: Any, path: str, *, commit: str | None = None) -> dict[str, Any]:
        """See `Lens`."""
        config = self._client.model_config
        return served_definition(
            config.hf_config, processor, path, commit=commit, dtype=self.dtype, attention="vllm",
            generation_config=self._generation_config(),
        )  # fmt: skip

    def describe(self) -> dict[str, Any]:
        """See `Lens`."""
        return lens_description(self.parts, self.settings, self.layer_index, "vLLM's own")

    def _generation_config(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._client.model_config.try_get_generation_config()
        return found

    def _logprobs(
        self, mark: int, tokens: Sequence[int], own: Sequence[float], *, given: bool
    ) -> tuple[Tensor, IdentityReport]:
        found = self.ask("lens_logprobs", mark, list(tokens), list(own), given)
        return torch.tensor(found["layers"], dtype=torch.float32), IdentityReport(**found["identity"])

    def _reports(self, marks: Sequence[int]) -> list[IdentityReport | None]:
        found = self.ask("lens_identity", list(marks)) if marks else []
        return [None if each is None else IdentityReport(**each) for each in found]

    def ask(self, method: str, *arguments: Any) -> Any:
        """What the first rank answers; all of them take part."""
        return self._client.collective_rpc(method, args=arguments)[0]


def _readout(found: Mapping[str, Any]) -> Readout:
    arrays = {
        name: None if value is None else np.asarray(value, dtype=np.int32 if name in _INTEGERS else np.float32)
        for name, value in found.items()
        if name != "finite"
    }
    for name in ("cand_scores", "pivot_scores"):
        values = arrays[name]
        assert values is not None
        arrays[name] = values.reshape(len(arrays["entropy"]), -1)  # type: ignore[arg-type]
    return Readout(**arrays, last_logits=_NO_LOGITS, finite=found["finite"])  # type: ignore[arg-type]

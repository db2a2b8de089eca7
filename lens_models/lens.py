"""The lens of one model: prove it, run with it, read with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .comparison import IdentityReport, RowDeviations, compare_logits, row_deviations
from .definition import model_definition
from .encoding import end_token_ids
from .errors import LensArgumentError, LensFileError
from .forcing import Forcing, prove_forcing
from .generation import TracedGeneration, generate_with_trace
from .identity import prove_identity
from .image_tokens import ImageTokens
from .image_tokens.contextual import REFERENCE, ContextualBank
from .interventions import Intervention
from .lenses import (
    ANSWER,
    IMAGE,
    LEARNT,
    AffineLens,
    Lens,
    claims_refused,
    lens_name,
    make_lens,
    require_last_layer,
    told_of,
)
from .nearest import did_you_mean
from .parts import ModelParts, find_parts
from .probes import CAPTURE_LIMIT, PROBES, Batch, Probe, observes_given, refusal_of, resolve_layer_index
from .probes.image_tokens import spread_layers
from .readout import Readout, ReadoutRow, read_layers
from .transforms import LogitTransform
from .unembed import NormMode, Unembedding

__all__ = ["LensSettings", "LogitLens", "lens_description"]


@dataclass(frozen=True)
class LensSettings:
    """What to read.

    Attributes:
        layers: layer numbers out of 0..L (0 is the embedding output), or None for all blocks; L is always read.
        lens: the lens as users name it, see `lens_models.lenses.words`: logit, tuned, tuned:FOLDER, ...
        allow_worse: read with a learnt lens that is worse than the logit lens on held-out data, or not known not to be.
        topk: how many tokens of each layer to keep.
        norm: "final" puts each layer through the model's final norm, as the model does with its last layer; "none"
            leaves it out, as some published lenses do.
        memory_limit: bytes a readout may use at a time; None chooses by device.
        capture_limit: bytes of residuals to keep of one generation, see `lens_models.probes.residual`.
        probes: names of further probes out of `lens_models.probes.PROBES`.
    """

    layers: tuple[int, ...] | None = None
    lens: str = "logit"
    topk: int = 5
    norm: NormMode = "final"
    memory_limit: int | None = None
    capture_limit: int = CAPTURE_LIMIT
    probes: tuple[str, ...] = ()
    allow_worse: bool = False

    def __post_init__(self) -> None:
        if self.norm not in ("final", "none"):
            raise LensArgumentError(
                f"norm={self.norm!r}; expected 'final' or 'none'.{did_you_mean(self.norm, ('final', 'none'))}"
            )
        if self.topk < 1:
            raise LensArgumentError(f"topk={self.topk}; expected at least 1")
        if lens_name(self.lens) in LEARNT and self.norm != "final":
            raise LensArgumentError(f"lens={self.lens!r} was learnt through the final norm; found norm={self.norm!r}")
        if unknown := [name for name in self.probes if name not in PROBES]:
            raise LensArgumentError(
                f"probes={'+'.join(unknown)}; expected some of {', '.join(PROBES)}.{did_you_mean(unknown[0], PROBES)}"
            )


class LogitLens:
    """The proven lens of a loaded model.

    Building it runs the model on `example`, one encoded prompt with an image (`example_inputs`), and refuses a model
    whose last layer is not read exactly. `forcing` says whether and how given tokens are scored as the model's own
    generation; a model that is refused there is read anyway. `refused_probes` says why probes that were asked for
    observe nothing of this model. `refused_claims` says why nothing may be claimed from what a learnt lens reads at the
    answer; it is read with only where the settings allow it.

    Raises:
        PartsError, IdentityError, CaptureError, LensFileError: see `lens_models.errors`.
    """

    def __init__(
        self, model: Any, example: Mapping[str, Any], settings: LensSettings | None = None, *, tokenizer: Any = None
    ) -> None:
        self.model = model
        self.settings = settings or LensSettings()
        self.parts: ModelParts = find_parts(model)
        self.layer_index = resolve_layer_index(self.settings.layers, self.parts.n_layers)
        self._exact, self.identity = prove_identity(model, self.parts, example)
        self._lens: Lens = make_lens(self.settings.lens, self.parts)
        require_last_layer(self.settings.lens, self._lens, self.parts, self.layer_index)
        self.refused_claims, refused_images = (
            claims_refused(self._lens, kind, self.layer_index) for kind in (ANSWER, IMAGE)
        )
        if self.refused_claims is not None and not self.settings.allow_worse:
            raise LensFileError(
                f"the lens '{self.settings.lens}' is refused: {self.refused_claims}. Read other layers, or with it all "
                "the same (lens_allow_worse=True), which is said in records and reports"
            )
        # image tokens have maps of their own; they are read as they are where these are not shown to be better
        self._images: Lens | None = getattr(self._lens, "images", None) if refused_images is None else None
        self.forcing: Forcing = prove_forcing(model, example)
        refused = {name: refusal_of(name, model, self.parts, example) for name in self.settings.probes}
        self.refused_probes = {name: why for name, why in refused.items() if why is not None}
        self.bank = self._contextual_bank(tokenizer)
        self.unembedding = Unembedding(self.parts, norm=self.settings.norm, transform=self._exact.transform)

    def _contextual_bank(self, tokenizer: Any) -> ContextualBank | None:
        """States of words in text, for the probe of image tokens; None where the model reads no text alone."""
        if tokenizer is None or "image_tokens" not in self.settings.probes:
            return None
        bank = ContextualBank(self.model, self.parts, tokenizer, spread_layers(self.parts.n_layers))
        try:
            bank.prepare(REFERENCE)
        except Exception as error:  # what a class does without a picture is its own affair
            self.refused_probes["contextual"] = f"{type(error).__name__}: {str(error)[:200]}"
            return None
        return bank

    @property
    def dtype(self) -> str:
        """Name of the model's dtype."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def device(self) -> str:
        """Where the model runs."""
        return str(self.model.device)

    def definition(self, processor: Any, path: str, *, commit: str | None = None) -> dict[str, Any]:
        """Everything about the model that can change an answer or a readout, see `model_definition`."""
        return model_definition(self.model, processor, path, commit=commit)

    def end_token_ids(self, tokenizer: Any) -> tuple[int, ...]:
        """Ids that end a generated text, see `lens_models.encoding.end_token_ids`."""
        return end_token_ids(getattr(self.model, "generation_config", None), tokenizer)

    @contextmanager
    def counted_passes(self) -> Iterator[Callable[[], int]]:
        """Yields a function that counts how often the model ran since; its head runs once in a forward pass."""
        count = 0

        def run(*_: Any) -> None:
            nonlocal count
            count += 1

        handle = self.parts.head.register_forward_pre_hook(run)
        try:
            yield lambda: count
        finally:
            handle.remove()

    @property
    def transform(self) -> LogitTransform:
        """What the model does to the output of its head."""
        return self._exact.transform

    def generate(
        self,
        inputs: Mapping[str, Any],
        *,
        interventions: Sequence[Intervention] = (),
        image_tokens: Sequence[ImageTokens] = (),
        **generate_kwargs: Any,
    ) -> TracedGeneration:
        """`model.generate` with the same arguments and the same tokens, and what was observed of its steps.

        `image_tokens` are those of each row, for probes that look at them.
        """
        traced = generate_with_trace(
            self.model,
            self.parts,
            inputs,
            layer_index=self.layer_index,
            capture_limit=self.settings.capture_limit,
            probes=self.observers(Batch(inputs, image_tokens)),
            interventions=interventions,
            **generate_kwargs,
        )
        return replace(traced, image_tokens=tuple(image_tokens))

    def observers(self, batch: Batch, *, scoring: bool = False) -> list[Probe]:
        """The further probes of one run of the model; of a run that scores given tokens those of image tokens alone."""
        asked = [name for name in self.settings.probes if name not in self.refused_probes]
        return [PROBES[name](self, batch) for name in asked if not scoring or observes_given(name)]

    def read(self, rows: Sequence[ReadoutRow]) -> list[Readout]:
        """Per-layer quantities of each row, see `lens_models.readout`."""
        seen = [replace(row, residual=self._lens(row.residual, self.layer_index)) for row in rows]
        return read_layers(self.unembedding, seen, topk=self.settings.topk, memory_limit=self.settings.memory_limit)

    def logits(self, residual: Tensor) -> Tensor:
        """Lens logits `[layers, ..., vocabulary]`, fp32, of residuals `[layers, ..., d]` at the lens's layers."""
        return self.unembedding(self._lens(residual, self.layer_index))

    def of_images(self, residual: Tensor, layer_index: Sequence[int]) -> Tensor:
        """What the final norm is given of image tokens in place of the residual, `[layers, ..., d]`, at any layers."""
        return residual if self._images is None else self._images(residual, layer_index)

    def compare(self, residual: Tensor, model_logits: Tensor) -> IdentityReport:
        """Identity of last-layer residuals `[rows, d]` with the logits `[rows, vocabulary]` that the model returned.

        The head's own dtype, known from the check at load, says how much rounding is in logits that were widened after.
        """
        return self._compared(self._exact(residual), model_logits, getattr(torch, self.identity.dtype))

    def deviations(self, residual: Tensor, head_output: Tensor) -> RowDeviations:
        """The same row by row, of last-layer residuals `[rows, d]` and the head's own output `[rows, vocabulary]`.

        Nothing is brought to the host, so that a probe may ask at each step.
        """
        theirs = self.transform(head_output.float().clone())
        masked = self.transform.masked
        return row_deviations(self._exact(residual), theirs, dtype=head_output.dtype, masked=masked)

    def compare_position(self, residual: Tensor, model_logits: Tensor) -> IdentityReport:
        """Identity of one position, `[layers, d]`, with the logits `[vocabulary]` that the model returned there."""
        return self.compare(residual[-1:], model_logits.unsqueeze(0))

    def _compared(self, ours: Tensor, theirs: Tensor, dtype: torch.dtype) -> IdentityReport:
        transform = self.transform
        report = compare_logits(ours, theirs, dtype=dtype, masked=transform.masked)
        return replace(report, transform=str(transform))

    def finite(self, generation: TracedGeneration) -> list[bool]:
        """Of each sample of a batch, whether the model's logits at its first step are finite."""
        return generation.finite

    @torch.inference_mode()
    def check(self, generation: TracedGeneration, known: Mapping[int, Tensor] | None = None) -> IdentityReport | None:
        """Identity of a batch at its first step, against the logits that the model computed during the run.

        Samples whose own logits are NaN or infinite there say nothing about the readout and are left out; None when
        that leaves none.

        Args:
            generation: the batch.
            known: last-layer logits of samples whose first step was read anyway (`Readout.last_logits`); they are
                compared instead of being computed again. Without any, the first sample is read for the check.
        """
        reference = generation.trace.first_logits
        assert reference is not None
        known = known or {}
        samples = self.compared(generation, known)
        if not samples:
            return None
        if self.settings.norm != "final" or samples[0] not in known:
            known = {samples[0]: self._exact(generation.residual(samples[0], 0)[-1])}
        rows = reference[[generation.row(sample, 0) for sample in samples]]
        ours = torch.stack([known[sample].to(rows.device) for sample in samples])
        # the head's raw output, widened before cap or scale: its own dtype says how much rounding is in it
        return self._compared(ours, self.transform(rows.float()), rows.dtype)

    def compared(self, generation: TracedGeneration, known: Collection[int]) -> list[int]:
        """The samples that `check` compares when it is given the logits of those in `known`."""
        finite = [sample for sample, is_finite in enumerate(self.finite(generation)) if is_finite]
        given = [sample for sample in finite if sample in known] if self.settings.norm == "final" else []
        return given or finite[:1]

    def describe(self) -> dict[str, Any]:
        """The definition of this lens for records: parts, norm, transform, layers, what a learnt lens is."""
        found = lens_description(self.parts, self.settings, self.layer_index, str(self.transform))
        learnt = {"name": lens_name(self.settings.lens), **told_of(self._lens)}
        if isinstance(self._lens, AffineLens):
            learnt |= {"trained_on": self._lens.trained_on, "refused_claims": self.refused_claims}
            learnt |= {"image_tokens": "logit" if self._images is None else self._lens.kind}
        return {**found, "lens": learnt}


def lens_description(parts: Any, settings: LensSettings, layer_index: Sequence[int], transform: str) -> dict[str, Any]:
    """The definition of a lens for records; `parts` are a model's, or what another program says of them."""
    return {
        "model_class": parts.model_class,
        "layers_path": parts.decoder_path,
        "norm_path": parts.norm_path,
        "head_path": parts.head_path,
        "n_layers": parts.n_layers,
        "hidden_size": parts.hidden_size,
        "vocab_size": parts.vocab_size,
        "norm": settings.norm,
        "transform": transform,
        "layer_index": list(layer_index),
        "topk": settings.topk,
        "lens": {"name": settings.lens},
    }

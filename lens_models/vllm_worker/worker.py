"""What a worker of vLLM answers about its model's layers, called by name from the process that talks to the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from lens_models.comparison import IdentityReport, compare_logits, tolerance
from lens_models.image_tokens.reading import read_image_tokens
from lens_models.probes import ImageTokenLens, StepEntropy, resolve_layer_index
from lens_models.probes.image_tokens import spread_layers
from lens_models.readout import Readout, read_layers
from lens_models.readout_tokens import ReadoutRow

from .capture import WorkerCapture
from .in_graph import is_watched_in_graph
from .parts import find_worker_parts
from .unembed import WorkerUnembedding

__all__ = ["LensWorker"]

Plain = dict[str, Any]
"""Numbers, texts, lists and dictionaries of such."""


class LensWorker:
    """Mixed into vLLM's worker by `worker_extension_cls`; its methods begin with `lens_`.

    All ranks of tensor parallelism run each method, because they compute logits together; the answer of the first
    one counts.
    """

    model_runner: Any

    def lens_attach(
        self, layers: Sequence[int] | None, topk: int, limit: int, memory_limit: int | None, probes: Sequence[str] = ()
    ) -> Plain:
        """Watch the model from now on.

        Args:
            layers: layer numbers, or None for all blocks.
            topk: how many tokens of each layer are read.
            limit: bytes of residuals that are kept of one request.
            memory_limit: bytes a readout may use at a time; None chooses by device.
            probes: names of the probes that observe beside the lens.

        Returns:
            `n_layers`, `hidden_size`, `vocab_size`, `layer_index`, and names of the parts.

        Raises:
            PartsError: see `find_worker_parts`.
        """
        runner = self.model_runner
        parts = find_worker_parts(runner.get_model())
        index = resolve_layer_index(None if layers is None else tuple(layers), len(parts.layers))
        self._lens_capture = WorkerCapture(
            runner,
            parts,
            index,
            limit,
            image_layers=spread_layers(len(parts.layers)) if ImageTokenLens.name in probes else (),
            vocab_size=int(runner.model_config.get_vocab_size()) if StepEntropy.name in probes else 0,
        )
        self._lens_norm: Callable[..., Any] = parts.norm
        self._lens_topk, self._lens_memory_limit = topk, memory_limit
        if is_watched_in_graph(parts):
            # a compiler leaves roundings out between the steps of the norm, so ours is compiled as the model's is
            backend = runner.vllm_config.compilation_config.backend or "inductor"
            self._lens_norm = torch.compile(parts.norm, dynamic=True, backend=backend)
        return {
            "n_layers": len(parts.layers),
            "hidden_size": int(runner.model_config.get_hidden_size()),
            "vocab_size": int(runner.model_config.get_vocab_size()),
            "layer_index": list(index),
            "layers_path": parts.layers_path,
            "norm_path": parts.norm_path,
            "model_class": parts.model_class,
            "device": str(runner.device),
        }

    def lens_seen(self, marks: Sequence[int]) -> list[Plain]:
        """For each request what was kept: `steps`, `kept` (which of them), `finite` (its first logits), `problem`."""
        capture = self._lens_capture
        found = []
        for mark in marks:
            kept = capture.kept.get(mark)
            steps = [] if kept is None else [bool(each.numel()) for each in kept.steps.steps]
            logits = None if kept is None else kept.first_logits
            finite = None if logits is None else bool(torch.isfinite(logits).all())
            found.append({"steps": len(steps), "kept": steps, "finite": finite, "problem": capture.problem})
        return found

    @torch.inference_mode()
    def lens_read(self, rows: Sequence[Plain]) -> list[Plain]:
        """Per-layer quantities of each row, see `lens_models.readout.Readout`, as lists.

        Args:
            rows: `mark`, `place`, `given`: the position, see `KeptRequest.stream`; `token_id`, `candidates`, `gold`,
                `pivots` as of `ReadoutRow`.

        Raises:
            StepNotKeptError, CaptureError: a position was not kept; a token is outside the vocabulary.
        """
        asked = [
            ReadoutRow(
                self._lens_stream(row),
                row["token_id"],
                tuple(tuple(each) for each in row["candidates"]),
                tuple(row["gold"]),
                tuple(tuple(each) for each in row["pivots"]),
            )
            for row in rows
        ]
        readouts = read_layers(
            self._lens_unembedding(), asked, topk=self._lens_topk, memory_limit=self._lens_memory_limit
        )
        return [_plain(readout) for readout in readouts]

    @torch.inference_mode()
    def lens_identity(self, marks: Sequence[int]) -> list[Plain | None]:
        """For each request how far the last layer's readout of its first step is from the model's own logits.

        None on ranks that have no logits.
        """
        unembed = self._lens_unembedding()
        found: list[Plain | None] = []
        for mark in marks:
            kept = self._lens_capture.kept[mark]
            ours = unembed(kept.stream(0, given=False)[-1:])
            if kept.first_logits is None:
                found.append(None)
                continue
            theirs = kept.first_logits[None, : unembed.vocab_size]
            found.append(asdict(compare_logits(ours, theirs.float(), dtype=theirs.dtype)))
        return found

    @torch.inference_mode()
    def lens_logprobs(self, mark: int, tokens: Sequence[int], own: Sequence[float], given: bool) -> Plain:
        """Tokens of a request, read at each layer.

        Args:
            mark: of the request.
            tokens: in order.
            own: their log-probabilities by vLLM.
            given: whether they were given at the prompt's end, or generated.

        Returns:
            `layers`: sum over the tokens of their log-probabilities at each layer; `identity`: how far those of the
            last layer are from `own`, as a report of `compare_logits` would say it.
        """
        unembed = self._lens_unembedding()
        kept = self._lens_capture.kept[mark]
        sums: Tensor | None = None
        report: IdentityReport | None = None
        for number, (token, logprob) in enumerate(zip(tokens, own, strict=True)):
            logits = unembed(kept.stream(number, given=given))
            logp = torch.log_softmax(logits, dim=-1)[:, token]
            sums = logp if sums is None else sums + logp
            report = _worse(report, _of_logprob(logits[-1], float(logp[-1]), logprob, self._lens_dtype()))
        assert sums is not None and report is not None
        return {"layers": sums.tolist(), "identity": asdict(report)}

    @torch.inference_mode()
    def lens_image_tokens(self, mark: int, positions: Sequence[int], words: Sequence[Sequence[int]]) -> Plain:
        """What the image tokens of a request say of words, see `lens_models.image_tokens.reading.ImageReadout`.

        Returns:
            `layers`; `maps` `[words][layers][tokens]`; `rank` `[words][layers]`.

        Raises:
            CaptureError: a position was not computed.
        """
        states = self._lens_capture.images
        unembed = self._lens_unembedding()
        found = read_image_tokens(unembed, states.of(mark, positions).to(unembed.device), words, whole=True)
        return {"layers": list(states.layers), "maps": found.maps.tolist(), "rank": found.rank.tolist()}

    def lens_entropy(self, mark: int) -> list[float]:
        """Entropy in nats of the distribution that each generated token was taken from."""
        return [float(each) for each in self._lens_capture.kept[mark].entropy]

    def lens_embedded(self, mark: int) -> list[list[float]]:
        """`[positions][d]`: what went into the first block at each position of a prompt that was asked for."""
        states = self._lens_capture.embedded
        found: list[list[float]] = states.of(mark, states.positions(mark))[0].float().tolist()
        return found

    def lens_forget(self) -> None:
        """Let go what is kept of all requests."""
        self._lens_capture.forget()

    def _lens_stream(self, row: Mapping[str, Any]) -> Tensor:
        capture = self._lens_capture
        if row["mark"] not in capture.kept:
            why = f": {capture.problem}" if capture.problem else ""
            raise KeyError(f"nothing was seen of request {row['mark']}{why}")
        return capture.kept[row["mark"]].stream(row["place"], given=row["given"])

    def _lens_dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.model_runner.model_config.dtype
        return dtype

    def _lens_unembedding(self) -> WorkerUnembedding:
        capture, runner = self._lens_capture, self.model_runner
        return WorkerUnembedding(
            self._lens_norm,
            capture.compute_logits,
            parts=capture.n_parts,
            width=int(runner.model_config.get_hidden_size()),
            vocab_size=int(runner.model_config.get_vocab_size()),
            device=torch.device(runner.device),
        )


def _plain(readout: Readout) -> Plain:
    values = {
        name: None if value is None else value.tolist()
        for name, value in vars(readout).items()
        if name not in ("last_logits", "finite")
    }
    return {**values, "finite": readout.finite}


def _of_logprob(logits: Tensor, ours: float, theirs: float, dtype: torch.dtype) -> IdentityReport:
    """The deviation of one log-probability, as a share of the range of the logits that it comes from."""
    allowed = float(tolerance(logits[None], dtype)[0])
    spread = float(logits.max() - logits.min()) or 1.0
    return IdentityReport(abs(ours - theirs) / spread, allowed, True, str(dtype).removeprefix("torch."))


def _worse(one: IdentityReport | None, other: IdentityReport) -> IdentityReport:
    return other if one is None or other.deviation > one.deviation else one

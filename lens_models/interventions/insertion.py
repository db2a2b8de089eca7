"""Interventions that put image tokens into the sequence again, in a second run whose logits answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import DynamicCache

from lens_models.attention import AttentionCall, attention_observed, last_weights
from lens_models.attention.proof import self_attention
from lens_models.errors import LensArgumentError
from lens_models.parts import ModelParts

from .host import Host
from .model_output import LogitIntervention, Pass
from .on_pictures import PictureIntervention
from .prompt import PromptRun, own_mask, own_positions, until
from .protocol import Intervention
from .reentry import reentry_problem
from .second_run import no_beams

__all__ = ["InsertedRun", "Insertion", "Looking"]


@dataclass(frozen=True)
class Insertion(PictureIntervention):
    """(1 - strength) z + strength z', z' the logits of a run in which image tokens come again behind some tokens.

    What comes again is what the first block is given at the image tokens, unrotated, in the order in which they stand
    in the prompt. The inserted positions are counted on from the last one, one by one and alike on all axes of
    rotary embeddings, as those of text; no marks stand around them and they look back only. The token that follows is
    predicted by the last of them. A model whose image tokens are more than that is refused, see `reentry`.

    Costs a second run of the model at each token, over the inserted positions besides.

    Attributes:
        strength: 1; a part of it mixes the logits.
    """

    def require(self, host: Host) -> None:
        """See `PictureIntervention`; an image token must be nothing but what the first block is given.

        Raises:
            LensArgumentError: the model does not have what is needed.
        """
        super().require(host)
        if why := reentry_problem(host, self.name):
            raise LensArgumentError(
                f"{self.name} puts image tokens into the sequence again, and those of {host.parts.model_class} are "
                f"more than what its first block is given: {why}"
            )

    def require_fitting(self, others: Sequence[Intervention]) -> None:
        """Make sure that no other one changes logits, or knows where pictures stand: here they stand twice.

        Raises:
            LensArgumentError: one does.
        """
        for each in others:
            if isinstance(each, LogitIntervention):
                raise LensArgumentError(
                    f"{self.name} puts image tokens into a run of its own, which {each.name} knows nothing of; use one "
                    "of the two"
                )

    def passing(self, parts: ModelParts) -> Pass:
        """See `LogitIntervention`."""
        assert self.unembedding is not None, "bound() comes first"
        return _Inserting(self, self.unembedding, parts=parts, media_ids=self.media_ids, insertion=self)

    def logits(self, final: Tensor, early: Tensor) -> Tensor:
        """See `LogitIntervention`; `early[0]` are the logits of the second run at the last positions."""
        found, n = final.clone(), early.shape[2]
        found[:, -n:] = (
            early[0] if self.strength == 1 else (1 - self.strength) * final[:, -n:] + self.strength * early[0]
        )
        return found

    def looks_at(self) -> int | None:
        """The layer whose residuals `chosen` needs; None for none."""
        return None

    def due(self, run: InsertedRun, said: Tensor | None) -> Tensor:
        """bool `[rows]`: in which rows image tokens come in behind what ran last.

        Args:
            run: so far.
            said: `[rows]`, the token that ran last; None behind the prompt.
        """
        raise NotImplementedError

    def chosen(self, run: InsertedRun, looking: Looking) -> Tensor:
        """bool `[rows, image tokens of the longest row]`: which of them come in, in rows where some are due."""
        raise NotImplementedError

    def rounds(self, said: Tensor | None) -> int:
        """How often it chooses and inserts before the next token."""
        return 1

    def embedded(self, run: InsertedRun) -> Tensor:
        """`[rows, image tokens, d]`: what comes in for each of them."""
        return run.embeddings


@dataclass
class Looking:
    """What the last position of a pass looks at.

    Attributes:
        attention: `[rows, image tokens of the longest row]`, sum over layers and heads.
        residual: `[rows, d]` of the last position at the layer of `Insertion.looks_at`; None without one.
        heads: how many `attention` is the sum of.
    """

    attention: Tensor = field(repr=False)
    residual: Tensor | None = field(default=None, repr=False)
    heads: int = 0


@dataclass
class InsertedRun:
    """The second run of one batch of prompts.

    Attributes:
        cache: its own.
        places: `[rows, width]`, int64: places of each row's image tokens in the prompt; what is filled up is no `real`.
        real: bool `[rows, width]`.
        mask: `[rows, positions so far]`.
        shift: `[rows]`: positions inserted so far.
        embeddings: `[rows, width, d]`: what the first block was given there.
        residuals: `[rows, width, d]`: of them, at the layer of `Insertion.looks_at`; None without one.
        counts: name -> `[rows]`, for the intervention to count in.
    """

    cache: Any
    places: Tensor = field(repr=False)
    real: Tensor = field(repr=False)
    mask: Tensor = field(repr=False)
    shift: Tensor = field(repr=False)
    embeddings: Tensor = field(repr=False)
    residuals: Tensor | None = field(default=None, repr=False)
    counts: dict[str, Tensor] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of prompts."""
        return len(self.places)


@dataclass
class _Inserting(PromptRun):
    """A pass with image tokens put in."""

    insertion: Insertion = field(kw_only=True)
    runs: WeakKeyDictionary[Any, InsertedRun] = field(default_factory=WeakKeyDictionary)
    given: Tensor | None = None  # of the first block, [rows, positions, d]
    residual: Tensor | None = None  # of the layer that is looked at
    weights: list[Tensor] = field(default_factory=list)  # [rows, context], sum over heads
    heads: int = 0

    @contextmanager
    def attached(self, parts: ModelParts) -> Iterator[None]:
        """Watch what blocks are given and where they look."""
        layer = self.insertion.looks_at()
        with ExitStack() as stack:
            stack.callback(parts.layers[0].register_forward_pre_hook(self._first_block, with_kwargs=True).remove)
            if layer is not None:
                stack.callback(parts.layers[layer - 1].register_forward_hook(self._looked_at).remove)
            stack.enter_context(attention_observed(parts, self._see))
            yield

    def _first_block(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self.aside:
            self.given = (args[0] if args else kwargs["hidden_states"]).detach()

    def _looked_at(self, module: Any, args: Any, output: Any) -> None:
        if self.aside:
            self.residual = (output[0] if isinstance(output, tuple | list) else output).detach()

    def _see(self, call: AttentionCall) -> None:
        if self.aside and self_attention(call):
            weights = last_weights(call)
            self.heads += weights.shape[1]
            self.weights.append(weights.sum(1))

    def beside(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        """See `Pass`: `[1, rows, ends, V]`; None where the prompt has no pictures."""
        self.look(kwargs, self.insertion.name)
        if self.shown is None:
            return None
        cache, ids = kwargs.get("past_key_values"), kwargs["input_ids"]
        if not self.first:
            found = self._token(forward, self.runs[cache], ids, kwargs.get("position_ids"))
            return found[None, :, None]
        prompt = ids.shape[1] - self.ends + 1
        run, logits, positions = self._prompt_pass(forward, args, kwargs, prompt)
        if cache is not None:
            self.runs[cache] = run
            cache.reorder_cache = no_beams
        every = [logits]
        for place in range(prompt, ids.shape[1]):
            every.append(self._token(forward, run, ids[:, place : place + 1], positions[..., place : place + 1]))
        return torch.stack(every, dim=1)[None]

    def _prompt_pass(
        self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], prompt: int
    ) -> tuple[InsertedRun, Tensor, Tensor]:
        """The run over the first `prompt` positions, logits `[rows, V]` behind it, and the numbers of all positions."""
        assert self.shown is not None
        name, cache = self.insertion.name, DynamicCache(config=self.parts.model.config.get_text_config(decoder=True))
        mask, positions = own_mask(kwargs, name), own_positions(kwargs, self.parts.model, name)
        kept = {"logits_to_keep": 1} if "logits_to_keep" in kwargs else {}
        cut = until({**kwargs, "position_ids": positions}, prompt, name)
        self._begin()
        output = self.once(forward, args, {**kwargs, **cut, **kept, "past_key_values": cache, "use_cache": True})
        shown = self.shown[:, :prompt]
        width = int(shown.sum(-1).max())
        real, places = torch.sort((~shown).to(torch.uint8), dim=-1, stable=True)
        real, places = real[:, :width] == 0, places[:, :width]
        assert self.given is not None
        run = InsertedRun(
            cache, places, real, mask[:, :prompt], torch.zeros_like(places[:, 0]), _at(self.given, places)
        )
        if self.residual is not None:
            run.residuals = _at(self.residual, places)
        logits = self._inserted(forward, run, output.logits[:, -1].float(), positions[..., prompt - 1 : prompt], None)
        return run, logits, positions

    def _token(self, forward: Callable[..., Any], run: InsertedRun, ids: Tensor, positions: Any) -> Tensor:
        """Logits `[rows, V]` behind one token more, `[rows, 1]`, and what is inserted behind it."""
        if not isinstance(positions, Tensor):
            raise LensArgumentError(f"{self.insertion.name}: the model is not given the positions of its tokens")
        run.mask = torch.cat([run.mask, run.mask.new_ones(run.rows, 1)], dim=1)
        moved = positions + run.shift[:, None]
        self._begin()
        logits = self._pass(forward, run, moved, input_ids=ids)
        return self._inserted(forward, run, logits, positions, ids[:, 0])

    def _inserted(
        self, forward: Callable[..., Any], run: InsertedRun, logits: Tensor, positions: Tensor, said: Tensor | None
    ) -> Tensor:
        """Logits `[rows, V]` after what is inserted behind the last position, whose own number is `positions`."""
        for _ in range(self.insertion.rounds(said)):
            due = self.insertion.due(run, said) & run.real.any(-1)
            if not bool(due.any()):
                break
            chosen = self.insertion.chosen(run, self._looking(run)) & run.real & due[:, None]
            n = chosen.sum(-1)
            self._require_alike(run, n)
            width = int(n.max())
            # those that come in are last, in their order, so that the last position of each row predicts
            order = torch.sort(chosen.to(torch.uint8), dim=-1, stable=True).indices[:, -width:]
            there = torch.arange(width, device=n.device) >= (width - n)[:, None]
            run.mask = torch.cat([run.mask, there.to(run.mask)], dim=1)
            count = (there.long().cumsum(-1) + run.shift[:, None]) * there
            embeddings = _at(self.insertion.embedded(run), order) * there[..., None]
            self._begin()
            after = self._pass(forward, run, positions + count, inputs_embeds=embeddings)
            run.shift = run.shift + n
            logits = torch.where((n > 0)[:, None], after, logits)
        return logits

    def _pass(self, forward: Callable[..., Any], run: InsertedRun, positions: Tensor, **given: Tensor) -> Tensor:
        output = self.once(
            forward,
            (),
            {
                **given,
                "attention_mask": run.mask,
                "position_ids": positions,
                "past_key_values": run.cache,
                "use_cache": True,
                "return_dict": True,
            },
        )
        found: Tensor = output.logits[:, -1].float()
        return found

    def _begin(self) -> None:
        self.weights, self.heads, self.given, self.residual = [], 0, None, None

    def _looking(self, run: InsertedRun) -> Looking:
        """Of the last pass."""
        total, width = run.mask.shape[1], int(run.places.max()) + 1
        found = run.embeddings.new_zeros(run.places.shape, dtype=torch.float32)
        for weights in self.weights:  # behind a window that slid on there are the last keys alone
            whole = torch.nn.functional.pad(weights, (max(0, total - weights.shape[1]), 0))[:, :width]
            found += whole.gather(1, run.places).to(found)
        return Looking(found, None if self.residual is None else self.residual[:, -1], self.heads)

    def _require_alike(self, run: InsertedRun, n: Tensor) -> None:
        if len(set(n.tolist())) > 1 and any(getattr(run.cache, "is_sliding", ())):
            raise LensArgumentError(
                f"{self.insertion.name}: the rows of a batch are given different numbers of image tokens, and layers "
                f"of {self.parts.model_class} see a window of the last positions; use a batch size of 1"
            )


def _at(values: Tensor, places: Tensor) -> Tensor:
    """`[rows, K, d]`: of `[rows, positions, d]` at `places` `[rows, K]`."""
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[-1]))

"""The ends of written steps as a selector of image tokens sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lens_models import TracedGeneration
from lens_models.alignment import AlignmentError
from lens_models.encoding import encodable_together
from lens_models.image_tokens import ImageTokens
from lens_models.image_tokens.boxes import Boxes, Covered, covered
from lens_models.probes import EVERY, Answered, ResidualCapture, StepRegions, Trace
from lens_models.selection import Shown

from .batching import in_order
from .engine import Tokens
from .lens_states import cluster_of
from .linked_steps import LinkedSteps, NotLinkedError, elsewhere, in_pictures, linked_steps
from .observations import Watched
from .position import AnswerPosition, find_position, n_generated
from .sample import Sample
from .selector_prompts import Looked
from .steps import Thought
from .transformers_engine import TransformersEngine

__all__ = ["StepEnds", "StepsSeen", "steps_looked_at"]

Floats = npt.NDArray[np.float64]
_ALL = 2**62  # bytes


@dataclass(frozen=True)
class StepEnds:
    """How the model is made to write the steps whose ends a selector reads: greedily.

    Attributes:
        max_new_tokens: of a response.
    """

    max_new_tokens: int = 256


@dataclass(frozen=True)
class StepsSeen:
    """What a selector sees of the steps of one response.

    Attributes:
        looked: of each step that is about objects in which image tokens lie, in order.
        left_out: why not of others -> how many: `response, WHY` is a whole response, `step, WHY` one step of it.
    """

    looked: tuple[Looked, ...] = field(default=(), repr=False)
    left_out: Mapping[str, int] = field(default_factory=dict)


@torch.no_grad()
def steps_looked_at(
    engine: TransformersEngine, samples: Sequence[Sample], layer: int, ends: StepEnds
) -> list[StepsSeen]:
    """What a selector of a layer sees of the steps that the model writes to each prompt, in order.

    The position that looks for something is the last token of a step, in the forward pass that it is the input of while
    the response is generated; the image tokens are those of the pass over the prompt. Steps are those that the probe
    `step_regions` finds (docs/reasoning.md), and of the last token's attention the map is the probe's, where the engine
    has it.

    Args:
        engine: with a lens.
        samples: prompts whose documents have boxes and the steps of a program.
        layer: 1 to L.
        ends: how the steps are written.

    Raises:
        CaptureError, InputError: a prompt cannot be encoded, or the layers did not run.
    """
    together = encodable_together(engine.processor, [len(sample.media.images) for sample in samples])
    return in_order(together, lambda rows: _seen_together(engine, [samples[row] for row in rows], layer, ends))


@dataclass(frozen=True)
class _Run:
    """The generation of a batch.

    Attributes:
        traced: its tokens and its probes.
        residual: of one layer at all positions of each pass.
    """

    traced: TracedGeneration
    residual: Trace

    def at(self, number: int, row: int) -> Tensor:
        """`[positions, d]` of one row in a forward pass."""
        return self.residual.steps[number][0, row]


def _seen_together(
    engine: TransformersEngine, samples: Sequence[Sample], layer: int, ends: StepEnds
) -> list[StepsSeen]:
    assert engine.lens is not None
    lens, runs = engine.lens, list[_Run]()
    greedy = [replace(sample, generation={"max_new_tokens": ends.max_new_tokens}) for sample in samples]

    def generate(inputs: Mapping[str, Any], arguments: Mapping[str, Any]) -> Tensor:
        located = engine.located(inputs, samples)
        kept = ResidualCapture(lens.parts, layer_index=[layer], positions=EVERY, keep_logits=False, limit=_ALL)
        with kept as residual:
            traced = lens.generate(inputs, image_tokens=located, **arguments)
        runs.append(_Run(traced, residual))
        return traced.sequences

    answers = engine.prompts.answer(greedy, generate)
    last = frozenset(lens.end_token_ids(engine.tokenizer))
    (run,) = runs
    return [
        _seen(run, _thought(engine, run, sample, each.row, last)) for sample, each in zip(samples, answers, strict=True)
    ]


def _thought(engine: TransformersEngine, run: _Run, sample: Sample, row: int, last: frozenset[int]) -> Thought:
    new = run.traced.new_tokens[row]
    tokens: Tokens = tuple(new[: n_generated(new, last)])
    text = engine.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    found = find_position(engine.tokenizer, sample, text, tokens)
    position = found if isinstance(found, AnswerPosition) else None
    watched = Watched.generation(run.traced, row, len(tokens))

    def before(step: int) -> Tensor:
        return run.at(step, row)[-1]

    return Thought(engine.tokenizer, sample, text, tokens, position, None, before, watched)


def _seen(run: _Run, thought: Thought) -> StepsSeen:
    """Of one response."""
    assert thought.watched is not None
    try:
        linked = linked_steps(thought)
        tokens = in_pictures(thought.watched.tokens)
        boxes, passes = linked.boxes, thought.ends
    except NotLinkedError as why:
        return StepsSeen(left_out={f"response, {why.args[0]}": 1})
    except AlignmentError:
        return StepsSeen(left_out={"response, unaligned": 1})
    read = _Read(linked, tokens, run.at(0, thought.watched.row)[tokens.positions].cpu())
    looked, left_out = list[Looked](), Counter[str]()
    for number, behind in enumerate(passes):
        inside = _inside(tokens, boxes[number])
        if inside is None:
            left_out["step, no_box"] += 1
        elif behind >= len(thought.tokens):  # the response was cut off there, and its last token is no input
            left_out["step, cut_off"] += 1
        else:
            looked.append(read.step(number, inside))
    return StepsSeen(tuple(looked), dict(left_out))


@dataclass(frozen=True)
class _Read:
    """A response whose steps are read.

    Attributes:
        linked: its steps.
        tokens: image tokens of its prompt.
        residual: theirs, `[tokens, d]`.
    """

    linked: LinkedSteps
    tokens: ImageTokens
    residual: Tensor

    def step(self, number: int, inside: Covered) -> Looked:
        """One of them."""
        thought = self.linked.thought
        last = thought.residual(thought.ends[number]).cpu()
        others = [_inside(self.tokens, there) for there in elsewhere(self.linked.boxes, number)]
        return Looked(
            Shown(last, self.residual, torch.from_numpy(inside.share).float()),
            inside,
            cluster_of(thought.sample),
            tuple(each for each in others if each is not None),
            self._attention(number),
        )

    def _attention(self, number: int) -> Floats | None:
        thought, watched = self.linked.thought, self.linked.thought.watched
        assert watched is not None
        probe = next((each for each in watched.probes if isinstance(each, StepRegions)), None)
        maps = None if probe is None else probe.looked(Answered(watched.row, watched.rows()), [thought.ends[number]])
        return None if maps is None else maps[0]


def _inside(tokens: ImageTokens, boxes: Boxes) -> Covered | None:
    """What of the tokens lies in boxes; None where none does."""
    inside = covered(tokens, boxes) if boxes else None
    return inside if inside is not None and inside.share.any() else None

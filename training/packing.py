"""Pack several single-turn conversations about one picture or video into one row that shares it.

The prompts are tokenized whole, exactly as at test time. Their common beginning (which holds the picture) is the
trunk; what is left of each is a branch that sees the trunk and itself, at the positions it would have alone.
A branch is therefore trained on precisely the computation of a single-turn prompt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedTokenizerFast

from training.mixture import IMAGE, VIDEO, Turn
from training.prompts import SYSTEM

IMAGE_TOKENS = 16
GRID = 4
STEPS = 8
"""Pairs of frames in a video; each has IMAGE_TOKENS tokens."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """Token ids [n], rotary positions [3, n], branch of each token [n] (0 trunk), targets and their weights [n].

    ``options`` [n] is 1 at the end of the line of a right option, 0 of a wrong one, and -1 elsewhere; ``names`` [n] is
    the number of the answer at the end of a question's line, of an option at the end of its own, and -1 elsewhere.
    """

    ids: Ints
    positions: Ints
    branch: Ints
    targets: Ints
    weights: npt.NDArray[np.float32]
    options: Ints
    names: Ints


@dataclass(frozen=True)
class Batch:
    """Rows padded to one length; ``mask`` is [batch, 1, n, n], True where attention is allowed.

    ``picked`` are the places of answer tokens in the flattened batch, ``optional`` those where options end, and
    ``named`` those where questions or options end.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    image_mask: torch.Tensor
    picked: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    optional: torch.Tensor
    right: torch.Tensor
    named: torch.Tensor
    names: torch.Tensor


class Packer:
    """Turns conversations into rows with one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, length: int, reason_weight: float = 0.05) -> None:
        self.tokenizer, self.length, self.reason_weight = tokenizer, length, reason_weight
        self.image_id = int(tokenizer.convert_tokens_to_ids("<|image_pad|>"))
        self.video_id = int(tokenizer.convert_tokens_to_ids("<|video_pad|>"))
        self.pad_id = int(tokenizer.pad_token_id)
        self.line_id = int(tokenizer.convert_tokens_to_ids("Ċ"))

    def _prompt(self, turn: Turn, system: bool) -> str:
        picture = "<|vision_start|>" + "<|image_pad|>" * IMAGE_TOKENS + "<|vision_end|>"
        video = "<|vision_start|>" + "<|video_pad|>" * (IMAGE_TOKENS * STEPS) + "<|vision_end|>"
        text = turn.prompt.replace(IMAGE, picture).replace(VIDEO, video)
        head = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n" if system else ""
        return f"{head}<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"

    def _answer(self, turn: Turn) -> tuple[list[int], list[float]]:
        """Ids of answer and end mark; the graded word and what steps found weigh 1, the rest before them little."""
        encoding = self.tokenizer(turn.answer, return_offsets_mapping=True, add_special_tokens=False)
        ids, spans = list(encoding["input_ids"]), encoding["offset_mapping"]
        graded = turn.results or ((turn.graded_from, len(turn.answer)),)
        weights = [
            1.0 if any(first < end and begin < last for first, last in graded) else self.reason_weight
            for begin, end in spans
        ]
        return [*ids, int(self.tokenizer.eos_token_id)], [*weights, 0.2]

    def row(self, turns: list[Turn], system: bool) -> Row:
        """Pack as many of the turns as the length allows (the first always)."""
        prompts = self.tokenizer([self._prompt(t, system) for t in turns], add_special_tokens=False)["input_ids"]
        shared = min(len(p) for p in prompts) - 1
        for prompt in prompts[1:]:
            same = next((i for i in range(shared) if prompt[i] != prompts[0][i]), shared)
            shared = min(shared, same)
        trunk = prompts[0][:shared]
        ids, branch, order = list(trunk), [0] * shared, list(range(shared))
        targets, weights = [-100] * shared, [0.0] * shared
        options, names = [-1] * shared, [-1] * shared
        for number, (turn, prompt) in enumerate(zip(turns, prompts, strict=True), start=1):
            answer, answer_weights = self._answer(turn)
            tail = prompt[shared:] + answer[:-1]
            if number > 1 and len(ids) + len(tail) > self.length:
                break
            blank = len(prompt) - shared - 1
            ids += tail
            branch += [number] * len(tail)
            order += range(shared, shared + len(tail))
            targets += [-100] * blank + answer
            weights += [0.0] * blank + answer_weights
            marks = self._marks(turn, tail)
            options += marks[0]
            names += marks[1]
        return Row(
            np.asarray(ids),
            self._positions(np.asarray(ids), np.asarray(order), trunk),
            np.asarray(branch),
            np.asarray(targets),
            np.asarray(weights, dtype=np.float32),
            np.asarray(options),
            np.asarray(names),
        )

    def trunk(self) -> Row:
        """A row of a video alone: what all questions about it begin with."""
        whole = self.row([Turn(VIDEO, "")], system=False)
        length = 1 + int(np.flatnonzero(whole.ids == self.video_id)[-1])
        parts = (whole.branch, whole.targets, whole.weights, whole.options, whole.names)
        branch, targets, weights, options, names = (part[:length] for part in parts)
        return Row(whole.ids[:length], whole.positions[:, :length], branch, targets, weights, options, names)

    def _marks(self, turn: Turn, tail: list[int]) -> tuple[list[int], list[int]]:
        """Which options are right, and what is named, at the ends of the lines of a branch."""
        options, names = [-1] * len(tail), [-1] * len(tail)
        ends = [place for place, token in enumerate(tail) if token == self.line_id]
        if turn.names and len(ends) >= len(turn.names):
            for place, name in zip(ends, turn.names, strict=False):
                names[place] = name
            for letter, place in zip("ABC", ends[1 : len(turn.names)], strict=True):
                options[place] = int(letter == turn.answer)
        return options, names

    def _positions(self, ids: Ints, order: Ints, trunk: list[int]) -> Ints:
        """Rotary positions as transformers 5 counts them for Qwen2-VL: GRID steps in height and width.

        The pairs of frames of a video are steps in time; text goes on GRID steps behind the first of them.
        """
        steps = STEPS if self.video_id in trunk else 1
        start, tokens = trunk.index(self.image_id if steps == 1 else self.video_id), IMAGE_TOKENS * steps
        text = np.where(order >= start + tokens, order - tokens + GRID, order)
        positions = np.stack([text, text, text])
        cells = np.arange(tokens)
        span = slice(start, start + tokens)
        positions[:, span] = np.stack([cells // IMAGE_TOKENS, cells // GRID % GRID, cells % GRID]) + start
        return positions

    def batch(self, rows: list[Row]) -> Batch:
        """Pad on the right and build the attention mask of trunks and branches."""
        longest = max(len(row.ids) for row in rows)
        longest = (longest + 31) // 32 * 32
        ids = np.full((len(rows), longest), self.pad_id)
        branch = np.full((len(rows), longest), -1)
        targets = np.full((len(rows), longest), -100)
        weights = np.zeros((len(rows), longest), dtype=np.float32)
        options, names = np.full((len(rows), longest), -1), np.full((len(rows), longest), -1)
        positions = np.zeros((3, len(rows), longest), dtype=np.int64)
        for i, row in enumerate(rows):
            n = len(row.ids)
            ids[i, :n], branch[i, :n], targets[i, :n], weights[i, :n] = row.ids, row.branch, row.targets, row.weights
            positions[:, i, :n], options[i, :n], names[i, :n] = row.positions, row.options, row.names
        causal = np.tril(np.ones((longest, longest), dtype=bool))
        seen = (branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None])
        picked = np.flatnonzero(targets.reshape(-1) != -100)
        optional, named = (np.flatnonzero(marks.reshape(-1) != -1) for marks in (options, names))
        return Batch(
            torch.from_numpy(ids),
            torch.from_numpy(positions),
            torch.from_numpy(seen & causal)[:, None],
            torch.from_numpy((ids == self.image_id) | (ids == self.video_id)),
            torch.from_numpy(picked),
            torch.from_numpy(targets.reshape(-1)[picked]),
            torch.from_numpy(weights.reshape(-1)[picked]),
            torch.from_numpy(optional),
            torch.from_numpy(options.reshape(-1)[optional]).float(),
            torch.from_numpy(named),
            torch.from_numpy(names.reshape(-1)[named]),
        )

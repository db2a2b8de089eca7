"""Questions about one clip packed into one row that shares the sound: `packing.Packer` for Qwen2-Audio's prompts.

A row is a trunk (the turn up to the end of the sound) and branches; a branch sees the trunk and itself, at the
positions it would have alone, so that what is trained is the computation of a single-turn prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from lens_tasks.scenes.sounds.questions import LETTERS, QUESTIONS
from training.sounds import Asked

HEAD, TAIL = "<|im_start|>user\n<|audio_bos|>", "<|audio_eos|>\n"
TURN = "<|im_end|>\n<|im_start|>assistant\n"
END_WEIGHT = 0.2
"""Of the end mark behind an answer, which weighs 1."""
_FIRST = np.cumsum([0, *(len(question.keys) for question in QUESTIONS.values())])
SPANS = {name: slice(*map(int, span)) for name, span in zip(QUESTIONS, pairwise(_FIRST), strict=True)}
"""Question -> its answers among all answers to all questions."""
ANSWERS = int(_FIRST[-1])


@dataclass(frozen=True)
class Packed:
    """Rows padded on the right; places are those in the flattened [rows, n].

    Attributes:
        ids: [rows, n].
        positions: [rows, n].
        mask: [rows, 1, n, n], True where attention is allowed.
        trunk_ends: place of the last token of each trunk, [rows].
        picked: places that predict a token of an answer; `targets` and `weights` belong to them.
        heard: number of the branch of each picked place, among all.
        named: places where questions or options end; `names` says what the answer or option is, of `ANSWERS`.
        optional: places where options end; `right` says whether it is the right one, `letters` is its letter's token.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    trunk_ends: torch.Tensor
    picked: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    named: torch.Tensor
    names: torch.Tensor
    optional: torch.Tensor
    right: torch.Tensor
    letters: torch.Tensor


class SoundPacker:
    """Packs with one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokens = lru_cache(maxsize=200_000)(lambda text: tuple(tokenizer(text)["input_ids"]))
        self.audio = int(tokenizer.convert_tokens_to_ids("<|AUDIO|>"))
        self.line = self.tokens("\n")[0]
        self.end, self.pad = int(tokenizer.eos_token_id), int(tokenizer.pad_token_id)

    def pack(self, lengths: Sequence[int], asked: Sequence[Sequence[Asked]]) -> Packed:
        """One row for each clip, which has so many audio tokens and is asked these questions."""
        rows = [self._row(length, each) for length, each in zip(lengths, asked, strict=True)]
        size = max(len(row["ids"]) for row in rows)
        whole = {
            name: np.stack([np.pad(row[name], (0, size - len(row[name])), constant_values=fill) for row in rows])
            for name, fill in (("ids", self.pad), ("positions", 0), ("branch", -1), ("targets", -100), ("weights", 0.0),
                               ("names", -1), ("right", -1), ("letters", -1))
        }  # fmt: skip
        branch = whole["branch"]
        seen = (branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None])
        causal = np.tril(np.ones((size, size), dtype=bool))
        flat = {name: torch.from_numpy(values.reshape(-1)) for name, values in whole.items()}
        picked, named, optional = (
            torch.nonzero(marks)[:, 0] for marks in (flat["targets"] != -100, flat["names"] != -1, flat["right"] != -1)
        )
        ends = [place * size + int((each == 0).sum()) - 1 for place, each in enumerate(branch)]
        return Packed(
            torch.from_numpy(whole["ids"]),
            torch.from_numpy(whole["positions"]),
            torch.from_numpy(seen & causal)[:, None],
            torch.tensor(ends),
            *(picked, flat["targets"][picked], flat["weights"][picked].float()),
            *(named, flat["names"][named]),
            *(optional, flat["right"][optional].float(), flat["letters"][optional]),
        )

    def _row(self, length: int, asked: Sequence[Asked]) -> dict[str, np.ndarray]:
        trunk = [*self.tokens(HEAD), *[self.audio] * length, *self.tokens(TAIL)]
        ids, positions, branch = list(trunk), list(range(len(trunk))), [0] * len(trunk)
        blank = [-1] * len(trunk)
        targets, weights = [-100] * len(trunk), [0.0] * len(trunk)
        names, right, letters = list(blank), list(blank), list(blank)
        for number, each in enumerate(asked, start=1):
            prompt, answer = self.tokens(each.text + TURN), self.tokens(each.answer)
            tail = [*prompt, *answer]
            ids += tail
            positions += range(len(trunk), len(trunk) + len(tail))
            branch += [number] * len(tail)
            targets += [-100] * (len(prompt) - 1) + [*answer, self.end]
            weights += [0.0] * (len(prompt) - 1) + [1.0] * len(answer) + [END_WEIGHT]
            for column, own in zip((names, right, letters), self._marks(each, tail), strict=True):
                column += own
        columns = {"ids": ids, "positions": positions, "branch": branch, "targets": targets, "weights": weights}
        columns |= {"names": names, "right": right, "letters": letters}
        return {name: np.asarray(values) for name, values in columns.items()}

    def _marks(self, asked: Asked, tail: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
        """What is named at the end of the question's line and of each option's; which option is right; its letter."""
        names, right, letters = [-1] * len(tail), [-1] * len(tail), [-1] * len(tail)
        lines = [
            place for place, token in enumerate(tail) if token == self.line and place
        ]  # not one before the question
        first = SPANS[asked.question].start
        names[lines[0]] = first + asked.key
        for place, option, letter in zip(lines[1:], asked.options, LETTERS, strict=False):
            names[place], right[place] = first + option, int(option == asked.key)
            letters[place] = self.tokens(letter)[0]
        return names, right, letters

"""Are chosen patches of use as latent steps to a model that is given a small part to read them: ``python -m
experiments.direct --out DIR``.

K image tokens of a picture come again behind the prompt, before the answer, without text: slot k is
g · (what is chosen k-th) + c_k. The model is frozen; c `[K, d]`, which is zero at first, and g are learnt on the right
answers of questions of several steps. What is chosen is

    learnt      by a selector whose W_q and W_k are learnt with them on the right answers alone, straight through
                choices with Gumbel noise (`experiments.latent.chosen_first`)
    boxes-trained   by the selector that lens_tiny brings
    attention   by attention of the position that predicts the answer
    random      at random, anew at each step
    oracle      by the boxes of what is asked about
    mean        K times the mean of the image tokens
    blank       nothing: c alone

and of the learnt one at the end also what it chooses, and is given, of another picture (`other picture`). Each is
learnt with three seeds and as many steps, and answers `reasoning_mini_direct`; `plain` is the model as it is.
Differences are paired by question, clustered by picture, means of the seeds. What is in DIR already is not made again.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from experiments.latent import Prefilled, answered, chosen_first, prefilled
from experiments.plan import HERE
from experiments.selection import difference, shown
from harness_ext.lens_data import lens_requests
from lens_engine import Request
from lens_engine.opening import reading_engine
from lens_engine.sample import Sample
from lens_engine.transformers_engine import TransformersEngine
from lens_models import load_model
from lens_models.selection import Selector, brought_selector
from lens_models.selection.selector import scores_of
from lens_tasks.scenes.russian import ANSWERS

SEEDS = (0, 1, 2)
TASK = "reasoning_mini_direct"
LEARNT, OTHER, PLAIN = "learnt", "other picture", "plain"
WAYS = (LEARNT, "boxes-trained", "attention", "random", "oracle", "mean", "blank")
_BATCH = 16
_RANK = 64


class Latent(torch.nn.Module):
    """What is learnt of one way to choose: slots, and for `learnt` a selector.

    Args:
        way: out of `WAYS`.
        count: K.
        width: d of the model.
        given: the selector of `boxes-trained`.
        seed: of first values and of what is drawn.
        gain: g at first.
    """

    def __init__(self, way: str, count: int, width: int, given: Selector, seed: int, gain: float) -> None:
        super().__init__()
        self.way, self.count, self.given = way, count, given
        self.drawn = torch.Generator().manual_seed(seed)
        self.gain = torch.nn.Parameter(torch.tensor(gain))
        self.offset = torch.nn.Parameter(torch.zeros(count, width))
        first = [torch.randn(_RANK, width, generator=self.drawn) / width**0.5 for _ in range(2)]
        if way == LEARNT:
            self.query, self.key = map(torch.nn.Parameter, first)

    def forward(self, prompts: Sequence[Prefilled], pictures: Sequence[Prefilled]) -> Tensor:
        """Slots `[rows, K, d]`.

        Args:
            prompts: whose answers are sought.
            pictures: whose image tokens are chosen from, as many.
        """
        patches = torch.stack([each.patches for each in pictures])
        if self.way == "blank":
            return self.offset.expand(len(prompts), -1, -1)
        if self.way == "mean":
            return self.gain * patches.mean(1, keepdim=True) + self.offset
        scores = self._scores(prompts, pictures)
        if self.training and self.way == LEARNT:
            uniform = torch.rand(scores.shape, generator=self.drawn).clamp(1e-6, 1 - 1e-6)
            scores = scores - (-uniform.log()).log()
        return self.gain * (chosen_first(scores, self.count) @ patches) + self.offset

    def _scores(self, prompts: Sequence[Prefilled], pictures: Sequence[Prefilled]) -> Tensor:
        """`[rows, tokens]`."""
        noise = torch.rand(len(prompts), len(pictures[0].heat), generator=self.drawn)
        if self.way == "attention":
            return torch.stack([each.heat for each in pictures])
        if self.way == "oracle":  # tokens outside of all boxes share the last places by chance
            return torch.stack([each.share for each in pictures]) + 1e-6 * noise
        if self.way == "random":
            return noise
        step, tokens = torch.stack([each.step for each in prompts]), torch.stack([each.tokens for each in pictures])
        if self.way == LEARNT:
            return scores_of(self.query, self.key, torch.zeros(1), step, tokens)
        return self.given(step, tokens)


def learn(model: Any, latent: Latent, prompts: Sequence[Prefilled], asked: argparse.Namespace, seed: int) -> float:
    """AdamW on the mean negative log-probability of right answers; gives that of the last ten steps, in nats."""
    optimizer = torch.optim.AdamW(latent.parameters(), lr=asked.rate, weight_decay=0.0)
    order, losses = np.random.default_rng(seed), []
    latent.train()
    for step in range(asked.steps):
        for group in optimizer.param_groups:
            group["lr"] = asked.rate * (1 - step / asked.steps)
        batch = [prompts[at] for at in order.choice(len(prompts), asked.batch_size, replace=False)]
        loss = -answered(model, batch, latent(batch, batch)).logprob.mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses[-10:]))


@torch.no_grad()
def measured(
    model: Any, latent: Latent | None, prompts: Sequence[Prefilled], pictures: Sequence[Prefilled]
) -> Mapping[str, list[float]]:
    """`right` and `logprob` of each prompt."""
    found: dict[str, list[float]] = {"right": [], "logprob": []}
    if latent is not None:
        latent.eval()
    for begin in range(0, len(prompts), _BATCH):
        rows, shown_here = prompts[begin : begin + _BATCH], pictures[begin : begin + _BATCH]
        slots = torch.zeros(len(rows), 0, rows[0].patches.shape[-1]) if latent is None else latent(rows, shown_here)
        scored = answered(model, rows, slots)
        found["right"] += scored.right.float().tolist()
        found["logprob"] += scored.logprob.tolist()
    return found


def gathered(
    engine: TransformersEngine, requests: Sequence[Request], answers: Sequence[str], layer: int
) -> list[Prefilled]:
    """The prompts that have boxes, run once."""
    end = engine.tokenizer.eos_token_id
    right = [(*engine.tokenizer(text, add_special_tokens=False)["input_ids"], end) for text in answers]
    found: list[Prefilled] = []
    for begin in range(0, len(requests), _BATCH):
        samples: list[Sample] = [request.sample() for request in requests[begin : begin + _BATCH]]
        found += prefilled(engine, samples, right[begin : begin + _BATCH], layer)
    return found


def to_learn(engine: TransformersEngine, loaded: Any, out: Path, count: int, layer: int) -> list[Prefilled]:
    """Prompts about drawn pictures, with their answers in the language of the question."""
    file = out / "pictures" / "questions.jsonl"
    if not file.exists():
        draw = (sys.executable, "-m", "training.selector_pictures", "--out", str(file.parent))
        subprocess.run([*draw, "--pictures", "1200"], check=True, cwd=HERE.parent)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    requests, _ = lens_requests(str(file.parent), loaded, 0)
    chosen = np.linspace(0, len(lines) - 1, count).astype(int).tolist()
    answers = [lines[at]["answer"] if lines[at]["language"] == "en" else ANSWERS[lines[at]["answer"]] for at in chosen]
    return gathered(engine, [requests[at] for at in chosen], answers, layer)


def to_answer(engine: TransformersEngine, loaded: Any, limit: int, layer: int) -> list[Prefilled]:
    """The benchmark's prompts."""
    requests = lens_requests(TASK, loaded, 0)[0][:limit]
    answers = [request.sample().target.gold_texts[0] for request in requests]
    return gathered(engine, requests, answers, layer)


def others(prompts: Sequence[Prefilled]) -> list[Prefilled]:
    """For each prompt the next one about another picture."""
    ahead = ([*prompts[place:], *prompts[:place]] for place in range(len(prompts)))
    return [next(each for each in rest if each.cluster != rest[0].cluster) for rest in ahead]


def answers_of(
    model: Any, given: Selector, train: Sequence[Prefilled], test: Sequence[Prefilled], asked: argparse.Namespace
) -> Iterator[tuple[str, Mapping[str, list[float]]]]:
    """(way and seed, what it makes of each question); of those that DIR does not have yet."""
    elsewhere = others(test)
    for seed in SEEDS:
        for way in WAYS:
            file = asked.out / f"{way}-{seed}.json"
            if not file.exists():
                latent = Latent(way, asked.patches, test[0].patches.shape[-1], given, seed, asked.gain)
                loss = learn(model, latent, train, asked, seed)
                found = {way: measured(model, latent, test, test)}
                if way == LEARNT:
                    found[OTHER] = measured(model, latent, test, elsewhere)
                file.write_text(json.dumps(found))
                print(f"{way}, seed {seed}: loss {loss:.3f}, right {np.mean(found[way]['right']):.3f}", flush=True)
            yield from ((f"{name} {seed}", each) for name, each in json.loads(file.read_text()).items())


def main(words: Sequence[str] | None = None) -> None:
    """Run prompts, learn, answer, compare, print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of everything")
    parser.add_argument("--prompts", type=int, default=400, help="to learn from")
    parser.add_argument("--patches", type=int, default=4, help="K")
    parser.add_argument("--gain", type=float, default=0.0, help="g at first; with 0 learning begins at the plain model")
    parser.add_argument("--steps", type=int, default=300, help="of each seed and way")
    parser.add_argument("--batch-size", type=int, default=16, help="prompts of a step")
    parser.add_argument("--rate", type=float, default=1e-2, help="of AdamW, at the start; it falls to nothing")
    parser.add_argument("--limit", type=int, default=602, help="questions that are answered")
    asked = parser.parse_args(words)
    asked.out.mkdir(parents=True, exist_ok=True)
    loaded = load_model("lens_tiny", device="cpu")
    engine = reading_engine(loaded, logging.getLogger(__name__))
    assert engine.lens is not None
    model, given = engine.model.requires_grad_(False), brought_selector(engine.lens.parts)
    train = to_learn(engine, loaded, asked.out, asked.prompts, given.layer)
    test = to_answer(engine, loaded, asked.limit, given.layer)
    print(f"{len(train)} prompts to learn from, {len(test)} to answer", flush=True)
    frame = pd.DataFrame({"cluster": [each.cluster for each in test]})
    found = {f"{PLAIN} 0": measured(model, None, test, test), **dict(answers_of(model, given, train, test, asked))}
    for figure in ("right", "logprob"):
        for name in (PLAIN, *WAYS, OTHER):
            seeds = [np.array(each[figure]) for key, each in found.items() if key.rpartition(" ")[0] == name]
            frame[f"{name} {figure}"] = np.mean(seeds, axis=0)
            print(f"{name} {figure}: {frame[f'{name} {figure}'].mean():.3f}", [f"{each.mean():.3f}" for each in seeds])
    frame.to_csv(asked.out / "direct.csv", index=False)
    shown(
        (
            {"figure": figure, "chosen": LEARNT, "control": control}
            | difference(frame, f"{LEARNT} {figure}", f"{control} {figure}")
            for figure in ("right", "logprob")
            for control in (*WAYS[1:], OTHER, PLAIN)
        ),
        asked.out / "differences.csv",
    )


if __name__ == "__main__":
    main()

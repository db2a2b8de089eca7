"""Train lens_tiny_audio: ``python -m training.sound_train --data DIR --out DIR --steps N``.

Without questions (``--questions 0``) the sound alone is followed: what sounds in each stretch of it, read from the
audio tokens, and the answers to what could be asked, read in the middle of the language model where the sound ends.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import distributed, multiprocessing, nn

from lens_tasks.scenes.sounds.questions import QUESTIONS
from lens_tasks.scenes.sounds.scripts import Clip
from training.muon import Muon
from training.sound_model import Shape, build_model, build_processor, save_folder, train_tokenizer
from training.sound_packing import ANSWERS, SPANS, Packed, SoundPacker
from training.sounds import EVENTS, RATE, Asked, Spoken, clips, draw_question, frame_labels, samples
from training.trainer import average_gradients

HEARD_LAYER, NAMED_LAYER, RIGHT_LAYER = 4, 5, 6
"""Decoder layers (from 1) from whose output is read: where the sound ends, all answers; where a question ends, its
answer, and where an option ends, what it names; there too, whether it is the right one, and by the model's own head its
letter. The answer has the last two."""


class Readers(nn.Module):
    """Training aids, thrown away afterwards: all linear."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.events = nn.Linear(width, len(EVENTS) + 3)
        self.heard = nn.Sequential(nn.RMSNorm(width), nn.Linear(width, ANSWERS))
        self.named = nn.Sequential(nn.RMSNorm(width), nn.Linear(width, ANSWERS))
        self.right = nn.Sequential(nn.RMSNorm(width), nn.Linear(width, 1))


class SoundTrainer:
    """Model, readers and optimizer, with their checkpoint."""

    def __init__(self, args: argparse.Namespace) -> None:
        torch.manual_seed(args.seed)
        self.args, self.shape = args, Shape()
        tokenizer = train_tokenizer(self.shape.vocabulary)
        self.model = build_model(self.shape, tokenizer)
        self.processor = build_processor(self.shape, tokenizer)
        self.packer = SoundPacker(tokenizer)
        self.readers = Readers(self.shape.width)
        named = [*self.model.named_parameters(), *self.readers.named_parameters()]
        self.parameters = [parameter for _, parameter in named if parameter.requires_grad]
        inner = [p for name, p in named if p.requires_grad and p.dim() == 2 and ".layers." in name]
        rest = [p for name, p in named if p.requires_grad and not (p.dim() == 2 and ".layers." in name)]
        self.muon = Muon(inner, lr=args.rate, weight_decay=0.05)
        self.adam = torch.optim.AdamW(rest, lr=args.rate, betas=(0.9, 0.98), weight_decay=0.0)
        self.done = 0

    def load(self, path: Path, resume: bool) -> None:
        """Read a checkpoint; to resume its run, the number of steps too."""
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.readers.load_state_dict(state["readers"])
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
        self.done = int(state["step"]) if resume else 0

    def save(self) -> None:
        """Write the checkpoint, at once, and the model as a Hugging Face folder beside it."""
        parts = {"model": self.model, "readers": self.readers, "muon": self.muon, "adam": self.adam}
        state: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
        torch.save({**state, "step": self.done}, self.args.out / "checkpoint.tmp")
        (self.args.out / "checkpoint.tmp").replace(self.args.out / "checkpoint.pt")
        save_folder(self.model, self.processor, self.args.out / "model")

    def rate(self) -> float:
        """Linear warm-up, constant, linear decay to nothing over the last `decay` steps."""
        rise = min(1.0, (self.done + 1) / 50)
        return float(self.args.rate * min(rise, (self.args.steps - self.done) / max(1, self.args.decay), 1.0))

    def step(self, rng: np.random.Generator, batch: list[Clip]) -> dict[str, float]:
        """One update; returns what to log."""
        log: dict[str, list[float]] = defaultdict(list)
        audio, lengths = self.listen(batch)
        loss = self._events_loss(audio, lengths, batch, log)
        asked = [[draw_question(rng, clip, self.args.letters) for _ in range(self.args.questions)] for clip in batch]
        loss = loss + self._answers_loss(audio, lengths, batch, asked, log)
        for optimizer, factor in ((self.adam, 1.0), (self.muon, 2.0)):
            for group in optimizer.param_groups:
                group["lr"] = self.rate() * factor
        self.model.zero_grad(set_to_none=True)
        self.readers.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.parameters)
        log["norm"].append(float(torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)))
        self.adam.step()
        self.muon.step()
        self.done += 1
        return {name: float(np.mean(values)) for name, values in log.items()}

    def listen(self, batch: list[Clip]) -> tuple[torch.Tensor, list[int]]:
        """Embeddings [clips, 25, width] of the sound, and how many tokens each clip has."""
        made = self.processor.feature_extractor(
            [samples(clip) for clip in batch],
            sampling_rate=RATE,
            padding="max_length",
            return_attention_mask=True,
            return_tensors="pt",
        )
        tower = self.model.model.audio_tower
        hidden, tokens = tower._get_feat_extract_output_lengths(made["attention_mask"].sum(-1))
        positions = torch.arange(tower.config.max_source_positions)
        mask = (positions[None] < hidden[:, None])[:, None, None].expand(-1, 1, len(positions), -1)
        out = tower(made["input_features"], attention_mask=mask).last_hidden_state
        return self.model.model.multi_modal_projector(out), tokens.tolist()

    def _events_loss(
        self, audio: torch.Tensor, lengths: list[int], batch: list[Clip], log: dict[str, list[float]]
    ) -> torch.Tensor:
        step = self.shape.hop * 4 / RATE
        labels = torch.from_numpy(np.stack([frame_labels(clip, audio.shape[1], step) for clip in batch]))
        kept = torch.arange(audio.shape[1])[None] < torch.tensor(lengths)[:, None]
        made, wanted = self.readers.events(audio)[kept], labels[kept]
        kinds = len(EVENTS) + 1
        seen = F.binary_cross_entropy_with_logits(made[:, :kinds], wanted[:, :kinds])
        pitched = (wanted[:, EVENTS.index("tone")] + wanted[:, EVENTS.index("sweep")]) > 0
        pitch = F.smooth_l1_loss(made[pitched, kinds:], wanted[pitched, kinds:])
        log["events"].append(seen.item())
        log["pitch"].append(pitch.item())
        return seen * 2 + pitch

    def _answers_loss(
        self,
        audio: torch.Tensor,
        lengths: list[int],
        batch: list[Clip],
        asked: list[list[Asked]],
        log: dict[str, list[float]],
    ) -> torch.Tensor:
        packed = self.packer.pack(lengths, asked)
        states = self.states(audio, lengths, packed)
        loss = self._heard_loss(self.readers.heard(states[HEARD_LAYER][packed.trunk_ends]), batch, log)
        if not any(asked):
            return loss
        flat = [each for row in asked for each in row]
        logits = self.model.lm_head(states[-1][packed.picked])
        each = F.cross_entropy(logits, packed.targets, reduction="none")
        _log_answers(flat, (logits.argmax(-1) == packed.targets)[packed.weights == 1.0], packed, log)
        named = F.cross_entropy(self.readers.named(states[NAMED_LAYER][packed.named]), packed.names)
        right = F.binary_cross_entropy_with_logits(
            self.readers.right(states[RIGHT_LAYER][packed.optional])[:, 0], packed.right
        )
        ends = self.model.model.language_model.norm(states[RIGHT_LAYER][packed.optional])
        line = F.cross_entropy(self.model.lm_head(ends), packed.letters)
        log["line"].append(line.item())
        log["named"].append(named.item())
        log["right"].append(right.item())
        return loss + (each * packed.weights).sum() / packed.weights.sum() + 0.5 * named + right + 0.3 * line

    def states(self, audio: torch.Tensor, lengths: list[int], packed: Packed) -> list[torch.Tensor]:
        """Embeddings, then the output of each decoder layer (the last after the norm), each [rows * n, width]."""
        kept = torch.cat([part[:length] for part, length in zip(audio, lengths, strict=True)])
        embedded = self.model.get_input_embeddings()(packed.ids)
        out = self.model.model.language_model(
            inputs_embeds=embedded.masked_scatter((packed.ids == self.packer.audio)[..., None], kept),
            attention_mask={"full_attention": packed.mask},
            position_ids=packed.positions,
            use_cache=False,
            output_hidden_states=True,
        )
        return [state.flatten(0, 1) for state in out.hidden_states]

    def _heard_loss(self, logits: torch.Tensor, batch: list[Clip], log: dict[str, list[float]]) -> torch.Tensor:
        """Cross-entropy among the answers to each question that a clip answers."""
        losses = []
        for row, clip in zip(logits, batch, strict=True):
            for question, answer in clip.answers.items():
                own, wanted = row[SPANS[question]], _key(question, answer)
                losses.append(F.cross_entropy(own[None], torch.tensor([wanted])))
                log[f"heard {question}"].append(float(own.argmax() == wanted))
        return torch.stack(losses).mean()


def _key(question: str, answer: str) -> int:
    return QUESTIONS[question].keys.index(answer)


def _log_answers(asked: list[Asked], hits: torch.Tensor, packed: Packed, log: dict[str, list[float]]) -> None:
    """Shares of right answers by form and question; every answer is one token."""
    assert len(asked) == len(hits), "an answer has more than one token"
    for each, hit in zip(asked, hits.tolist(), strict=True):
        log[f"{'letter' if each.options else 'word'} {each.question}"].append(float(hit))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder written by training.spoken")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and model")
    parser.add_argument("--start", type=Path, help="checkpoint of an earlier stage to start from")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, default=12, help="clips a step")
    parser.add_argument("--questions", type=int, default=6, help="questions about each clip")
    parser.add_argument("--letters", type=float, default=0.7, help="share of questions answered by a letter")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=int, default=1, help="last steps, over which the rate falls to nothing")
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--threads", type=int, default=1, help="threads of each process")
    parser.add_argument("--every", type=int, default=50, help="steps between log lines; each second one saves")
    parser.add_argument("--processes", type=int, default=2, help="processes that share each batch")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "rendezvous").unlink(missing_ok=True)
    drawn = {"seed": args.seed, "batch": args.batch, "processes": args.processes}  # for training.sound_disjoint
    (args.out / "run.json").write_text(json.dumps(drawn) + "\n", encoding="utf-8")
    if args.processes == 1:
        run(0, args)
    else:
        multiprocessing.spawn(run, (args,), nprocs=args.processes)


def run(rank: int, args: argparse.Namespace) -> None:
    """One process of ``args.processes``; each takes its share of every batch."""
    torch.set_num_threads(args.threads)
    if args.processes > 1:
        rendezvous = f"file://{args.out.resolve() / 'rendezvous'}"
        distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=args.processes)
    trainer = SoundTrainer(args)
    if args.resume and (args.out / "checkpoint.pt").exists():
        trainer.load(args.out / "checkpoint.pt", resume=True)
    elif args.start:
        trainer.load(args.start, resume=False)
    share = args.batch // args.processes
    train(trainer, clips(args.seed, trainer.done, share, Spoken(args.data), rank), first=rank == 0)


def train(trainer: SoundTrainer, stream: Any, first: bool) -> None:
    """The steps of a stage; the first process writes log lines and checkpoints."""
    begun, logs = time.time(), defaultdict(list)
    for rng, batch in stream:
        if trainer.done >= trainer.args.steps:
            break
        for name, value in trainer.step(rng, batch).items():
            logs[name].append(value)
        if first and trainer.done % trainer.args.every == 0:
            means = {name: round(float(np.mean(values)), 3) for name, values in sorted(logs.items())}
            line = {"step": trainer.done, "seconds": round(time.time() - begun), **means}
            print(json.dumps(line), flush=True)
            with (trainer.args.out / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            logs.clear()
        if first and trainer.done % (2 * trainer.args.every) == 0:
            trainer.save()
    if first:
        trainer.save()


if __name__ == "__main__":
    main()

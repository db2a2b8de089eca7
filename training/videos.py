"""Draw training videos and the questions about them: ``python -m training.videos --out DIR``.

Writes ``videos.npy`` (uint8 [n, 16, 64, 64, 3]) and ``clips.pkl`` (list of ``Clip``). Scripts and questions are
perception_mini's; the seeds lie far above the benchmark's, and ``training.disjoint`` checks the videos by content.
"""

from __future__ import annotations

import argparse
import pickle
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from lens_tasks.scenes.clips.clip import Clip, render_clip
from lens_tasks.scenes.clips.perception import FAMILIES, clip_of
from lens_tasks.scenes.clips.questions import QUESTIONS
from lens_tasks.scenes.render import Pixels
from lens_tasks.scenes.world import COLOURS
from lens_tasks.tasks.perception import doc_to_text
from training.mixture import VIDEO, Turn

VIDEO_SEED = 40_000_000_000
ANSWERS = (*COLOURS, *sorted({(name, text) for name, question in QUESTIONS.items() for text in question.options}))
"""What questions are answered with, whatever the letters: the colour of an object, or an option of a question."""


def answer_number(question: str, text: str) -> int:
    """The place in ANSWERS of an option's text."""
    return ANSWERS.index((question, text) if QUESTIONS[question].options else text.split()[0])


def clip_for(number: int) -> Clip:
    """The training video of a number: the families in turn, and the plans of each in turn."""
    family = tuple(FAMILIES)[number % len(FAMILIES)]
    plans = FAMILIES[family][0].PLANS
    return clip_of(family, plans[number // len(FAMILIES) % len(plans)], VIDEO_SEED + number)


def video_turns(rng: np.random.Generator, clip: Clip) -> list[Turn]:
    """All questions about a video as perception_mini asks them; the right option's place is drawn anew each time."""
    turns = []
    for asked in clip.asked:
        options = [asked.answer, *asked.others]
        order = [int(place) for place in rng.permutation(len(options))]
        document = {"question": QUESTIONS[asked.question].text, "options": [options[place] for place in order]}
        names = [answer_number(asked.question, text) for text in (asked.answer, *document["options"])]
        turns.append(Turn(VIDEO + doc_to_text(document), "ABC"[order.index(0)], names=tuple(names)))
    return turns


def draw(number: int) -> tuple[Clip, Pixels]:
    """A training video and its frames."""
    clip = clip_for(number)
    return clip, render_clip(clip)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--videos", type=int, default=6_000, help="196,608 bytes each")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with get_context("spawn").Pool(args.workers) as pool:
        drawn = list(pool.imap(draw, range(args.videos), chunksize=50))
    np.save(args.out / "videos.npy", np.stack([frames for _, frames in drawn]))
    with (args.out / "clips.pkl").open("wb") as file:
        pickle.dump([clip for clip, _ in drawn], file)
    print(f"{len(drawn)} videos in {args.out}")


if __name__ == "__main__":
    main()

"""What perception_mini's questions give away: classifiers on the ground truth of less than the whole video.

A random forest learns from fresh videos of the same scripts and is tested on others. It is shown what
is seen in one frame, in all frames as a set (sorted by what they show), or in all frames in order. What is hidden is
not shown to it, and equal objects have no names. ``python tests/lens_tasks/scenes/blind_baselines.py`` prints the
table of docs/perception-mini.md.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import recall_score

from lens_tasks.scenes.clips.clip import FRAMES, LEAST_SEEN, MIDDLE
from lens_tasks.scenes.clips.perception import FAMILIES, clip_of
from lens_tasks.scenes.clips.questions import QUESTIONS
from lens_tasks.scenes.geometry import place
from lens_tasks.scenes.world import SHAPES

VIEWS = ("middle", "last", "set", "ordered")
MOST = 5
FRESH = 30_000_000
"""Seeds of the videos to learn from: neither the benchmark's nor the training's."""


@dataclass(frozen=True)
class Watched:
    """A video, what is seen of each of its actors, and what is seen whichever they are."""

    clip: object
    seen: np.ndarray
    scene: np.ndarray


def watched(clip):
    seen = states(clip)
    return Watched(clip, seen, nameless(seen))


def fresh_clips(each, families=tuple(FAMILIES)):
    """So many videos of every family, its plans in turn."""
    found = {}
    for family in families:
        plans, start = FAMILIES[family][0].PLANS, FRESH + 100_000 * list(FAMILIES).index(family)
        found[family] = [watched(clip_of(family, plans[n % len(plans)], start + n)) for n in range(each)]
    return found


def states(clip):
    """Float [actors, frames, 5]: seen or not, place across and down, share that is seen, shape; 0 where not seen."""
    shares = clip.seen()
    out = np.zeros((len(clip.actors), FRAMES, 5))
    for number, actor in enumerate(clip.actors):
        for frame, solid in enumerate(actor.states):
            if solid is not None and shares[number][frame] >= LEAST_SEEN:
                spot = place(solid)
                shape = 1 + SHAPES.index(solid.shape) + 3 * (solid.size == "large")
                out[number, frame] = 1.0, spot.x, spot.base, shares[number][frame], shape
    return out


def nameless(seen):
    """Float [frames, 25]: the objects of each frame from left to right, whichever they are."""
    out = np.zeros((FRAMES, MOST, 5))
    for frame in range(FRAMES):
        present = sorted((tuple(row) for row in seen[:, frame] if row[0]), key=lambda row: row[1:])
        out[frame, : len(present)] = np.asarray(present).reshape(-1, 5)
    return out.reshape(FRAMES, -1)


def viewed(channels, view):
    """What a view shows of frames [frames, n]: a single frame, or all with how much each channel differs and when."""
    if view in ("middle", "last"):
        return channels[MIDDLE if view == "middle" else -1]
    ordered = view == "ordered"
    frames = channels if ordered else channels[np.lexsort(channels.T[::-1])]
    summary = [frames.mean(0), frames.std(0), frames.min(0), frames.max(0)]
    if ordered:
        away = frames != np.median(frames, axis=0)
        time = np.arange(FRAMES)[:, None]
        summary.append((away * time).sum(0) / np.maximum(1, away.sum(0)))
    return np.concatenate([frames.ravel(), *summary])


def examples(clips, question, view):
    """Features, answers and groups: with fixed options one example a question, else one for each option."""
    rows, labels, asked_of = [], [], []
    fixed = QUESTIONS[question].options
    for video in clips:
        for asked in (each for each in video.clip.asked if each.question == question):
            seen, scene = video.seen, viewed(video.scene, view)
            if fixed:
                rows.append(scene)
                labels.append(fixed.index(asked.answer))
                asked_of.append(len(asked_of))
                continue
            names = {actor.name: number for number, actor in enumerate(video.clip.actors)}
            group = 1 + (asked_of[-1] if asked_of else -1)
            for option in (asked.answer, *asked.others):
                own = seen[names[option]] if option in names else np.zeros((FRAMES, 5))
                # rank from the left among what is seen, beside the object's own state
                rank = ((seen[..., 0] > 0) & (seen[..., 1] < own[:, 1])).sum(axis=0)[:, None]
                rows.append(np.concatenate([viewed(np.concatenate([own, rank], axis=1), view), scene]))
                labels.append(int(option == asked.answer))
                asked_of.append(group)
    return np.asarray(rows), np.asarray(labels), np.asarray(asked_of)


def accuracy(train, test, question, view, trees=100):
    """Share of the test questions that the forest answers rightly; fixed answers count equally, as in the file."""
    features, labels, _ = examples(train, question, view)
    forest = RandomForestClassifier(trees, min_samples_leaf=2, class_weight="balanced", random_state=0, n_jobs=1)
    forest.fit(features, labels)
    features, labels, group = examples(test, question, view)
    if QUESTIONS[question].options:
        return float(recall_score(labels, forest.predict(features), average="macro"))
    score = forest.predict_proba(features)[:, 1]
    # equal scores count as a guess among them
    right = []
    for number in np.unique(group):
        mine, truth = score[group == number], labels[group == number]
        best = mine == mine.max()
        right.append(float((best & (truth == 1)).sum() / best.sum()))
    return float(np.mean(right))


def majority(rows):
    """Share of questions that the most frequent answer to the same question, as a letter and as a text, gets right."""
    letters, texts = defaultdict(Counter), defaultdict(Counter)
    for row in rows:
        letters[row["question_id"]][row["answer_id"]] += 1
        texts[row["question_id"]][row["options"][int(row["answer_id"])]] += 1
    fixed = {question.id for question in QUESTIONS.values() if question.options}
    return {
        name: max(
            letters[question.id].most_common(1)[0][1],
            texts[question.id].most_common(1)[0][1] if question.id in fixed else 0,
        )
        / letters[question.id].total()
        for name, question in QUESTIONS.items()
    }


def family_of(question):
    """The family whose videos are asked a question."""
    return next(
        family for family, (module, _) in FAMILIES.items() for plan in module.PLANS
        if question in {asked.question for asked in clip_of(family, plan, FRESH - 1).asked}
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learn", type=int, default=720, help="videos of each family to learn from")
    parser.add_argument("--test", type=int, default=720, help="further ones to test on")
    args = parser.parse_args()
    videos = fresh_clips(args.learn + args.test)
    for question, each in QUESTIONS.items():
        family = videos[family_of(question)]
        cells = [f"{accuracy(family[: args.learn], family[args.learn :], question, view):.2f}" for view in VIEWS]
        print(f"| {each.id} | `{question}` | {each.need} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

"""Answers the questions of perception_mini from what is seen in each frame, in order; shares no code with the scripts.

A video is given as its document's tracks. What is masked is dropped first, and the cups are told apart by nothing but
where they stand: they are followed from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

FRAMES = 16


@dataclass(frozen=True)
class Seen:
    """One object in one frame: middle and lowest point of its box, in pixels."""

    label: str
    occluder: bool
    x: float
    y: float


def frames_of(tracks):
    """What is seen in each frame."""
    frames = [[] for _ in range(FRAMES)]
    for track in tracks:
        for box, frame, masked in zip(track["bounding_boxes"], track["frame_ids"], track["is_masked"], strict=True):
            if not masked:
                left, _, right, bottom = (64 * edge for edge in box)
                frames[frame].append(Seen(track["label"], bool(track["is_occluder"]), (left + right) / 2, bottom))
    return frames


def answer(question, tracks):
    """The answer to a question, named as in `QUESTIONS`."""
    return _READ[question](frames_of(tracks))


def _small(frame):
    return [seen for seen in frame if not seen.occluder]


def _large(frame):
    return sorted((seen for seen in frame if seen.occluder), key=lambda seen: seen.x)


def _followed(frames):
    """For each cup its places from frame 2 on; nearest neighbours, the cups numbered from left to right."""
    paths = [[cup] for cup in _large(frames[2])]
    for frame in frames[3:]:
        cups = _large(frame)
        assert len(cups) == 3
        ways = {
            order: sum(_far(path[-1], cups[i]) for path, i in zip(paths, order, strict=True))
            for order in permutations(range(3))
        }
        for path, place in zip(paths, min(ways, key=ways.get), strict=True):
            path.append(cups[place])
    return paths


def _far(one, two):
    return (one.x - two.x) ** 2 + (one.y - two.y) ** 2


def _ranks(paths, frame):
    order = sorted(range(3), key=lambda cup: paths[cup][frame].x)
    return [order.index(cup) for cup in range(3)]


_SIDE = ("left", "middle", "right")


def _start(frames):
    (hidden,) = _small(frames[0])
    cups = _large(frames[2])
    return min(range(3), key=lambda cup: abs(cups[cup].x - hidden.x))


def _cups_end(frames):
    return f"the {_SIDE[_ranks(_followed(frames), -1)[_start(frames)]]} cup"


def _swapped_first(frames):
    paths = _followed(frames)
    for frame in range(1, len(paths[0])):
        ranks = _ranks(paths, frame)
        at_rest = max(path[frame].y for path in paths) - min(path[frame].y for path in paths) < 3
        if at_rest and ranks != [0, 1, 2]:
            one, two = (_SIDE[cup] for cup in range(3) if ranks[cup] != cup)
            return f"the {one} and the {two} one"
    raise AssertionError("no cups changed places")


def _disappeared(frames):
    """Where the small object went each time it was last seen."""
    left, right = (seen.x for seen in _large(frames[0]))
    places = []
    for before, last, after in zip(frames, frames[1:], [*frames[2:], []], strict=False):
        if _small(before) and _small(last) and not _small(after):
            x, way = _small(last)[0].x, _small(last)[0].x - _small(before)[0].x
            ahead = [post for post in (left, right) if (post - x) * way > 0]
            near = min(ahead, key=lambda post: abs(post - x), default=None)
            names = {left: "behind the left cylinder", right: "behind the right cylinder", None: "outside the picture"}
            places.append(names[near])
    assert len(places) == 3
    return places


def _moves(frames):
    """For each label the frames in which it stands elsewhere than in the last but one seen state: its first place."""
    first = {seen.label: seen for seen in frames[0]}
    return {
        label: [
            number
            for number, frame in enumerate(frames)
            for seen in frame
            if seen.label == label and max(abs(seen.x - start.x), abs(seen.y - start.y)) >= 3
        ]
        for label, start in first.items()
    }


def _moved(frames, pick):
    moves = {label: numbers for label, numbers in _moves(frames).items() if numbers}
    return pick(moves, key=lambda label: moves[label][0])


def _not_moved(frames):
    (label,) = (label for label, numbers in _moves(frames).items() if not numbers)
    return label


def _meeting(frames):
    moves = {label: numbers for label, numbers in _moves(frames).items() if numbers}
    if len(moves) == 2:
        return "it hit another object"
    (mover,) = moves
    row = {number: {seen.label: seen for seen in frames[number]} for number in (0, 15)}
    target = min(
        (seen for seen in frames[15] if seen.label != mover), key=lambda seen: abs(seen.y - row[15][mover].y)
    ).label
    sides = [row[number][mover].x < row[number][target].x for number in (0, 15)]
    return "it stopped before another object" if sides[0] == sides[1] else "it passed in front of another object"


def _shown(frames):
    return list(dict.fromkeys(seen.label for frame in frames for seen in frame))


def _sides(frames):
    """Labels of small objects seen, and on which side of the large one: -1, 0 (over it) or 1."""
    (large,) = _large(frames[0])
    seen = [(each.label, each.x - large.x) for frame in frames for each in _small(frame)]
    return [(label, 0 if abs(x) < 10 else 1 if x > 0 else -1) for label, x in seen]


def _came_out(frames):
    sides = _sides(frames)
    out = [label for label, side in sides if side != sides[0][1]]
    return "nothing" if not out else "the same object" if out[0] == sides[0][0] else "another object"


def _way(frames):
    sides = {side for _, side in _sides(frames)}
    if 0 in sides:
        return "it passed in front of the large object"
    return "it passed behind the large object" if len(sides) == 2 else "it turned back before the large object"


def _first_small(frames):
    return next(seen.label for frame in frames for seen in _small(frame))


_READ = {
    "cups_end": _cups_end,
    "cups_swapped_first": _swapped_first,
    "cups_object": _first_small,
    "cups_start": lambda frames: f"the {_SIDE[_start(frames)]} cup",
    "hiding_end": lambda frames: _disappeared(frames)[-1],
    "hiding_first": lambda frames: _disappeared(frames)[0],
    "hiding_object": _first_small,
    "moved_first": lambda frames: _moved(frames, min),
    "moved_last": lambda frames: _moved(frames, max),
    "not_moved": _not_moved,
    "leftmost": lambda frames: min(frames[0], key=lambda seen: seen.x).label,
    "meeting": _meeting,
    "movers": lambda frames: str(sum(bool(numbers) for numbers in _moves(frames).values())),
    "shown": lambda frames: str(len(_shown(frames))),
    "spheres_shown": lambda frames: str(sum(label.endswith("sphere") for label in _shown(frames))),
    "shown_first": lambda frames: _shown(frames)[0],
    "came_out": _came_out,
    "way": _way,
    "came_in": _first_small,
}

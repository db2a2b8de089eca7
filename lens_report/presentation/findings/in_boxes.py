"""A map in the boxes or the track of what is asked about, beside its null: the rules and their sentences."""

from __future__ import annotations

from lens_report.measures.picture import ATTENTION, NEAR, RELATIVE, SINKLESS, WORDS, Contrast
from lens_report.measures.picture.contrasts import NULL_BOXES, NULL_TRACKS, OTHER_OBJECTS
from lens_report.presentation.document.blocks import Sentence, say
from lens_report.presentation.document.shown import Shown, count, interval, p_value, words
from lens_report.presentation.findings.rules import LEVEL

MAPS = {
    ATTENTION: "attention map",
    SINKLESS: "attention map without sinks",
    RELATIVE: "relative attention map",
    WORDS: "words' map",
    NEAR: "nearness map",
}
OWN = {NULL_BOXES: "boxes", NULL_TRACKS: "track", OTHER_OBJECTS: "track"}
"""What is held against -> what it is held against it."""
IN_NULL = {
    NULL_BOXES: "in null boxes of the same size and distance from the centre",
    NULL_TRACKS: "in null tracks, the same path at another time",
    OTHER_OBJECTS: "in the tracks of other objects of the video",
}


def above(one: Contrast) -> bool:
    """Whether the figure may be said to exceed what it is held against: by its interval and after correction."""
    return (one.difference.low or 0) > 0 and one.p_holm is not None and one.p_holm < LEVEL


def below(one: Contrast) -> bool:
    """Whether it may be said to fall short of it."""
    high = one.difference.high
    return high is not None and high < 0 and one.p_holm is not None and one.p_holm < LEVEL


def moves_nothing(one: Contrast) -> bool:
    """Whether the interval of a mask's drop over that of other tokens includes zero or lies below it."""
    return one.difference.low is not None and one.difference.low <= 0


def verdict(one: Contrast, more: str, less: str, none: str = "no difference could be shown") -> Shown:
    """What may be said of a contrast: more, less, or nothing."""
    if one.difference.low is None:
        return words(one.difference.note)
    if above(one):
        return words(more)
    if below(one):
        return words(less)
    if one.difference.excludes_zero:
        return words("the interval is apart from zero, but the difference does not hold after correction for all tests")
    return words(none)


def numbers_of(one: Contrast) -> dict[str, Shown]:
    """What every sentence about a contrast tells: both figures, their difference, samples, p after correction."""
    return {
        "own": interval(one.own, 2), "other": interval(one.other, 2), "n": count(one.difference.n),
        "gap": interval(one.difference, 2), "p": p_value(one.p_holm),
    }  # fmt: skip


def lift_sentence(one: Contrast) -> Sentence:
    """Lift beside that of null boxes, null tracks or other objects."""
    there = _there(one)
    return say(
        "The {map} has lift {own} in the {place} of what is asked about and {other} {null}; difference {gap}, p {p} "
        "after correction (n = {n}): {verdict}.",
        **numbers_of(one), map=words(MAPS[one.of]), place=words(OWN[one.against]), null=words(IN_NULL[one.against]),
        headline=True,
        verdict=verdict(one, f"it is denser there than {there}", f"it is less dense there than {there}"),
    )  # fmt: skip


def _there(one: Contrast) -> str:
    return f"in those of {one.against}" if one.against == OTHER_OBJECTS else f"in {one.against}"


def further_sentence(one: Contrast) -> Sentence:
    """Pointing or AUROC beside that of the same."""
    return say(
        "By {measure}, the {map} has {own} for the {place} and {other} for {null}; difference {gap}, p {p} after "
        "correction (n = {n}): {verdict}.",
        **numbers_of(one), measure=words(one.measure), map=words(MAPS[one.of]), place=words(OWN[one.against]),
        null=words(one.against), headline=False,
        verdict=verdict(
            one,
            f"{'the boxes are' if one.against == NULL_BOXES else 'the track is'} told from {one.against}",
            f"{one.against} are favoured",
        ),
    )  # fmt: skip


def hidden_sentence(one: Contrast) -> Sentence:
    """Lift in the frames in which what is asked about is hidden."""
    return say(
        "In the frames in which what is asked about is hidden, the {map} has lift {own} where it is and {other} in "
        "null tracks; difference {gap}, p {p} after correction (n = {n}): {verdict}.",
        **numbers_of(one), map=words(MAPS[one.of]), headline=True,
        verdict=verdict(
            one, "it is denser where the hidden object is", "it is less dense where the hidden object is"
        ),
    )  # fmt: skip


def correlation_sentence(one: Contrast) -> Sentence:
    """How the map in a track goes with what is seen, from frame to frame."""
    return say(
        "From frame to frame, the share of the {map} in the track and what is seen of the object correlate by {own}, "
        "by {other} in null tracks; difference {gap}, p {p} after correction (n = {n}): {verdict}.",
        **numbers_of(one), map=words(MAPS[one.of]), headline=False,
        verdict=verdict(one, "they go together more than there", "they go together less than there"),
    )  # fmt: skip

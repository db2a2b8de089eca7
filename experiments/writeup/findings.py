"""The five findings of the paper. Each heading is chosen by the tests behind it, so it cannot outlive them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from experiments.picture import Found, tested
from experiments.writeup.claims import Claim
from experiments.writeup.depth import existence
from experiments.writeup.hypotheses import Depths
from experiments.writeup.material import MAIN, Material
from lens_report.measures.abstention import KEPT
from lens_report.measures.curves import RIGHT
from lens_report.presentation.document.blocks import Block, Section, Sentence, paragraph, say
from lens_report.presentation.document.shown import Shown, count, interval, listed, p_value, percent, words
from lens_report.presentation.findings.rules import verdicts

Draw = Callable[[str], tuple[Block, ...]]
"""Name of one of `FIGURES` -> the figure."""
FIGURES = {
    "image": "The answer given, by layer, with its own picture and with each control picture; and the difference.",
    "concepts": "Accuracy above shuffled answers by layer, a panel for each concept, English and Russian side by side.",
    "object": "Lift of each map in the boxes of the objects asked about, and what masks of image tokens cost.",
    "errors": "How well each label-free metric ranks errors, alone and on top of final confidence, with nulls.",
    "decoders": "Accuracy of other decoders minus that of the final layer, with the answers they fix and break.",
}
"""Finding -> caption of its figure."""
OBJECT = ("masking the boxes costs more than masking null boxes", "attention of right answers is denser in the boxes")
"""How the hypotheses of `experiments.picture` begin that the third finding is about."""


def finding_sections(material: Material, depths: Depths, claims: Sequence[Claim], figure: Draw) -> tuple[Section, ...]:
    """The findings in order; one figure each."""
    picture = tested({task: one.task_run for task, one in material.of("picture").items()})
    return (
        _image(material, claims, figure("image")),
        _depth(depths, claims, figure("concepts")),
        _object(picture, figure("object")),
        _errors(material, claims, figure("errors")),
        _decoders(claims, figure("decoders")),
    )


def _of(claims: Sequence[Claim], topic: str) -> list[Claim]:
    return [one for one in claims if one.topic == topic]


def _share(kept: Sequence[object], asked: Sequence[object]) -> Mapping[str, Shown]:
    return {"k": count(len(kept)), "n": count(len(asked))}


def _image(material: Material, claims: Sequence[Claim], figure: tuple[Block, ...]) -> Section:
    asked = _of(claims, "image")
    held = [one for one in asked if one.holds and (one.estimate.value or 0) > 0]
    repeated = [one for one in held if one.repeats]
    text = paragraph(
        say(
            "Each answer was read again, teacher-forced, with a blank picture of the same size and with the picture of "
            "another document. If the model answered from the question alone, its answer would be as likely as before."
        ),
        say(
            "In {k} of {n} comparisons the log-odds of the answer fall when the picture is taken away or exchanged; "
            "{again} of them could be asked of other seeds and hold in each.",
            **_share(held, asked), again=count(len(repeated)),
        ),
        *(_image_line(one) for one in (min(held, key=_size), max(held, key=_size)) if held),
        _from_layer(material),
    )  # fmt: skip
    title = "The answers depend on the picture" if len(held) == len(asked) else "Some answers depend on the picture"
    return Section(title if held else "That the answers depend on the picture is not shown", (*text, *figure))


def _from_layer(material: Material) -> Sentence | None:
    """From which layer on right answers gain from their own picture, on the task of the figure."""
    one = material.analyses[MAIN, "clevr_mini"]
    blank = next((each for each in one.controls.controls if each.name == "blank"), None) if one.controls else None
    gain = next((line.curve for line in blank.gain if line.group == RIGHT), None) if blank else None
    if gain is None:
        return None
    below = np.flatnonzero(~(gain.low > 0))
    first = int(below[-1]) + 1 if below.size else 0
    if first >= gain.low.size:
        return None
    return say(
        "On clevr_mini right answers gain from their own picture from layer {layer} on (pointwise interval above zero "
        "there and at every later layer).",
        layer=count(int(one.task_run.layers[first])),
    )


def _size(one: Claim) -> float:
    return one.estimate.value or 0.0


def _image_line(one: Claim) -> Sentence:
    return say(
        "{task}, {what}: {estimate} nats.",
        task=words(one.task), what=words(one.what.split(", ")[-1]), estimate=interval(one.estimate, 2),
    )  # fmt: skip


def _depth(depths: Depths, claims: Sequence[Claim], figure: tuple[Block, ...]) -> Section:
    early, orders = _of(claims, "early"), _of(claims, "order")
    held, ordered = [one for one in early if one.repeats], [one for one in orders if one.holds]
    text = paragraph(
        say(
            "At each layer the leading candidate is compared with what the same leaders would score if the gold "
            "answers were shuffled; the half-way depth of a concept is where half of its final accuracy above chance "
            "is reached."
        ),
        existence(depths),
        say(
            "Which of two concepts comes first was asked for {n} pairs that had been written down before the first "
            "run; an order is shown for {k} of them. With some hundred questions of a kind only differences of several "
            "layers could have been seen.",
            **_share(ordered, orders),
        ),
    )
    title = "Existence is readable in the first half of the network"
    return Section(title if held else f"That {title[0].lower()}{title[1:]} is not shown", (*text, *figure))


def _object(found: Sequence[Found], figure: tuple[Block, ...]) -> Section:
    asked = [one for one in found if one.asked.says.startswith(OBJECT) and one.asked.family is None]
    held = [one for one in asked if one.verdict == "holds"]
    text = paragraph(
        say(
            "The scenes are generated, so it is known where the object stands that a question asks about. Two things "
            "were measured: where the attention of the position that answers lies, and what becomes of the answer when "
            "the object's image tokens are hidden from it; both beside boxes of the same size elsewhere (null boxes)."
        ),
        *(
            say(
                "{task}: {what}, by {difference} (n = {n}, corrected p {p}).",
                task=words(one.asked.task), what=words(one.asked.says), difference=interval(one.difference, 2),
                n=count(one.difference.n), p=p_value(one.p_holm),
            )
            for one in held
        ),
        say(
            "Attention is given as lift: its density in the boxes over that of a flat map. The cost of a mask is in "
            "nats of the answer's log-odds. Not everything does: {none} of {all} hypotheses about maps and masks were "
            "not shown or could not be tested, among them that relative attention is sharper than attention "
            "(docs/picture-results.md).",
            none=count(sum(one.verdict not in ("holds", "the opposite") for one in found)), all=count(len(found)),
        ),
    )  # fmt: skip
    title = "Answers depend on the objects asked about, on average"
    return Section(
        title if len(held) == len(asked) else "That answers depend on the objects asked about is shown in part",
        (*text, *figure),
    )


def _errors(material: Material, claims: Sequence[Claim], figure: tuple[Block, ...]) -> Section:
    ranked = [one for one in material.analyses.values() if one.prediction.ranking]
    adding = [one for one in ranked if verdicts(one.prediction).adding]
    associated = [one for one in ranked if verdicts(one.prediction).associated]
    unsure = _of(claims, "confidence")
    held = [one for one in unsure if one.holds and (one.estimate.value or 0) > 0]
    one = material.analyses[MAIN, "clevr_mini"]
    abstained = one.abstentions
    base = abstained.scores[0].curve
    kept = float(base.risk[int(np.abs(base.coverage - KEPT).argmin())])
    text = paragraph(
        say(
            "Published work offers readouts of the layers as signs of an error: late commitment, changes of the "
            "leading answer, a lead that is lost again. Here each is asked twice: does it rank errors, and does it "
            "still do so beside the margin of the last layer, which every model gives for free?"
        ),
        say(
            "In {a} of {n} runs and tasks with enough errors some readout ranks errors; in {b} of {n} one adds to "
            "final confidence after correction.",
            a=count(len(associated)), b=count(len(adding)), n=count(len(ranked)),
        ),
        say(
            "Final confidence itself ranks errors in {tasks} of the main run. It does not make the model right: on "
            "clevr_mini {all} of the answers are wrong, and {kept} of those kept when the least confident fifth is "
            "given up.",
            tasks=listed([claim.task for claim in held]), all=percent(abstained.n_wrong / abstained.n),
            kept=percent(kept),
        ),
    )  # fmt: skip
    title = (
        "No readout of the layers was shown to tell of errors what the last one does not"
        if not adding
        else "Whether the layers tell of errors what the last one does not differs between runs"
    )
    return Section(title, (*text, *figure))


def _decoders(claims: Sequence[Claim], figure: tuple[Block, ...]) -> Section:
    asked = _of(claims, "decoder")
    better = [one for one in asked if one.holds and (one.estimate.value or 0) > 0]
    worse = [one for one in asked if one.holds and (one.estimate.value or 0) < 0]
    text = paragraph(
        say(
            "From the records every sample can be answered again by rules that use the layers: their mean, the best of "
            "them, the last against an early one (as in DoLa), the picture against a blank one (as in visual "
            "contrastive decoding). Settings were chosen on other samples than they are judged on."
        ),
        say(
            "Of {n} comparisons with the last layer {k} gain; {worse} lose.",
            **_share(better, asked), worse=count(len(worse)),
        ),
        *(
            say(
                "{task}, {what}: {estimate} (corrected p {p}); in the seeds, which were trained on fewer kinds of "
                "questions, {seeds}.",
                task=words(one.task), what=words(one.what.removeprefix("accuracy, ")),
                estimate=interval(one.estimate, share=True), p=p_value(one.p_holm),
                seeds=words("the loss is seen again" if one.repeats else "the loss is not seen"),
            )
            for one in worse
        ),
        say(
            "A decoder that runs in the model chooses among all tokens; what the records can show is the choice "
            "among the candidates."
        ),
    )  # fmt: skip
    title = "No decoder over the layers was shown to beat the last one"
    return Section(title if not better else "Some decoders over the layers beat the last one", (*text, *figure))

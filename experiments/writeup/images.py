"""What blank and shuffled images do, errors and confidence, other decoders."""

from __future__ import annotations

from experiments.writeup.claims import Claim
from experiments.writeup.material import MAIN, Material
from lens_report.decoders import decoders
from lens_report.document.blocks import Block, Paragraph, Section, Sentence, Table, bullets, paragraph, say
from lens_report.document.shown import Shown, count, decimal, interval, listed, p_value, words
from lens_report.findings.inputs import control_blocks
from lens_report.findings.rules import verdicts
from lens_report.stats import Estimate


def image_section(material: Material, pictures: tuple[Block, ...]) -> Section:
    """The controls of the main run."""
    sections = tuple(Section(task, control_blocks(one)) for task, one in material.of(MAIN).items())
    text = paragraph(
        say(
            "Each answer was read again, teacher-forced, with a blank image of the same size and with the image of "
            "another document of another cluster."
        )
    )
    return Section("What the image does", (*text, *pictures), sections)


def prediction_section(material: Material, pictures: tuple[Block, ...]) -> Section:
    """Does anything predict errors beyond final confidence, in any run?"""
    rows: list[tuple[Shown, ...]] = []
    adding = tested = 0
    for (name, task), one in material.analyses.items():
        found = one.prediction
        if found.ranking is None:
            rows.append((words(name), words(task), count(found.n), count(found.n_wrong), *[words("–")] * 3))
            continue
        verdict = verdicts(found)
        tested += 1
        adding += bool(verdict.adding)
        base = next((each for each in found.ranking.predictors if each.column == found.confidence), None)
        rows.append(
            (
                words(name), words(task), count(found.n), count(found.n_wrong),
                interval(base.association.auroc if base else None), listed(list(verdict.associated)),
                listed(list(verdict.adding)),
            )
        )  # fmt: skip
    columns = (
        "run", "task", "samples asked", "wrong", "AUROC of final confidence", "metrics associated with errors",
        "metrics that add to final confidence",
    )  # fmt: skip
    text = paragraph(
        say(
            "A metric adds to final confidence when the interval of its cross-fitted gain in AUROC lies above zero and "
            "its regression is significant after Holm's correction over the metrics of that run and task. That was so "
            "for at least one metric in {adding} of {tested} combinations of run and task; with so many combinations "
            "a single one is no finding.",
            adding=count(adding), tested=count(tested),
        )
    )  # fmt: skip
    return Section(
        "Does any readout predict errors beyond final confidence?",
        (*text, Table("prediction", columns, tuple(rows)), *pictures),
    )


def format_section(material: Material) -> Section:
    """Format errors against knowledge errors where prompts differ."""
    rows = []
    for task in ("weird_mini", "ruclevr_mini"):
        one = material.analyses[MAIN, task]
        scores = one.scores.by_name
        rows.append(
            (
                words(task), interval(scores.get("exact_match"), share=True),
                interval(scores.get("exact_match_lenient"), share=True),
                interval(one.overview.format_errors, share=True), count(one.overview.n_wrong),
            )
        )  # fmt: skip
    columns = (
        "task",
        "strict score",
        "lenient score",
        "answers that name no candidate",
        "wrong answers among the candidates",
    )
    text = paragraph(
        say(
            "The strict score is what the benchmark reports. What lies between it and the lenient one is form: the "
            "answer named was right. Questions about errors leave both format errors and such answers out of the wrong "
            "ones."
        )
    )
    return Section("Errors of form and errors of knowledge", (*text, Table("formats", columns, tuple(rows))))


def decoder_section(material: Material) -> Section:
    """Decoders computed from the records against the final layer."""
    rows: list[tuple[Shown, ...]] = []
    for task, one in material.of(MAIN).items():
        found = decoders(one.subject)
        for each in found.outcomes:
            if each.result is None:
                rows.append((words(task), words(each.name), words(each.why_none), *[words("–")] * 5))
                continue
            chosen = (
                words(f"{each.setting} {each.chosen:g}") if each.chosen is not None and each.setting else words("–")
            )
            rows.append(
                (
                    words(task), words(each.name), chosen, count(each.result.difference.n),
                    interval(each.result.difference, share=True), p_value(each.p_holm),
                    count(each.result.b_higher), count(each.result.a_higher),
                )
            )  # fmt: skip
    columns = (
        "task", "decoder", "setting", "judged on", "accuracy minus final layer", "p (Holm within the task)",
        "mended", "broken",
    )  # fmt: skip
    text = paragraph(
        say(
            "Each decoder answers every sample anew from the recorded scores of the candidates; no model runs. "
            "Settings are chosen on two of five folds that keep images whole and judged on the other three. A decoder "
            "that ran in the model would choose among all tokens, which the records cannot show. The contrast with a "
            "blank image costs a second forward pass for each answer; the others cost a readout."
        )
    )
    return Section("Other decoders, from the records", (*text, Table("decoders", columns, tuple(rows))))


def claim_section(claims: tuple[Claim, ...]) -> Section:
    """The listed hypotheses with what came of each."""
    rows = tuple(
        (
            words(one.task), words(one.what), _shown(one, one.estimate), count(one.estimate.n), p_value(one.p),
            p_value(one.p_holm), words(_in_seeds(one)),
            words("holds, also in the seeds" if one.repeats else "holds in the main run" if one.holds else "not shown"),
            words(one.control),
        )
        for one in claims
    )  # fmt: skip
    columns = ("task", "hypothesis", "estimate", "n", "p", "p (Holm)", "in the seeds", "outcome", "control or null")
    text = paragraph(
        say(
            "The hypotheses were listed in the code before the runs were read: the order of pairs of concepts, the "
            "effect of the image, and every decoder against the final layer. Holm's correction runs over all {n} of "
            "them. A claim is repeated when every seed that can be asked has the same sign with a p below the level of "
            "its own. Decoders count as negatives when no difference was shown.",
            n=count(len(claims)),
        )
    )
    return Section("The listed hypotheses", (*text, Table("claims", columns, rows)))


def summary_blocks(claims: tuple[Claim, ...]) -> tuple[Block, ...]:
    """Findings that repeat, and what was not shown."""
    found = [one for one in claims if one.repeats]
    silent = [one for one in claims if not one.holds]
    lines: list[Sentence] = [
        say(
            "{holds} of {n} listed hypotheses hold in the main run after correction, {repeats} of them also in every "
            "seed that could be asked; {silent} were not shown.",
            holds=count(sum(one.holds for one in claims)), n=count(len(claims)), repeats=count(len(found)),
            silent=count(len(silent)),
        )
    ]  # fmt: skip
    lines += [_line(one, "Repeated in the seeds") for one in found]
    lines += [_line(one, "Main run alone") for one in claims if one.holds and not one.repeats]
    lines += [_line(one, "Not shown") for one in silent]
    blocks: tuple[Paragraph, ...] = bullets(lines)  # type: ignore[assignment]
    return blocks


def _line(one: Claim, head: str) -> Sentence:
    return say(
        "{head}, {task}: {what} is {estimate} {unit} (n = {n}, corrected p {p}; control: {control}).",
        head=words(head), task=words(one.task), what=words(one.what), estimate=_shown(one, one.estimate),
        unit=words("" if one.unit == "share" else one.unit), n=count(one.estimate.n), p=p_value(one.p_holm),
        control=words(one.control),
    )  # fmt: skip


def _in_seeds(claim: Claim) -> str:
    return "; ".join(f"{seed} {_shown(claim, one).text}" for seed, (one, _) in claim.seeds.items()) or "–"


def _shown(claim: Claim, estimate: Estimate) -> Shown:
    return interval(estimate, 2, share=claim.unit == "share")


def mass_section(material: Material) -> Section:
    """Where the method itself fails: early layers, positions that were not found."""
    rows = []
    for task, one in material.of(MAIN).items():
        mass = one.curves.mass[0].curve.mean if one.curves.mass else None
        status = one.overview.status
        rows.append(
            (
                words(task),
                *(decimal(float(mass[place]) if mass is not None else None, 3) for place in (0, 2, 4, -1)),
                listed([f"{name}: {number}" for name, number in status.items()]),
            )
        )  # fmt: skip
    columns = (
        "task",
        "mass, first layer",
        "mass, third layer",
        "mass, fifth layer",
        "mass, last layer",
        "status of samples",
    )
    text = paragraph(
        say(
            "Where all candidates together have little probability, which of them leads says little: the readout is "
            "not about the question there. Samples without an answer position carry a status and take no part above."
        )
    )
    return Section("Where the method itself fails", (*text, Table("mass", columns, tuple(rows))))

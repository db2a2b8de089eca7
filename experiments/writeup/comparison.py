"""Published figures beside those of these runs: the same question asked, never the same models."""

from __future__ import annotations

from experiments.picture import PRESENCE, presence, tested
from experiments.writeup.claims import Claim
from experiments.writeup.material import MAIN, Material
from lens_report.presentation.document.blocks import Section, Table, paragraph, say
from lens_report.presentation.document.shown import Shown, interval, words


def comparison_section(material: Material, claims: tuple[Claim, ...]) -> Section:
    """A row a published figure."""
    main, looked = material.of(MAIN), material.of("picture")
    picture = {
        (one.asked.says, one.asked.task): one
        for one in tested({task: each.task_run for task, each in looked.items()})
        if one.asked.family is None
    }
    there = dict(presence(looked["pope_mini"].task_run))
    masked = picture["masking the most attended tokens costs more than random ones", "clevr_mini"]
    contrast = next(one for one in claims if one.task == "clevr_mini" and "DoLa contrast minus" in one.what)
    blank = next(one for one in claims if one.task == "ruclevr_mini" and "image minus blank minus" in one.what)
    base = main["clevr_mini"].prediction
    entropy = next(
        (
            one.association.auroc
            for one in (looked["clevr_mini"].prediction.ranking or base.ranking).predictors  # type: ignore[union-attr]
            if one.column.endswith("attention_entropy")
        ),
        None,
    )
    rows: list[tuple[Shown, ...]] = [
        (
            words("Is a named object in the picture, from the image tokens alone"),
            words("AUROC 0.729 (internal confidence), 0.637 (log-likelihood), LLaVA-1.5-7B on captions"),
            words("arXiv 2508.19972"),
            interval(there[PRESENCE[0][0]]),
        ),
        (
            words("The same from the attention on the picture"),
            words("AUROC 0.747 (SVAR), LLaVA-1.5-7B on captions"),
            words("arXiv 2508.19972"),
            interval(there[PRESENCE[1][0]]),
        ),
        (
            words("Does sharp attention go with right answers"),
            words("correlation 0.001 [-0.034, 0.036]"),
            words("arXiv 2605.08200"),
            _labelled("AUROC of the entropy of attention for errors, clevr_mini: ", interval(entropy)),
        ),
        (
            words("What hiding the most attended image tokens costs"),
            words("8.2 to 11.3 points of accuracy, three tenths of the tokens"),
            words("arXiv 2605.08200"),
            _labelled("nats more than random tokens, clevr_mini: ", interval(masked.difference, 2)),
        ),
        (
            words("Contrasting the last layer with an early one"),
            words("gains in factuality of text models are the claim"),
            words("arXiv 2309.03883"),
            _labelled("accuracy, clevr_mini: ", interval(contrast.estimate, share=True)),
        ),
        (
            words("Contrasting the picture with a spoilt one"),
            words("captions with an object that is not there: 53.0 to 58.6 % (worse), LLaVA-1.5-7B"),
            words("arXiv 2411.16724"),
            _labelled("accuracy, ruclevr_mini: ", interval(blank.estimate, share=True)),
        ),
    ]
    text = paragraph(
        say(
            "Figures of others were measured on far larger models and on other questions, so what is "
            "compared is the direction. The full list of related work, with what each would add, stands in the "
            "appendix."
        )
    )
    columns = ("question", "published", "source", "here")
    return Section("Compared with the literature", (*text, Table("comparison", columns, tuple(rows))))


def _labelled(label: str, shown: Shown) -> Shown:
    return Shown(shown.value, f"{label}{shown.text}")

"""What was run, what it scored, and that the readout is exact."""

from __future__ import annotations

from experiments.writeup.material import Material
from lens_report.document.blocks import Block, Section, Table, paragraph, say
from lens_report.document.shown import count, decimal, interval, scientific, words


def method_section() -> Section:
    """What the lens is and is not."""
    return Section(
        "What the logit lens is, and is not",
        paragraph(
            say(
                "After each decoder block the residual stream of the position that predicts the answer is taken "
                "through the model's own final norm and output embedding, and the candidates of the question are read "
                "from it."
            ),
            say(
                "At the last block this is the model's own output, and every run checks that it is; at earlier blocks "
                "it says which answer the stream would give if the rest of the network were skipped."
            ),
            say(
                "It is a readout with a fixed linear map: an answer that it does not show may be there in another "
                "form, and an answer that it shows need not be used. Everything below is correlational."
            ),
        ),
    )


def setting_section(material: Material) -> Section:
    """Runs, scores with intervals, identity."""
    return Section(
        "What was run",
        (
            *paragraph(
                say(
                    "All runs are of one small model family trained on synthetic scenes (training/README.md), on "
                    "processors in single precision. The scores show that the method has something to read; they say "
                    "nothing about models that people use. Those are read by the same commands: "
                    "docs/reproduce-on-real-models.md."
                ),
                say(
                    "Intervals are clustered by image (by pair on WEIRD-style questions). The seeds share the vision "
                    "tower and differ in the language model's first weights and in the order of the data; they were "
                    "trained on existence and attribute questions in English only."
                ),
            ),
            _table(material),
        ),
    )


def _table(material: Material) -> Table:
    rows = []
    for (name, task), one in material.analyses.items():
        overview, last = one.overview, one.curves.accuracy
        rows.append(
            (
                words(name), words(task), count(overview.n), count(overview.n_groups), words(one.scores.main),
                interval(one.scores.score, share=True), interval(one.scores.by_name["lens verdict"], share=True),
                interval(overview.coverage, share=True), scientific(overview.worst_deviation),
                words("yes" if overview.argmax_agrees else "no"),
                decimal(float(last[0].curve.mean[-1]) if last else None, 3),
            )
        )  # fmt: skip
    columns = (
        "run", "task", "samples", "images", "score", "value", "answer right in whatever form", "read out",
        "identity: largest deviation", "first choice agrees", "gold leads at the last layer",
    )  # fmt: skip
    return Table("runs", columns, tuple(rows))


def conclusion_blocks() -> tuple[Block, ...]:
    """Nothing is concluded about other models."""
    return paragraph(say("Nothing here is claimed about a model that was not run."))

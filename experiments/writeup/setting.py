"""What was run, what it scored, and that the readout is exact."""

from __future__ import annotations

from experiments.writeup.claims import Claim
from experiments.writeup.material import Material
from lens_report.presentation.document.blocks import Section, Table, paragraph, say
from lens_report.presentation.document.shown import count, decimal, interval, scientific, words


def method_section(material: Material) -> Section:
    """What the lens is and is not."""
    overviews = [one.overview for one in material.analyses.values()]
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
                "form, and an answer that it shows need not be used. Everything below is correlational, "
                "but for the masks of image tokens."
            ),
            say(
                "The evidence that the readout is the model's own: over {n} samples of {runs} runs and tasks the "
                "logits that the lens computes at the last block differ from those that the model returned by at most "
                "{worst} of their range, and the first choice is the same in {agree} of {runs}.",
                n=count(sum(one.n for one in overviews)),
                runs=count(len(overviews)),
                worst=scientific(max((one.worst_deviation or 0.0) for one in overviews)),
                agree=count(sum(bool(one.argmax_agrees) for one in overviews)),
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


def outlook_section(claims: tuple[Claim, ...]) -> Section:
    """What to do with it."""
    decoders = [one for one in claims if one.topic == "decoder"]
    beyond = [one for one in claims if one.topic == "beyond"]
    better, adding = (sum(one.holds and (one.estimate.value or 0) > 0 for one in group) for group in (decoders, beyond))
    return Section(
        "What follows",
        paragraph(
            say(
                "For the model that was read, {better} of {n} decoders were shown to beat the final layer and {adding} "
                "of {m} readouts of the layers to add to final confidence.",
                better=count(better), n=count(len(decoders)), adding=count(adding), m=count(len(beyond)),
            ),
            None if better or adding else say(
                "The last layer's answer and its confidence are what anything new has to beat, here and, until the "
                "opposite is shown, elsewhere."
            ),
            say(
                "Whether any of this holds for a model that people use is open, and the commands that would tell are "
                "in docs/reproduce-on-real-models.md. Nothing is claimed about a model that was not run."
            ),
        ),
    )  # fmt: skip

"""Related work: what others read from the layers, and what these runs say about it."""

from __future__ import annotations

from lens_report.document.blocks import Section, Table, paragraph, say
from lens_report.document.shown import words

ROWS = (
    (
        "Interpreting GPT: the logit lens (nostalgebraist, 2020, LessWrong)",
        "hidden states through the final unembedding",
        "the readout used here",
        "here with the final norm, candidates of the question, and a check against the model's own logits",
        "",
    ),
    (
        "Eliciting Latent Predictions from Transformers with the Tuned Lens (arXiv 2303.08112)",
        "a learned affine map for each layer",
        "early layers with little candidate mass are where it would help most",
        "needs training for each model; the plain lens needs none and is exact at the end",
        "tuned maps with the same records and tests",
    ),
    (
        "DoLa: Decoding by Contrasting Layers (arXiv 2309.03883)",
        "final minus an early layer's log-probabilities",
        "computed from the records among the candidates, see the decoders",
        "the original contrasts the whole vocabulary at every step",
        "contrast only where the layers are unsettled",
    ),
    (
        "Mitigating Object Hallucinations through Visual Contrastive Decoding (arXiv 2311.16922)",
        "logits with the image minus with a distorted one",
        "image minus blank, with its strength chosen on other samples",
        "the original adds noise to the image; here it is removed",
        "the per-layer visual gain says from which layer a contrast can know anything",
    ),
    (
        "Devils in Middle Layers of Large Vision-Language Models (SVAR, arXiv 2411.16724)",
        "attention on image tokens in middle layers",
        "not recorded: the lens reads the residual stream, not attention",
        "attention says where is looked, the lens what is read",
        "both in one regression on top of final confidence",
    ),
    (
        "Interpreting and Editing Vision-Language Representations to Mitigate Hallucinations (Jiang et al., "
        "arXiv 2410.02762)",
        "internal confidence: the largest lens probability of an object over image tokens",
        "not recorded: the answer's position is read, not the image's",
        "answers where an object is seen; ours when an answer is decided",
        "image positions as a second reading position",
    ),
    (
        "GLSim: Detecting Object Hallucinations via Global-Local Similarity (arXiv 2508.19972)",
        "similarity of object token and image states",
        "not recorded",
        "a different readout; its figures are for captions, not for short answers",
        "as a label-free column beside the others, under the same test",
    ),
    (
        "Overthinking the Truth (arXiv 2307.09476)",
        "answers right in middle layers that end wrong",
        "correct-then-lost, always beside wrong-then-corrected",
        "without the mirror the share cannot be told from movement in general",
        "the two shares by question type",
    ),
)


def literature_section() -> Section:
    """The table."""
    columns = ("work", "quantity", "what these runs say", "where it differs", "what a combination would be")
    text = paragraph(
        say(
            "Titles and numbers are given so that each can be looked up. No figure of these works is compared with "
            "ours, since models, prompts and scorers differ."
        )
    )
    return Section(
        "Related work", (*text, Table("literature", columns, tuple(tuple(words(cell) for cell in row) for row in ROWS)))
    )

"""The list of all scalar metrics: what harness tables, records, reports and docs/metrics.md call them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

__all__ = ["METRICS", "Metric", "Namespace", "names"]

Namespace = Literal["label_free", "gold_based"]
Source = Literal["layers", "control", "image", "steps", "regions"]


@dataclass(frozen=True)
class Metric:
    """One scalar metric.

    Attributes:
        namespace: ``label_free`` or ``gold_based``. Only label-free metrics may be ranked as predictors of error.
        unit: ``depth`` (l / L), ``layer`` (number of a decoder block), ``nats``, ``share`` (0 to 1), ``count`` or
            ``yes/no`` (1 or 0; its mean is a share of samples), ``ratio``, ``correlation`` (-1 to 1), or
            ``sum`` (of shares, over layers).
        higher_is_better: For a model's mean; None where neither direction is better.
        definition: One line; the formula stands in docs/metrics.md.
        source: What it follows from: the ``layers`` of the answer position, a ``control``, the ``image``
            tokens, the ``steps`` written before the answer, or the ``regions`` that these are about.
    """

    namespace: Namespace
    unit: str
    higher_is_better: bool | None
    definition: str
    source: Source = "layers"


_MASKED: tuple[tuple[Namespace, str, str], ...] = (
    ("gold_based", "causal_drop", "the boxes' image tokens"),
    ("label_free", "attention_drop", "the image tokens of most attention"),
    ("label_free", "word_drop", "the image tokens where the words asked about are likeliest"),
)
_INSTEAD = (
    ("", ""),
    ("_random", ", as many random ones instead"),
    ("_null", ", those of null boxes instead"),
    ("_other", ", those of other objects of the video instead"),
)

_STEP_MAPS = {"": "Attention at a step's end", "mean_": "Attention over a step", "word_": "Words that a step states"}
_STEP_DROPS = (
    ("step_result_drop", "Drop of log p of a step's result without its boxes"),
    ("step_answer_drop", "Drop of the answer's log-odds without a step's boxes"),
    ("step_text_drop", "Drop of the answer's log-odds with another value as a step's result"),
)

_MAPS = {
    "": "Attention",
    "word_": "Words at image tokens",
    "near_": "Nearness of image tokens to the words in text",
}
_FURTHER_MAPS = {
    "sinkless_": "Attention without sinks",
    "relative_": "Attention relative to a generic prompt's",
}
_IN_BOXES = (
    ("box_lift", "ratio", "mass in the boxes over the share of tokens there"),
    ("pointing", "yes/no", "whether the largest token lies in a box"),
    ("box_auroc", "share", "AUROC of tokens in the boxes against the others"),
)
_IN_TRACKS = (
    *(("other_", name, unit, f"{what}, mean over other objects of the video") for name, unit, what in _IN_BOXES),
    ("hidden_", "box_lift", "ratio", "lift among the frames in which what is asked about is hidden"),
    ("null_hidden_", "box_lift", "ratio", "the same of the path at other times"),
    ("", "visibility_correlation", "correlation", "mass in the track with what is seen, from frame to frame"),
    ("null_", "visibility_correlation", "correlation", "the same of the path at other times"),
)

METRICS: dict[str, Metric] = {
    "commit_depth": Metric(
        "label_free", "depth", None, "Smallest depth from which the answer given leads the candidates to the end."
    ),
    "settle_depth": Metric(
        "label_free", "depth", None, "Smallest depth from which the readout stays within tau of the last layer's (JSD)."
    ),
    "flips": Metric(
        "label_free", "count", None, "Changes of the leading candidate among layers with candidate mass above theta."
    ),
    "overthinking": Metric(
        "label_free", "nats", None, "Mean entropy over the layers times the share of distinct top-1 tokens."
    ),
    "auc_pred": Metric(
        "label_free", "share", None, "Mean candidate share of the answer given over the upper half of the layers."
    ),
    "peak_layer": Metric("label_free", "layer", None, "Layer in which the probability of the answer given is highest."),
    "late_drop": Metric(
        "label_free", "share", None, "Probability of the answer given at its peak minus that at the last layer."
    ),
    "max_alt": Metric(
        "label_free", "share", None, "Highest share of any other candidate over the upper half of the layers."
    ),
    "dola_layer": Metric(
        "label_free", "layer", None, "Block of the lower half whose readout differs most from the last layer's (JSD)."
    ),
    "dola_jsd": Metric("label_free", "nats", None, "That largest divergence."),
    "final_prob": Metric("label_free", "share", None, "Candidate share of the answer given at the last layer."),
    "final_margin": Metric("label_free", "nats", None, "Score of the answer given minus the best other, last layer."),
    "vocab_commit_depth": Metric(
        "label_free", "depth", None, "No candidates: smallest depth from which the answer's token leads the vocabulary."
    ),
    "vocab_flips": Metric("label_free", "count", None, "No candidates: changes of the most likely token."),
    "vocab_auc_pred": Metric(
        "label_free", "share", None, "No candidates: mean probability of the answer's token over the upper half."
    ),
    "vocab_final_prob": Metric(
        "label_free", "share", None, "No candidates: probability of the answer's token at the last layer."
    ),
    "visual_gain": Metric(
        "label_free",
        "nats",
        None,
        "Final log-odds of the answer given with the image minus with a blank image.",
        "control",
    ),
    "image_confidence": Metric(
        "label_free",
        "share",
        None,
        "Internal confidence: probability of the words asked about at image tokens.",
        "image",
    ),
    "svar": Metric("label_free", "sum", None, "Attention of the answer to image tokens, summed over layers.", "image"),
    "image_mass": Metric(
        "label_free", "share", None, "Attention of the answer to image tokens, mean over layers.", "image"
    ),
    "attention_entropy": Metric(
        "label_free", "nats", None, "Entropy of the answer's attention over image tokens.", "image"
    ),
    "attention_sinks": Metric(
        "label_free", "count", None, "Image tokens that are attention sinks in the middle layers.", "image"
    ),
    "sinkless_svar": Metric("label_free", "sum", None, "SVAR without attention sinks.", "image"),
    "sinkless_attention_entropy": Metric(
        "label_free", "nats", None, "Entropy of the answer's attention over image tokens that are no sinks.", "image"
    ),
    "relative_attention_entropy": Metric(
        "label_free", "nats", None, "Entropy of the attention relative to a generic prompt's.", "image"
    ),
    "commit_step": Metric(
        "label_free", "count", None, "Steps after which the forced answer is, and stays, the answer given.", "steps"
    ),
    "steps_after_commit": Metric("label_free", "count", None, "Steps written after that one.", "steps"),
    "flips_over_steps": Metric(
        "label_free", "count", None, "Steps after which the forced answer is another one than before.", "steps"
    ),
    "answer_without_thinking": Metric(
        "label_free", "yes/no", None, "The answer forced without any step is the answer given.", "steps"
    ),
    "written_steps": Metric("label_free", "count", None, "Steps written before the answer.", "steps"),
    "right_without_thinking": Metric(
        "gold_based", "yes/no", True, "The answer forced without any step is right.", "steps"
    ),
    "first_correct_layer": Metric(
        "gold_based", "layer", None, "First layer where gold leads, with mass above theta, for m layers in a row."
    ),
    "stable_correct_layer": Metric("gold_based", "layer", None, "First layer from which gold leads to the end."),
    "emerged": Metric("gold_based", "yes/no", True, "Whether there is a first correct layer."),
    "stable_emerged": Metric("gold_based", "yes/no", True, "Whether gold leads at the last layer."),
    "correct_then_lost": Metric(
        "gold_based", "yes/no", False, "Gold led clearly for m layers in a row, and the answer is wrong."
    ),
    "wrong_then_corrected": Metric(
        "gold_based", "yes/no", None, "A wrong candidate led clearly for m layers in a row, and the answer is right."
    ),
    "never_correct": Metric("gold_based", "yes/no", False, "Gold led in no layer with mass above theta."),
    **{
        f"{null}{kind}{name}": Metric("gold_based", unit, None if null else True, f"{of}: {what}{where}.", "image")
        for kind, of in {**_MAPS, **_FURTHER_MAPS}.items()
        for name, unit, what in _IN_BOXES
        for null, where in (("", ""), ("null_", ", mean over null boxes"))
    },
    **{
        f"{null}{kind}step_{name}": Metric(
            "gold_based", unit, None if null else True, f"{of}: {what}{where}.", "regions"
        )
        for kind, of in _STEP_MAPS.items()
        for name, (_, unit, what) in zip(("lift", "pointing", "auroc"), _IN_BOXES, strict=True)
        for null, where in (("", ""), ("null_", ", in other steps' boxes"))
    },
    **{
        f"{name}{suffix}": Metric("gold_based", "nats", None, f"{what}{instead}, mean over steps.", "regions")
        for name, what in _STEP_DROPS
        for suffix, instead in (("", ""), ("_null", ", under its null"))
    },
    **{
        f"{null}{kind}{name}": Metric("gold_based", unit, None, f"{of}: {what}.", "image")
        for kind, of in _MAPS.items()
        for null, name, unit, what in _IN_TRACKS
    },
    **{
        f"{name}{suffix}": Metric(namespace, "nats", None, f"Drop of the log-odds without {what}{as_many}.", "image")
        for namespace, name, what in _MASKED
        for suffix, as_many in _INSTEAD
        if name == "causal_drop" or suffix in ("", "_random")
    },
}


@cache
def names(namespace: Namespace, source: Source | None = None) -> tuple[str, ...]:
    """The metrics of one name space, all or those of one source, in the order of ``METRICS``."""
    return tuple(
        name for name, metric in METRICS.items() if metric.namespace == namespace and source in (None, metric.source)
    )

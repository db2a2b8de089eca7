"""What a decoder would cost at run time, from the run's description."""

from __future__ import annotations

from dataclasses import dataclass

from lens_report.measures.decoders.readouts import Readouts
from lens_report.stats.results import join_notes
from lens_results import RunInfo


@dataclass(frozen=True)
class Cost:
    """What a decoder needs beyond the model's own answer.

    Attributes:
        words: In words.
        readouts: Layers whose norm and output embedding are computed in addition, for each token of the answer.
        forward_passes: Forward passes over the prompt in addition, for each sample.
        megaflop: 2 x hidden size x vocabulary x `readouts`, in millions, for each token of the answer; None where the
            run does not say how large the model is.
        seconds: Measured seconds a sample of the forward passes in addition; None where the run does not say.
    """

    words: str
    readouts: int
    forward_passes: int
    megaflop: float | None
    seconds: float | None = None


def cost(name: str, setting: float | None, readout: Readouts, info: RunInfo) -> Cost:
    """The cost of a decoder by its name, with the setting that was chosen (None where none is)."""
    upper, lower = int(readout.upper.sum()), int(readout.lower.sum())
    early = setting is not None and setting < readout.n_layers
    layers, passes, words, seconds = {
        "mean of the upper layers": (upper - 1, 0, "output embedding of the upper layers as well", None),
        "best layer": (
            0,
            0,
            "nothing: the blocks after that layer need not run" if early else "nothing",
            None,
        ),
        "DoLa contrast": (lower, 0, "output embedding of the lower layers as well", None),
        "DoLa contrast, fixed layer": (1, 0, "output embedding of one more layer", None),
        "image minus blank": (0, 1, "a second forward pass with a blank image, for prompt and answer", _measured(info)),
    }[name]
    if layers > 0:
        words = join_notes(words, "norm and matrix product, no further blocks")
    width, vocabulary = info.model.hidden_size, info.model.vocab_size
    megaflop = None if width is None or vocabulary is None else 2e-6 * width * vocabulary * layers
    return Cost(words, layers, passes, megaflop, seconds)


def _measured(info: RunInfo) -> float | None:
    """Seconds a sample of the blank control, where the run measured them."""
    spent = info.control_cost.get("blank") or {}
    try:
        seconds, samples = float(spent["seconds"]), float(spent["samples"])
    except (KeyError, TypeError, ValueError):
        return None
    return seconds / samples if samples > 0 else None

"""What other decoders would have answered, computed from recorded candidate scores without running a model again.

`decoders(subject)` answers every sample anew with each rule of `lens_report.decoders.rules` and compares it with the
final layer, pair by pair; `abstentions(subject)` looks at giving up answers when the layers are unsettled. Everything
is restricted to the candidates: a decoder that ran in the model would choose among all tokens.
"""

from __future__ import annotations

from lens_report.decoders.abstention import Abstention, Abstentions, abstentions
from lens_report.decoders.comparison import Decoders, Outcome, decoders
from lens_report.decoders.cost import Cost, cost
from lens_report.decoders.readouts import Readouts, log_shares, readouts
from lens_report.decoders.rules import FINAL, RULES, Rule

__all__ = [
    "FINAL",
    "RULES",
    "Abstention",
    "Abstentions",
    "Cost",
    "Decoders",
    "Outcome",
    "Readouts",
    "Rule",
    "abstentions",
    "cost",
    "decoders",
    "log_shares",
    "readouts",
]

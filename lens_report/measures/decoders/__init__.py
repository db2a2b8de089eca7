"""What other decoders would have answered, computed from recorded candidate scores without running a model again.

Everything is restricted to the candidates: a decoder that ran in the model would choose among all tokens.
"""

from __future__ import annotations

from lens_report.measures.decoders.comparison import Decoders, Outcome, decoders
from lens_report.measures.decoders.readouts import Readouts, log_shares, readouts
from lens_report.measures.decoders.rules import RULES, Rule

__all__ = ["RULES", "Decoders", "Outcome", "Readouts", "Rule", "decoders", "log_shares", "readouts"]

"""What a model's attention looks at: the weights of the predicting position, from the queries and keys it used."""

from .observing import AttentionCall, attention_observed
from .proof import AttentionReport, prove_attention
from .sinks import Sinks, SinkWatch
from .weights import UnreadableMaskError, last_weights

__all__ = [
    "AttentionCall",
    "AttentionReport",
    "SinkWatch",
    "Sinks",
    "UnreadableMaskError",
    "attention_observed",
    "last_weights",
    "prove_attention",
]

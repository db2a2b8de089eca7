"""Records of a model behind a server: no layers, but its text and the log-probabilities of its likeliest tokens.

arguments    what a user may ask of such a run
tokens       the tokens of a response as a server gives them, and the one at which an answer is decided
output       the distribution at that token: the candidates' shares where the tokens that are listed determine them
reading      an answer and what the server gave with it -> a record
description  which model, which server, which settings: the description of a run
"""

from .arguments import SERVED_ARGUMENTS, ServedOptions, take_served_options
from .description import ServedModel
from .reading import ServedAnswer, ServedReader

__all__ = [
    "SERVED_ARGUMENTS",
    "ServedAnswer",
    "ServedModel",
    "ServedOptions",
    "ServedReader",
    "take_served_options",
]

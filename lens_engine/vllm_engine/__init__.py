"""The engine of vLLM: its own client answers, and its workers read the layers.

client.py    the client as a harness's own code calls it, with each request marked for the workers
engine.py    samples in, generations and scores out
lens.py      what the workers say of their layers, in the form in which the engine asks a lens
"""

from .arguments import client_arguments
from .client import MarkingClient
from .engine import VllmEngine, VllmPrompts
from .lens import WORKER, VllmLens

__all__ = ["WORKER", "MarkingClient", "VllmEngine", "VllmLens", "VllmPrompts", "client_arguments"]

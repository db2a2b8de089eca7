"""One answered prompt from end to end: samples and media in; answers, observations and records out."""

from .engine import Engine, Generation
from .media import Media
from .recording import Recording
from .sample import Request, Sample
from .session import Session
from .transformers_engine import TransformersEngine

__all__ = ["Engine", "Generation", "Media", "Recording", "Request", "Sample", "Session", "TransformersEngine"]

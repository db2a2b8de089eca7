"""One answered prompt from end to end: samples and media in; answers, observations and records out."""

from .answer import Answer, NotReadError
from .api import VisionLanguageModel, load
from .engine import Engine, Generation
from .media import Media
from .recording import Recording
from .sample import Request, Sample
from .session import Session
from .transformers_engine import TransformersEngine

__all__ = [
    "Answer",
    "Engine",
    "Generation",
    "Media",
    "NotReadError",
    "Recording",
    "Request",
    "Sample",
    "Session",
    "TransformersEngine",
    "VisionLanguageModel",
    "load",
]

"""One answered prompt from end to end: samples and media in; answers, observations and records out.

The modules in the order of a sample's way, which docs/architecture.md draws:

    sample, media, media_kinds              what is asked, beside which images, and what the answer is compared with
    session, batching, record_cache         requests in batches, or with the answer and record of an earlier run
    ahead                                   the next batch is made and encoded while the model answers one
    engine, transformers_engine, prompts    a model answers and scores while probes observe it
    encoding_guard                          which document an error of encoding is about
    recording, reading                      the records of one evaluation, made of answers and observations
    position, candidates, choices           where the answer stands, and the tokens that are compared there
    forced_candidates, controls/            scores of whole sequences; the answer under other images, or without tokens
    observations, image_maps                what probes observed of a sample; maps over its image tokens and its boxes
    records, failures, recorder, table      one record, why it has no readout, its way to disk, its values in a table
    sharing                                 what a model need not compute twice, where the user asks for it
    opening, options, model_arguments       what a user asks for: a checkpoint, the lens's settings
    placement, description                  on which device; what defines the numbers of a run
    api, question, answer                   the Python API
    directions                              from one set of prompts to another in the residual stream
    lens_states, lens_learning              what a lens is learnt from; learning and measuring one
    plots, picture_map                      its heat maps: top tokens by layer, image tokens in the picture
"""

from .answer import Answer, NotReadError
from .api import VisionLanguageModel, load
from .directions import save_directions
from .engine import Engine, Generation, Lens
from .media import Media
from .recording import Recording, lens_recording
from .sample import Request, Sample
from .session import Session
from .transformers_engine import TransformersEngine

__all__ = [
    "Answer",
    "Engine",
    "Generation",
    "Lens",
    "Media",
    "NotReadError",
    "Recording",
    "Request",
    "Sample",
    "Session",
    "TransformersEngine",
    "VisionLanguageModel",
    "lens_recording",
    "load",
    "save_directions",
]

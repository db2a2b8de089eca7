"""How a layer is turned into what the model's unembedding reads. docs/lenses.md, docs/adding-a-lens.md.

protocol        what a lens is; the last layer stays as it is
words           `lens_kind=NAME`, `NAME:FOLDER` or `FOLDER`; a new lens is one line in `LENSES`
affine          tuned and Jacobian lens: h + A h + b, apart for text and image tokens
quality         divergence from the last layer on held-out data, and what is refused
files           lens folders; published: those of the package tuned-lens
model_values    to which model a folder belongs
states          the residual stream of a run at all layers and positions, which a lens is learnt from
tuned, jacobian, measuring   how a lens is learnt, and how good it is
"""

from .affine import IMAGE, TEXT, AffineLens, AffineMaps, claims_refused
from .files import KINDS as LEARNT
from .protocol import Lens, logit_lens, require_last_layer, told_of
from .quality import ANSWER, HeldOut, problem_of
from .words import LENSES, lens_name, make_lens

__all__ = [
    "ANSWER",
    "IMAGE",
    "LEARNT",
    "LENSES",
    "TEXT",
    "AffineLens",
    "AffineMaps",
    "HeldOut",
    "Lens",
    "claims_refused",
    "lens_name",
    "logit_lens",
    "make_lens",
    "problem_of",
    "require_last_layer",
    "told_of",
]

"""What may be changed while a model runs. A new intervention is one file here and one line in `INTERVENTIONS`.

protocol.py         what an intervention is; strength 0 is the plain run, bit for bit
host.py             the model that it is made for
model_output.py     interventions on the logits, made of the layers' own
second_run.py       further runs of the model, with caches of their own and unseen
second_stream.py    interventions on the logits, made of a second run over other pictures
prompt.py           where pictures stand in a prompt, and second runs over another one
on_pictures.py      interventions that know where pictures stand
image_attention.py  interventions on the attention to pictures
mlps.py             the MLPs of the blocks
crop_window.py      which part of a picture a map of it points at
insertion.py        interventions that put image tokens into the sequence again
reentry.py          whether image tokens that come again are what they were in the prompt
adaptvis.py, crop.py, deco.py, dola.py, early_exit.py, icd.py, icot.py, memvr.py, pai.py, selecting.py, steer.py,
vcd.py, vista.py
words.py            `lens_intervene=NAME:STRENGTH:SETTING=VALUE+...`
"""

from .adaptvis import AdaptVis
from .crop import Crop
from .deco import Deco
from .dola import Dola
from .early_exit import EarlyExit
from .host import Host
from .icd import Icd
from .icot import Icot
from .insertion import Insertion
from .memvr import Memvr
from .model_output import LogitIntervention
from .pai import Pai
from .protocol import Intervention, NoIntervention, bound, changed, settings_of
from .second_stream import SecondStream
from .selecting import Select
from .steer import Steer
from .vcd import Vcd
from .vista import Vista
from .words import INTERVENTIONS, interventions_of

__all__ = [
    "INTERVENTIONS",
    "AdaptVis",
    "Crop",
    "Deco",
    "Dola",
    "EarlyExit",
    "Host",
    "Icd",
    "Icot",
    "Insertion",
    "Intervention",
    "LogitIntervention",
    "Memvr",
    "NoIntervention",
    "Pai",
    "SecondStream",
    "Select",
    "Steer",
    "Vcd",
    "Vista",
    "bound",
    "changed",
    "interventions_of",
    "settings_of",
]

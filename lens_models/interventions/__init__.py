"""What may be changed while a model runs. A new intervention is one file here and one line in `INTERVENTIONS`.

protocol.py       what an intervention is; strength 0 is the plain run, bit for bit
model_output.py   interventions on the logits, made of the layers' own
second_stream.py  interventions on the logits, made of a second run's
dola.py, deco.py, early_exit.py, steer.py, vcd.py
words.py          `lens_intervene=NAME:STRENGTH:SETTING=VALUE+...`
"""

from .deco import Deco
from .dola import Dola
from .early_exit import EarlyExit
from .model_output import LogitIntervention
from .protocol import Intervention, NoIntervention, bound, changed, settings_of
from .second_stream import SecondStream
from .steer import Steer
from .vcd import Vcd
from .words import INTERVENTIONS, interventions_of

__all__ = [
    "INTERVENTIONS",
    "Deco",
    "Dola",
    "EarlyExit",
    "Intervention",
    "LogitIntervention",
    "NoIntervention",
    "SecondStream",
    "Steer",
    "Vcd",
    "bound",
    "changed",
    "interventions_of",
    "settings_of",
]

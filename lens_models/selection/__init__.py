"""Selection of image tokens: which parts of a picture a position of the text is about.

selector.py     scores of image tokens, learnt for a frozen model
fit.py          the learning, step by step
files.py        `selector.safetensors` and `selector.json`
"""

from .files import brought_selector, read_selector, write_selector
from .fit import SelectorFit, SelectorRecipe, Shown
from .selector import ANSWER, STEPS, Selector

__all__ = [
    "ANSWER",
    "STEPS",
    "Selector",
    "SelectorFit",
    "SelectorRecipe",
    "Shown",
    "brought_selector",
    "read_selector",
    "write_selector",
]

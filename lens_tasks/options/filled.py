"""Options that a template of the document writes into its prompt: `A. {option_a}`, filled from `inputs.option_a`.

All data sets of MERA with options have this form. It says for certain what the options are, whatever stands in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import ascii_lowercase
from typing import Any

from lens_tasks.documents import nested
from lens_tasks.options.lists import ALPHABETS, FROM_ONE, Option, OptionList, line_breaks

__all__ = ["filled_options"]

_KEY = r"(?<![\w{])(?P<key>[A-Za-zА-Яа-яЁё]|\d{1,2})[*_`]{0,3}[ \t]*[.):\]、-]?[*_`]{0,3}\s*"


def filled_options(doc: Mapping[str, Any]) -> OptionList | None:
    """The options of a document whose `instruction` has places for `inputs.option_a`, `inputs.option_b`, ...

    None where there are fewer than two, or where their keys in the instruction are no row of letters or numbers.
    `start` and `end` are 0: places in the prompt are not looked for.
    """
    instruction, inputs = doc.get("instruction"), doc.get("inputs")
    if not isinstance(instruction, str) or not isinstance(inputs, Mapping):
        return None
    template, options = line_breaks(instruction), []
    for letter in ascii_lowercase:
        name = f"option_{letter}"
        text = nested(inputs, name)
        place = re.search(_KEY + re.escape("{" + name + "}"), template)
        if place is None or text is None or not str(text).strip():
            break
        options.append(Option(place["key"].upper(), str(text).strip(), place["key"]))
    kinds = {**ALPHABETS, "numbers": (FROM_ONE,)}
    for kind, orders in kinds.items():
        if len(options) > 1 and any([option.key for option in options] == order[: len(options)] for order in orders):
            return OptionList(tuple(options), 0, 0, kind)
    return None

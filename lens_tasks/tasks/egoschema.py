"""EgoSchema: five options, and the place of the right one as a number from 0, written as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lens_tasks.documents import cluster_of
from lens_tasks.options.candidates import option_candidates
from lens_tasks.options.lists import Option
from lens_tasks.target_types import AnswerTarget, TargetError

TASK_NAME = re.compile(r"(^|_)egoschema(_|$)", re.IGNORECASE)
COLUMNS = ("option", "answer")
_KEYED = re.compile(r"\s*([A-Z])[.):]\s*(.*)", re.DOTALL)


def target(doc: Mapping[str, Any], gold: object = None) -> AnswerTarget:
    """The options by their letters; no gold answer where the answers are kept by the benchmark's server.

    Raises:
        TargetError: the options are not lettered in order, or the answer is the place of none of them.
    """
    written = [_KEYED.fullmatch(str(option)) for option in doc["option"]]
    options = [Option(match[1], match[2].strip()) for match in written if match]
    keys = [option.key for option in options]
    if len(options) != len(written) or keys != list("ABCDEFGH"[: len(keys)]):
        raise TargetError(f"expected options A., B., C., ..., found {list(doc['option'])}")
    candidates = option_candidates(options, cyrillic=False)
    answer = str(doc["answer"] if gold is None else gold).strip()
    label = None
    if re.fullmatch(r"\d+", answer):
        if int(answer) >= len(keys):
            raise TargetError(f"the answer {answer!r} is the place of none of {len(keys)} options")
        label = keys[int(answer)]
    return AnswerTarget(
        candidates=candidates,
        gold=label,
        gold_texts=() if label is None else (label,),
        cluster=cluster_of(doc),
        source="egoschema",
    )

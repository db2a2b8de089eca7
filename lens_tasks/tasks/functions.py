"""What the `!function` tags of the tasks' YAML files name, for both harnesses.

The YAML files say `utils.NAME`: each folder of them has a `utils.py` that takes its names from here, because lm-eval
0.4.9, which the MERA fork is built on, knows no other place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lens_tasks.folders import MINIS
from lens_tasks.tasks.clevr import process_results as clevr_process_results
from lens_tasks.tasks.clevr_release import prepared_validation
from lens_tasks.tasks.mera import (
    doc_to_image,
    doc_to_messages,
    doc_to_text,
    lift_images,
    ruclevr_process_results,
    rucommonvqa_process_results,
    weird_process_results,
)
from lens_tasks.tasks.mera import prompt as doc_to_prompt
from lens_tasks.tasks.perception import doc_to_text as perception_to_text
from lens_tasks.tasks.perception import doc_to_visual as perception_to_visual
from lens_tasks.tasks.perception import process_results as perception_process_results
from lens_tasks.tasks.pope import (
    aggregate_accuracy,
    aggregate_f1_score,
    aggregate_precision,
    aggregate_recall,
    aggregate_yes_ratio,
)
from lens_tasks.tasks.pope import doc_to_prompt as question_to_prompt
from lens_tasks.tasks.pope import doc_to_text as question_to_text
from lens_tasks.tasks.pope import doc_to_visual as question_to_visual
from lens_tasks.tasks.pope import process_results as pope_process_results
from lens_tasks.tasks.reasoning import doc_to_prompt as reasoning_to_prompt
from lens_tasks.tasks.reasoning import doc_to_text as reasoning_to_text
from lens_tasks.tasks.reasoning import process_results as reasoning_process_results
from lens_tasks.tasks.reasoning import prompt_without_steps as direct_to_prompt
from lens_tasks.tasks.reasoning import text_without_steps as direct_to_text
from lens_tasks.tasks.repope import row_relabeller
from lens_tasks.tasks.sound import doc_to_audio as sound_to_audio
from lens_tasks.tasks.sound import doc_to_prompt as sound_to_prompt
from lens_tasks.tasks.sound import doc_to_text as sound_to_text
from lens_tasks.tasks.sound import process_results as sound_process_results

__all__ = [
    "aggregate_accuracy",
    "aggregate_f1_score",
    "aggregate_precision",
    "aggregate_recall",
    "aggregate_yes_ratio",
    "clevr_process_results",
    "direct_to_prompt",
    "direct_to_text",
    "doc_to_image",
    "doc_to_messages",
    "doc_to_prompt",
    "doc_to_text",
    "lift_images",
    "perception_process_results",
    "perception_to_text",
    "perception_to_visual",
    "pope_process_results",
    "question_to_prompt",
    "question_to_text",
    "question_to_visual",
    "reasoning_process_results",
    "reasoning_to_prompt",
    "reasoning_to_text",
    "ruclevr_process_results",
    "rucommonvqa_process_results",
    "sound_process_results",
    "sound_to_audio",
    "sound_to_prompt",
    "sound_to_text",
    "weird_process_results",
]

_USER_DATA: dict[str, Callable[[], Any]] = {"clevr_validation": prepared_validation, "repope_rows": row_relabeller}


def __getattr__(name: str) -> Any:
    """Values that depend on files, looked up when a task's YAML is read.

    `clevr_validation`: path of the prepared CLEVR file. `repope_rows`: a `process_docs` function. A missing file must
    be reported here: once a harness loads the data, it retries five times and hides the message.
    `pope_mini`, `weird_mini_shots`, ...: path of a bundled file, since lm-eval reads `data_files` relative to the
    working folder.
    """
    if name in _USER_DATA:
        return _USER_DATA[name]()
    if (MINIS / f"{name}.parquet").is_file():
        return str(MINIS / f"{name}.parquet")
    raise AttributeError(name)

"""Names for the `!function` tags of the YAML files beside this module; the code is in the package.

A sibling module is needed because lm-eval 0.4.9, which the MERA fork is built on, knows no other place.
"""

from lens_tasks.clevr_task import process_results as clevr_process_results
from lens_tasks.mera import (
    doc_to_image,
    lift_images,
    ruclevr_process_results,
    rucommonvqa_process_results,
    weird_process_results,
)
from lens_tasks.mera import prompt as doc_to_prompt
from lens_tasks.pope_task import (
    aggregate_accuracy,
    aggregate_f1_score,
    aggregate_precision,
    aggregate_recall,
    aggregate_yes_ratio,
)
from lens_tasks.pope_task import doc_to_prompt as question_to_prompt
from lens_tasks.pope_task import doc_to_visual as question_to_visual
from lens_tasks.pope_task import process_results as pope_process_results

__all__ = [
    "aggregate_accuracy",
    "aggregate_f1_score",
    "aggregate_precision",
    "aggregate_recall",
    "aggregate_yes_ratio",
    "clevr_process_results",
    "doc_to_image",
    "doc_to_prompt",
    "lift_images",
    "pope_process_results",
    "question_to_prompt",
    "question_to_visual",
    "ruclevr_process_results",
    "rucommonvqa_process_results",
    "weird_process_results",
]

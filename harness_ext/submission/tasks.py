"""Which file of the archive takes the answers of which task, its modality, and how MERA numbers its documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "MODALITIES",
    "TASK_FILES",
    "base_task",
    "document_id",
    "file_of",
    "names_of",
    "place_of",
    "tasks_of",
    "with_task_files",
]

_DOMAINS: dict[str, tuple[str, ...]] = {
    "UniScienceVQA": (
        "unisciencevqa_applied_sciences",
        "unisciencevqa_business",
        "unisciencevqa_cultural_studies",
        "unisciencevqa_fundamental_sciences",
        "unisciencevqa_social_sciences",
        "unisciencevqa_health_and_medicine",
    ),
    "SchoolScienceVQA": (
        "schoolsciencevqa_biology",
        "schoolsciencevqa_chemistry",
        "schoolsciencevqa_physics",
        "schoolsciencevqa_earth_science",
        "schoolsciencevqa_history_all",
        "schoolsciencevqa_history_ru",
        "schoolsciencevqa_economics",
    ),
    "ruNaturalScienceVQA": (
        "runaturalsciencevqa_biology",
        "runaturalsciencevqa_chemistry",
        "runaturalsciencevqa_physics",
        "runaturalsciencevqa_earth_science",
    ),
}
_SINGLE = (
    "AQUARIA", "CommonVideoQA", "LabTabVQA", "RealVideoQA", "RealVQA", "ruCLEVR", "ruCommonVQA", "ruEnvAQA",
    "ruHHH_Image", "ruHHH_Video", "ruMathVQA", "ruSLUn", "WEIRD",
)  # fmt: skip
_RUTIE = {"rutie_vision": "ruTiE_Image", "rutie_audio": "ruTiE_Audio"}
_WAYS = ("", "_gen", "_default")

TASK_FILES: dict[str, str] = {
    **{name.lower(): name for name in _SINGLE},
    **{task: name for name, tasks in _DOMAINS.items() for task in tasks},
    **{task + way: name for task, name in _RUTIE.items() for way in _WAYS},
}
"""Task name in the harness -> name of its file in the archive, without `.json`; domains in MERA's order."""

MODALITIES: dict[str, tuple[str, ...]] = {
    "image": (
        "ruCommonVQA", "ruCLEVR", "WEIRD", "ruNaturalScienceVQA", "LabTabVQA", "RealVQA", "ruHHH_Image", "ruMathVQA",
        "ruTiE_Image", "SchoolScienceVQA", "UniScienceVQA",
    ),
    "audio": ("ruEnvAQA", "ruSLUn", "AQUARIA", "ruTiE_Audio"),
    "video": ("CommonVideoQA", "RealVideoQA", "ruHHH_Video"),
}  # fmt: skip
"""Modality -> its files, in the order of the tables in MERA's README: public tasks, then private ones."""


def with_task_files(own: Mapping[str, str] | None) -> dict[str, str]:
    """`TASK_FILES` with a user's own tasks in the place of those that the same files take otherwise."""
    own = own or {}
    return {**{task: name for task, name in TASK_FILES.items() if name not in own.values()}, **own}


def file_of(task: str, files: Mapping[str, str]) -> str | None:
    """The file for a task's answers, or None for a task that is not MERA's."""
    return files.get(task) or files.get(task.lower())


def base_task(task: str) -> str:
    """The task itself; for those of ruTiE, which ask the same questions in three ways, the name that they share."""
    return next((own for own in _RUTIE for way in _WAYS if task.lower() == own + way), task)


def tasks_of(file: str, files: Mapping[str, str]) -> tuple[str, ...]:
    """The tasks whose answers one file takes together, each under its base task."""
    return tuple(dict.fromkeys(base_task(task) for task, name in files.items() if name == file))


def names_of(base: str, files: Mapping[str, str]) -> tuple[str, ...]:
    """The names under which a base task is run, in lower case."""
    return tuple(dict.fromkeys(task.lower() for task in files if base_task(task) == base))


def place_of(task: str, files: Mapping[str, str]) -> int:
    """The place of a task in MERA's order, which is that of the answers in a file of several domains."""
    names = list(files)
    return names.index(task if task in files else task.lower())


def document_id(doc: Any) -> int | None:
    """`meta.id` of a document, or None where it is not in MERA's form.

    ruTiE's documents without an id are numbered by dialogue and question, as MERA's packer does.
    """
    meta = doc.get("meta") if isinstance(doc, Mapping) else None
    if not isinstance(meta, Mapping):
        return None
    if meta.get("id") is not None:
        return _whole(meta["id"])
    question, dialogue = _whole(meta.get("question_id")), _whole(meta.get("dialog_id"))
    return None if question is None or dialogue is None else question + 500 * dialogue + 11


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None

from __future__ import annotations

import doctest
from pathlib import Path

import yaml

import lens_tasks.surface
from lens_tasks.folders import FOLDER_VARIABLE, lmms_eval_tasks
from lens_tasks.tasks.clevr_release import HOME as CLEVR_HOME
from lens_tasks.tasks.repope import HOME as REPOPE_HOME
from lens_tasks.tasks.repope import LABELS_VARIABLE

DOCS = Path(__file__).parents[2] / "docs"


def test_the_session_in_the_guide_runs():
    results = doctest.testfile(str(DOCS / "adding-a-task.md"), module_relative=False)
    assert results.attempted > 2
    assert results.failed == 0


def test_the_examples_in_docstrings_run():
    results = doctest.testmod(lens_tasks.surface)
    assert results.attempted >= 2
    assert results.failed == 0


def test_every_task_metric_and_setting_is_documented():
    text = (DOCS / "tasks.md").read_text(encoding="utf-8")
    names = [FOLDER_VARIABLE, LABELS_VARIABLE, CLEVR_HOME, REPOPE_HOME]
    for path in lmms_eval_tasks().glob("*.yaml"):
        config = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        names += [config[key] for key in ("task", "group") if isinstance(config.get(key), str)]
        names += [entry["metric"] for entry in config.get("metric_list", ())]
    assert [name for name in names if name not in text] == []


class _Loader(yaml.SafeLoader):
    """Reads the tasks' files without looking their functions up."""


_Loader.add_constructor("!function", lambda loader, node: node.value)

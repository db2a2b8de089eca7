"""Values for `!function` tags that depend on data the user brings; looked up when a task's YAML is read.

A missing file must be reported there: once the harness loads the data, it retries five times and hides the message.
"""

from collections.abc import Callable
from typing import Any

from lens_tasks.clevr_release import prepared_validation
from lens_tasks.repope import row_relabeller

_MAKERS: dict[str, Callable[[], Any]] = {"clevr_validation": prepared_validation, "repope_rows": row_relabeller}


def __getattr__(name: str) -> Any:
    """`clevr_validation`: path of the prepared CLEVR file. `repope_rows`: a `process_docs` function."""
    if name not in _MAKERS:
        raise AttributeError(name)
    return _MAKERS[name]()

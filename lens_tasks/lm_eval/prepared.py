"""Values for `!function` tags that depend on data the user brings; looked up when a task's YAML is read."""

from lens_tasks.clevr_release import prepared_validation


def __getattr__(name: str) -> str:
    """`clevr_validation`: path of the prepared CLEVR file; an error that says what to run where there is none."""
    if name != "clevr_validation":
        raise AttributeError(name)
    return prepared_validation()

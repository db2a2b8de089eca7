"""`lm-eval-lens`: lm-eval's own command line with the lens model and the lens tasks in it."""

from __future__ import annotations

from harness_ext.lm_eval.plugin import register

__all__ = ["main"]


def main() -> None:
    """Register, then hand over to lm-eval; the flags are lm-eval's."""
    register()
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()

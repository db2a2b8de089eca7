"""`lm-eval-lens`, also as `python -m harness_ext.lm_eval`: lm-eval's command line with the lens model and our tasks."""

from __future__ import annotations

import logging

from harness_ext.lm_eval.plugin import register

__all__ = ["main"]

_FORMAT = "%(asctime)s %(levelname)-8s [%(name)s:%(lineno)d] %(message)s"  # lm-eval's own


def main() -> None:
    """Register, then hand over to lm-eval; the flags are lm-eval's."""
    _show_log()
    register()
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()


def _show_log() -> None:
    """Show the log of the lens beside lm-eval's, which shows of other loggers warnings alone."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_FORMAT, datefmt="%Y-%m-%d:%H:%M:%S"))
    for name in ("harness_ext", "lens_engine", "lens_models", "lens_results"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = False


if __name__ == "__main__":
    main()

"""The layers' answers beside a model's own: load a model, open the records of a run, report on runs, compare them.

    import mmlens

    vlm = mmlens.load("Qwen/Qwen2-VL-2B-Instruct")          # a checkpoint with its proven lens
    answer = vlm.ask("cat.png", "Is there a cat?", candidates=["yes", "no"])
    run = mmlens.open_run("runs/pope")                      # the records of a harness's run, as data frames
    mmlens.report(["runs/pope"], "my_report")               # as `mmlens report`
    mmlens.compare("runs/plain", ["runs/dola"])             # as `mmlens compare`

| name | is |
| --- | --- |
| `load` | `lens_engine.load` |
| `Lens` | `lens_models.LogitLens`, the lens of a model that is loaded already |
| `open_run` | `lens_results.load` |
| `report` | `lens_report.build_report` |
| `compare` | `lens_report.build_effects` |

Each name is loaded when it is first used: opening records loads no torch, and asking a model nothing of the report.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lens_engine import load
    from lens_models import LogitLens as Lens
    from lens_report import build_effects as compare
    from lens_report import build_report as report
    from lens_results import load as open_run

__all__ = ["Lens", "__version__", "compare", "load", "open_run", "report"]

__version__ = metadata.version("mm-logit-lens")

_PLACES = {
    "load": ("lens_engine", "load"),
    "Lens": ("lens_models", "LogitLens"),
    "open_run": ("lens_results", "load"),
    "report": ("lens_report", "build_report"),
    "compare": ("lens_report", "build_effects"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'mmlens' has no attribute {name!r}; it has {', '.join(sorted(__all__))}")
    package, attribute = _PLACES[name]
    found = getattr(import_module(package), attribute)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)

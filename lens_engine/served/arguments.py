"""The lens's own entries of `--model_args` for a model behind a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lens_engine.options import LENS_ARGUMENTS, flag, take_lens_options, whole_number
from lens_models import LensArgumentError

__all__ = ["SERVED_ARGUMENTS", "ServedOptions", "take_served_options"]

SERVED_ARGUMENTS: dict[str, str] = {
    "lens": "record answers with their log-probabilities (True) or run the harness's own class alone (False)",
    "lens_topk": "tokens whose log-probabilities are asked of the server (20); 0 asks for none",
    "lens_dir": LENS_ARGUMENTS["lens_dir"],
    "lens_thumbnails": LENS_ARGUMENTS["lens_thumbnails"],
}
"""Name -> meaning of every lens argument of a served model."""

_TOPK = 20
"""The most that OpenAI's interface gives."""


@dataclass(frozen=True)
class ServedOptions:
    """What the user asked of a run.

    Attributes:
        enabled: whether answers are recorded.
        topk: how many log-probabilities a token are asked of the server; 0: none, and requests are the harness's own.
        directory: folder of the records.
        thumbnails: small pictures of the images are kept.
    """

    enabled: bool = True
    topk: int = _TOPK
    directory: Path | None = None
    thumbnails: bool = True


def take_served_options(arguments: Mapping[str, Any]) -> tuple[ServedOptions, dict[str, Any]]:
    """Split model arguments into those of the records and the rest.

    Raises:
        LensArgumentError: an argument that needs layers, a name that does not exist, or a wrong value.
    """
    of_layers = sorted(name for name in arguments if name in LENS_ARGUMENTS and name not in SERVED_ARGUMENTS)
    if of_layers:
        raise LensArgumentError(
            f"{of_layers[0]}: a model behind a server gives no layers; what can be given here is "
            f"{', '.join(SERVED_ARGUMENTS)}"
        )
    topk = arguments.get("lens_topk", _TOPK)
    none = str(topk).strip() in ("0", "none", "None", "False")
    given, rest = take_lens_options({name: value for name, value in arguments.items() if name != "lens_topk"})
    return (
        ServedOptions(
            enabled=flag(arguments.get("lens", True), "lens"),
            topk=0 if none else whole_number(topk, "lens_topk"),
            directory=given.directory,
            thumbnails=given.thumbnails,
        ),
        rest,
    )

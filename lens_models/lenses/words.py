"""Lenses as users name them in `lens_kind`: a name, a name with a folder, or a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lens_models.errors import LensArgumentError, LensFileError
from lens_models.nearest import did_you_mean
from lens_models.parts import ModelParts

from .files import KINDS, kind_of_folder, read_lens
from .protocol import Lens, logit_lens

__all__ = ["LENSES", "lens_name", "make_lens"]

LENSES: dict[str, Callable[[ModelParts], Lens]] = {"logit": lambda parts: logit_lens}
"""Name in `lens_kind` -> what makes the lens of a model; learnt lenses come from folders."""


def lens_name(words: str) -> str:
    """The lens that is meant by "logit", "tuned", "tuned:FOLDER" or "FOLDER": logit, tuned, jacobian, ...

    Raises:
        LensArgumentError: there is no such lens or folder, or the folder holds none or another one.
    """
    return _split(words)[0]


def make_lens(words: str, parts: ModelParts) -> Lens:
    """The lens of a model, by the same words. A learnt lens without a folder is the one that comes with the checkpoint.

    Raises:
        LensArgumentError: see `lens_name`.
        LensFileError: the checkpoint brings no such lens; the folder's is damaged, or was learnt on another model.
    """
    name, folder = _split(words)
    if name in LENSES:
        return LENSES[name](parts)
    return read_lens(_beside_the_checkpoint(name, parts) if folder is None else folder, parts)


def _split(words: str) -> tuple[str, Path | None]:
    if words in LENSES or words in KINDS:
        return words, None
    name, _, rest = words.partition(":")
    asked = name if name in KINDS and rest else None
    folder = Path(rest if asked else words).expanduser()
    if not folder.is_dir():
        known = [*LENSES, *KINDS]
        raise LensArgumentError(
            f"lens_kind={words!r}: neither a folder nor one of {', '.join(known)}; a learnt lens is tuned, "
            f"tuned:FOLDER or FOLDER.{did_you_mean(words, known)}"
        )
    try:
        found = kind_of_folder(folder)
    except LensFileError as error:
        raise LensArgumentError(f"lens_kind={words!r}: {error}") from error
    if asked is not None and found != asked:
        raise LensArgumentError(f"lens_kind={words!r}: the folder holds a {found} lens")
    return found, folder


def _beside_the_checkpoint(name: str, parts: ModelParts) -> Path:
    folder = Path(parts.checkpoint) / "lenses" / name
    if not folder.is_dir():
        raise LensFileError(
            f"lens_kind={name}: {parts.checkpoint} brings no {name} lens (lenses/{name} in its folder). Train one with "
            f"`mmlens train-lens MODEL --kind {name} --data DATA --out FOLDER` and name it: lens_kind={name}:FOLDER"
        )
    return folder

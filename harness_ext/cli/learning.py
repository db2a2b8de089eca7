"""What the commands that learn something of a model share: their data, and how far they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from lens_engine.lens_learning import LensData, Progress
    from lens_models import LoadedModel

__all__ = ["Bars", "Sources", "share_of"]


def share_of(held_out: str) -> float | None:
    """The share that is meant; None for data.

    Raises:
        typer.BadParameter: a number that is no share.
    """
    try:
        share = float(held_out)
    except ValueError:
        return None
    if not 0 < share < 1:
        raise typer.BadParameter(f"{held_out}; expected a share between 0 and 1, or data", param_hint="--held-out")
    return share


class Sources:
    """Data by the names that the user gave."""

    def __init__(self, loaded: LoadedModel, prompts: int, question: str | None, include_path: Path | None) -> None:
        self._loaded, self._prompts, self._question, self._include_path = loaded, prompts, question, include_path

    def data(self, asked: str, share: float | None, held_out: str, progress: Progress) -> LensData:
        """Prompts to learn from and to measure on, which share no picture."""
        from lens_engine.lens_learning import LensData, pictures_of, split_by_cluster
        from lens_models import InputError

        requests, words = self._requests(asked)
        if share is None:
            others, other_words = self._requests(held_out)
            both = [*requests, *others]
        else:
            both, others, other_words = requests, [], words
        shown = pictures_of(both, progress)
        train, measured = split_by_cluster(shown, len(others), share)
        if not train or not measured:
            raise InputError(
                f"{words}: {len(train)} prompts to learn from and {len(measured)} to measure on; expected some of "
                "each. Take more pictures, or another --held-out"
            )
        named = (f"{len(train)} prompts of {words}", f"{len(measured)} prompts of {other_words}")
        return LensData(
            [both[at] for at in train], [both[at] for at in measured], *named, shown=[shown[at] for at in train]
        )

    def _requests(self, named: str) -> Any:
        from harness_ext.lens_data import QUESTION, lens_requests

        question = self._question or QUESTION
        return lens_requests(named, self._loaded, self._prompts, question=question, include_path=self._include_path)


class Bars:
    """A progress bar for each thing that is done, one after the other; `figure` is what its figures are."""

    def __init__(self, figure: str) -> None:
        self._bar: Any = None
        self._figure = figure
        self._what = ""

    def __enter__(self) -> Progress:
        return self._told

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _told(self, what: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        from tqdm import tqdm

        if what != self._what:
            if self._bar is not None:
                self._bar.close()
            self._bar, self._what = tqdm(total=total, desc=what), what
        self._bar.update(done - self._bar.n)
        if figures:
            self._bar.set_postfix({f"{self._figure} {name}": f"{value:.3f}" for name, value in figures.items()})

"""The answer to one question of the Python API: its text, and what each layer says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from lens_models import LensError
from lens_results import SampleRecord
from lens_results.frames import topk_frame
from lens_results.record import LAYER_QUANTITIES

from .plots import TokenTable, draw, interactive

__all__ = ["Answer", "NotReadError"]


class NotReadError(LensError):
    """What was asked for is not in the record of an answer; the message says why."""


@dataclass(frozen=True, repr=False)
class Answer:
    """What a model answered, and the readout at the token that decided it.

    Attributes:
        text: the answer.
        record: everything that was read, as a run of a harness writes it (docs/record-format.md).
        layer_index: number of each layer that was read; 0 is the embedding output, l the output of decoder block l.
        n_layers: number L of decoder blocks.
    """

    text: str
    record: SampleRecord
    layer_index: tuple[int, ...]
    n_layers: int

    def __repr__(self) -> str:
        return f"Answer(text={self.text!r}, candidate={self.candidate!r}, status={self.record.status!r})"

    @property
    def candidate(self) -> str | None:
        """The candidate that the answer names; None for an answer outside of the candidates, or without any."""
        place = self.record.pred_candidate
        return None if place is None else self.record.candidates[place]

    @property
    def layers(self) -> pd.DataFrame:
        """One row a layer: `layer`, `depth` (layer / L), and the per-layer quantities of the record.

        Logarithms are natural, entropies and divergences in nats; docs/metrics.md defines each quantity. One that does
        not exist for this answer (of the gold answer, of candidates) has no column.

        Raises:
            NotReadError: the answer was not read; says why.
        """
        record = self._read()
        found = {name: getattr(record, name) for name in LAYER_QUANTITIES}
        axis = {"layer": self.layer_index, "depth": np.asarray(self.layer_index) / self.n_layers}
        return pd.DataFrame(axis | {name: values for name, values in found.items() if values is not None})

    @property
    def probabilities(self) -> pd.DataFrame:
        """The share of each candidate at each layer: one row a layer, one column a candidate, each row sums to 1.

        The softmax over the candidates' scores (`cand_scores` of the record), so everything outside of the candidates
        is left out; `layers["cand_mass"]` says how much of the whole distribution they have. The scores are logits of
        the first token, pooled over spellings, or log-probabilities of whole sequences where first tokens do not tell
        the candidates apart (`record.candidate_score`).

        Raises:
            NotReadError: the answer was not read, or there are no candidates; says why.
        """
        record = self._read()
        if record.cand_scores is None or len(record.candidates) < 2:
            raise NotReadError(
                'there are no candidates to compare: pass candidates=["yes", "no"] (or others) to ask, or gold="..." '
                "to compare the answer that was given with the right one where they differ"
            )
        index = pd.Index(self.layer_index, name="layer")
        shares = softmax(record.cand_scores.astype(np.float64), axis=1)
        return pd.DataFrame(shares, index=index, columns=pd.Index(record.candidates, name="candidate"))

    @property
    def top_tokens(self) -> pd.DataFrame:
        """The most likely tokens of each layer: `layer, place` (1: the most likely), `token_id, token, logprob` (nats).

        Raises:
            NotReadError: the answer was not read; says why.
        """
        return topk_frame(self._read(), self.layer_index)

    def plot(self, ax: Any = None) -> Any:
        """A heat map of the most likely tokens: one row a layer, the last one on top, coloured by probability.

        A character that the font lacks is shown by its code; `matplotlib.rcParams["font.family"]` names another font.

        Args:
            ax: matplotlib axes to draw into; a new figure without it.

        Returns:
            The axes; `answer.plot().figure.savefig("lens.png")` writes a file.

        Raises:
            NotReadError: the answer was not read; says why.
        """
        return draw(self._table(), ax)

    def plot_html(self, path: str | Path | None = None) -> Any:
        """The same with plotly, where pointing at a cell shows its whole token and probability.

        Args:
            path: an HTML file to write; it holds all that it needs and opens without a network.

        Returns:
            The plotly figure, which a notebook shows.

        Raises:
            NotReadError: the answer was not read; says why.
            ImportError: plotly is not installed.
        """
        figure = interactive(self._table())
        if path is not None:
            figure.write_html(path, include_plotlyjs=True)
        return figure

    def _read(self) -> SampleRecord:
        record = self.record
        if record.topk_ids is None:
            raise NotReadError(f"the answer {self.text!r} was not read ({record.status}: {record.status_reason})")
        return record

    def _table(self) -> TokenTable:
        return TokenTable.of(self.top_tokens, self.record.question, self.text)

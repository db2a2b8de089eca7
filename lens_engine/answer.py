"""The answer to one question of the Python API: its text, and what each layer says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from PIL import Image
from scipy.special import softmax

from lens_models import LensArgumentError, LensError
from lens_results import SampleRecord
from lens_results.frames import topk_frame
from lens_results.record import LAYER_QUANTITIES

from .picture_map import MaskEffect, PictureMap
from .plots import TokenTable, draw, interactive

__all__ = ["Answer", "Asked", "NotReadError"]


class NotReadError(LensError):
    """What was asked for is not in the record of an answer; the message says why."""


class Asked(Protocol):
    """A question that can be asked again."""

    def pictures(self) -> tuple[Image.Image, ...]:
        """Its pictures, or the frames of its video."""

    def again(self, **more: Any) -> SampleRecord:
        """The record of the same question with further arguments of `ask`.

        Raises:
            NotReadError: the answer was sampled, so another one might come.
        """


@dataclass(frozen=True, repr=False)
class Answer:
    """What a model answered, and the readout at the token that decided it.

    Attributes:
        text: the answer.
        record: everything that was read, as a run of a harness writes it (docs/record-format.md).
        layer_index: number of each layer that was read; 0 is the embedding output, l the output of decoder block l.
        n_layers: number L of decoder blocks.
        asked: the question, and the model that can be asked again; None for a record alone.
    """

    text: str
    record: SampleRecord
    layer_index: tuple[int, ...]
    n_layers: int
    asked: Asked | None = field(default=None, repr=False)

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

    def heatmap(self, layer: int | None = None, word: str | None = None) -> PictureMap:
        """The probability of a word at each image token: where in the picture the layer reads it (logit lens).

        Args:
            layer: one of the layers that were read; None for the largest value over them.
            word: any word, or several, which are then read together (the least of them at each token); None for the
                answer that was given. The model is asked once more for a word that it was not asked with.

        Raises:
            NotReadError: the model was loaded without `probes="image_tokens"`, the question has no picture, or where
                the image tokens lie is not known; says which.
            LensArgumentError: a layer that was not read; names those that were.
        """
        name = word if word is not None else self.candidate
        if name is None:
            raise NotReadError("the answer names no candidate; say which word: heatmap(word=...)")
        record, known = self.record, self.record.probes.get("image_tokens", {})
        words = [name] if f"map {name}" in known else name.split()
        if any(f"map {each}" not in known for each in words) and self.asked is not None:
            record = self.asked.again(words=words)
        title = f"{name!r} at the image tokens" + ("" if layer is None else f", layer {layer}")
        found = [self._map(record, "image_tokens", f"map {each}", layer, title) for each in words]
        return replace(found[0], values=np.min([each.values for each in found], axis=0))

    def attention(self, layer: int | None = None, *, relative: bool = False) -> PictureMap:
        """The attention of the position that predicts the answer to each image token, mean over heads.

        Args:
            layer: one of the layers that attend; None for the largest value over them.
            relative: divided by that of a generic prompt, of a model loaded with `relative_attention=True`.

        Raises:
            NotReadError: the model was loaded without `probes="attention"`, or as `heatmap`.
            LensArgumentError: a layer that does not attend; names those that do.
        """
        title = "attention of the answer" + (" over that of a generic prompt" if relative else "")
        title += "" if layer is None else f", layer {layer}"
        return self._map(self.record, "relative_attention" if relative else "attention", "map", layer, title)

    def mask(self, box: Sequence[float], image: int = 0) -> MaskEffect:
        """What becomes of the answer without the image tokens of a box; the model is asked again.

        Args:
            box: left, top, right, bottom in pixels of the picture.
            image: number of the picture, from 0.

        Raises:
            NotReadError: nothing could be masked, or the answer was sampled; says why.
        """
        if self.asked is None:
            raise NotReadError("this answer has no model to ask again; use the one that ask() returned")
        record = self.asked.again(boxes=[{"box": list(box), "image": image}])
        found = {name: record.gold_based.get(f"causal_drop{name}") for name in ("", "_random", "_null")}
        drop, random = found[""], found["_random"]
        if drop is None or random is None:
            raise NotReadError(f"box {list(box)}: {record.probe_status.get('causal boxes', record.status_reason)}")
        return MaskEffect(drop, random, found["_null"])

    def _map(self, record: SampleRecord, probe: str, name: str, layer: int | None, title: str) -> PictureMap:
        arrays, places = record.probes.get(probe, {}), record.probes.get("tokens", {})
        frames = None
        if not places and "video_tokens" in record.probes:
            places = {**record.probes["video_tokens"], "image": record.probes["video_tokens"]["video"]}
            frames = places["frames"].astype(np.int64)
        if name not in arrays or "boxes" not in places:
            asked = "relative_attention=True" if probe == "relative_attention" else f'probes="{probe}"'
            why = record.probe_status.get(probe, f"the model was loaded without {asked}")
            why = record.probe_status.get("boxes", "no picture") if why == "ok" else why
            raise NotReadError(f"there is no {title}: {why}")
        layers = arrays[f"{name} layers"].astype(int).tolist()
        if layer is not None and layer not in layers:
            raise LensArgumentError(f"layer={layer}; expected one of {', '.join(map(str, layers))}")
        values = arrays[name].max(axis=0) if layer is None else arrays[name][layers.index(layer)]
        pictures = () if self.asked is None else self.asked.pictures()
        return PictureMap(values, places["boxes"], places["image"].astype(np.int64), layer, title, pictures, frames)

    def _read(self) -> SampleRecord:
        record = self.record
        if record.topk_ids is None:
            raise NotReadError(f"the answer {self.text!r} was not read ({record.status}: {record.status_reason})")
        return record

    def _table(self) -> TokenTable:
        return TokenTable.of(self.top_tokens, self.record.question, self.text)

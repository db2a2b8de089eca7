"""Heat maps of the most likely tokens of each layer, with matplotlib and with plotly.

Both libraries are loaded when a plot is made, so that asking a model costs no time for them.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["TokenTable", "draw", "interactive"]

_COLOURS = "Blues"
_LIGHT_COLOURS = ["#f7fbff", "#4292c6"]  # plotly gives all cells one colour of text
_CELL_WIDTH, _CELL_HEIGHT = 1.15, 0.26  # inches
_LONGEST_TOKEN, _LONGEST_TITLE_LINE = 14, 60
_DARK = 0.55
"""Share of the colour scale from which text is white."""


@dataclass(frozen=True)
class TokenTable:
    """The most likely tokens of each layer.

    Attributes:
        layers: number of each layer, rising `[layers]`.
        tokens: text of each token, blanks and line ends made visible `[layers, k]`, the most likely first.
        probabilities: of each token `[layers, k]`.
        question: what was asked.
        answer: what was answered.
    """

    layers: tuple[int, ...]
    tokens: npt.NDArray[np.object_]
    probabilities: npt.NDArray[np.float64]
    question: str
    answer: str

    @classmethod
    def of(cls, top: pd.DataFrame, question: str, answer: str) -> TokenTable:
        """From the columns `layer, place, token, logprob` of a readout."""
        tokens = top.pivot(index="layer", columns="place", values="token").map(_visible)
        logprobs = top.pivot(index="layer", columns="place", values="logprob")
        return cls(
            tuple(int(layer) for layer in tokens.index),
            tokens.to_numpy(dtype=object),
            np.exp(logprobs.to_numpy(dtype=np.float64)),
            question,
            answer,
        )

    @property
    def title(self) -> list[str]:
        """Question and answer in at most three lines."""
        question = textwrap.wrap(self.question, _LONGEST_TITLE_LINE, max_lines=2, placeholder=" …")
        return question + textwrap.wrap(f"→ {self.answer}", _LONGEST_TITLE_LINE, max_lines=1, placeholder=" …")


def draw(table: TokenTable, axes: Any = None) -> Any:
    """The table as a heat map in matplotlib axes, in those of a new figure without any; gives the axes."""
    import matplotlib.pyplot as plt

    n_layers, k = table.tokens.shape
    if axes is None:
        size = (_CELL_WIDTH * k + 1.6, max(2.2, _CELL_HEIGHT * n_layers + 1.2))
        _, axes = plt.subplots(figsize=size, layout="constrained")
    image = axes.imshow(table.probabilities, aspect="auto", origin="lower", cmap=_COLOURS, vmin=0.0, vmax=1.0)
    drawable = _drawable()
    for (row, column), token in np.ndenumerate(table.tokens):
        axes.text(
            column,
            row,
            _shortened(drawable(token)),
            ha="center",
            va="center",
            fontsize=8,
            color="white" if table.probabilities[row, column] > _DARK else "black",
            parse_math=False,
        )
    axes.set_xticks(range(k), [str(place + 1) for place in range(k)])
    axes.set_yticks(range(n_layers), [str(layer) for layer in table.layers])
    axes.set_xlabel("top tokens, most likely first")
    axes.set_ylabel("layer")
    axes.set_title(drawable("\n".join(table.title)), fontsize=9, loc="left", parse_math=False)
    axes.figure.colorbar(image, ax=axes, label="probability")
    return axes


def interactive(table: TokenTable) -> Any:
    """The table as a plotly figure.

    Raises:
        ImportError: plotly is not installed.
    """
    try:
        from plotly import graph_objects
    except ImportError as error:
        raise ImportError('plot_html needs plotly: pip install "mm-logit-lens[plots]"') from error
    n_layers, k = table.tokens.shape
    heat = graph_objects.Heatmap(
        x=[str(place + 1) for place in range(k)],
        y=[str(layer) for layer in table.layers],
        z=table.probabilities,
        zmin=0.0,
        zmax=1.0,
        colorscale=_LIGHT_COLOURS,
        textfont={"color": "black"},
        colorbar={"title": "probability"},
        text=[[_escaped(_shortened(token)) for token in row] for row in table.tokens],
        customdata=[[_escaped(token) for token in row] for row in table.tokens],
        texttemplate="%{text}",
        hovertemplate="layer %{y}, place %{x}<br>%{customdata}<br>probability %{z:.4f}<extra></extra>",
    )
    figure = graph_objects.Figure(heat)
    figure.update_layout(
        title={"text": "<br>".join(map(_escaped, table.title)), "font": {"size": 14}},
        xaxis={"title": "top tokens, most likely first", "type": "category"},
        yaxis={"title": "layer", "type": "category"},
        width=140 * k + 200,
        height=max(320, 28 * n_layers + 180),
    )
    return figure


def _visible(token: str) -> str:
    return token.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t").replace(" ", "␣") or "(empty)"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TOKEN else f"{text[: _LONGEST_TOKEN - 1]}…"


def _escaped(text: str) -> str:
    """For plotly, which reads tags in a text."""
    return html.escape(text, quote=False)


def _drawable() -> Callable[[str], str]:
    """A function that puts the code of a character in its place where the font of the plot has no glyph for it."""
    from matplotlib import font_manager, ft2font

    font = ft2font.FT2Font(font_manager.findfont(font_manager.FontProperties()))
    known = {*font.get_charmap(), ord("\n")}
    return lambda text: "".join(each if ord(each) in known else f"\\u{ord(each):04x}" for each in text)

"""What a sample's page shows of the tokens of its response: positions and layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.picture.section import STATUS
from lens_report.measures.task_run import TaskRun
from lens_report.presentation.explorer.steps import whole_numbers

PROBE = "every_token"
MOST = 128
"""Tokens of a response that a page draws; of a longer one the first."""
HUNDREDTHS = 100
_WHOLE = ("step", "layers", "given", "top")
_NATS = ("logprob", "top logprob")


class ResponseTokens:
    """The generated tokens of one task, read at every layer.

    A sample's entry: `status` of the probe and, where tokens were read, `texts`, the distinct ones; `step` [tokens],
    numbers in the response; `layers`; `given` [tokens] and `top` [tokens][layers], places in `texts`; `logprob` of the
    token given and `top_logprob` [tokens][layers] in hundredths of a nat; `rank` [tokens][layers]; `left`, how many
    tokens are not drawn.
    """

    def __init__(self, task_run: TaskRun) -> None:
        frame = task_run.frame
        status = STATUS + PROBE
        self._status = frame[status].tolist() if status in frame else [None] * len(frame)
        self._arrays = {name: task_run.probe(PROBE, name) for name in (*_WHOLE, *_NATS, "rank")}
        self._texts = task_run.run.token_texts

    def entry(self, row: int) -> dict[str, Any] | None:
        """The entry of a sample; None where the probe did not run."""
        if not isinstance(self._status[row], str):
            return None
        found = {name: values[row] for name, values in self._arrays.items()}
        read = {name: np.asarray(values) for name, values in found.items() if values is not None}
        return {"status": self._status[row], **(self._read(read) if len(read) == len(found) else {})}

    def _read(self, arrays: dict[str, NDArray[np.float32]]) -> dict[str, Any]:
        steps = len(arrays["step"])
        kept = {name: values if name == "layers" else values[:MOST] for name, values in arrays.items()}
        given, top = (kept[name].astype(np.int64) for name in ("given", "top"))
        distinct, places = np.unique(np.concatenate([given, top.ravel()]), return_inverse=True)
        return {
            "texts": [self._texts.get(token) or f"#{token}" for token in distinct.tolist()],
            "step": whole_numbers(kept["step"].astype(np.float64), 1),
            "layers": whole_numbers(kept["layers"].astype(np.float64), 1),
            "given": places[: len(given)].tolist(),
            "top": places[len(given) :].reshape(top.shape).tolist(),
            "logprob": whole_numbers(kept["logprob"].astype(np.float64), HUNDREDTHS),
            "top_logprob": whole_numbers(kept["top logprob"].astype(np.float64), HUNDREDTHS),
            "rank": whole_numbers(kept["rank"].astype(np.float64), 1),
            "left": max(0, steps - MOST),
        }

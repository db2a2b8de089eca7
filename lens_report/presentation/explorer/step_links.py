"""What a sample's page shows of written steps and the regions that they are about."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_report.measures.step_regions import Chain, chains
from lens_report.measures.task_run import TaskRun
from lens_report.presentation.explorer.heat import PLACES, STEPS, packed
from lens_report.presentation.explorer.steps import THOUSANDTHS, whole_numbers

_LOOKS, _CAUSES = "step_regions", "step_causes"


class StepLinks:
    """Where the steps of the responses of one task look, and what depends on them.

    A sample's entry: `results` [steps], the words that each step states as its result. Where `step_regions` ran `boxes`
    [[left, top, right, bottom, picture, step]] in parts of `PLACES` and `figures` [[step, lift, pointing, AUROC]] in
    thousandths, and where it was kept `map` uint8 [steps, image tokens], attention at the end of each step, Base64, 255
    for the largest value. Where `step_causes` ran `words` [steps] (faithful, idle, not told), and in thousandths of a
    nat `result_drop` [steps][steps], `answer_drop` and `text_drop` [steps], None where not measured.
    """

    def __init__(self, task_run: TaskRun) -> None:
        get = task_run.probe
        self._responses = task_run.frame["response"].tolist()
        self._results = [get(name, "result") for name in (_LOOKS, _CAUSES)]
        self._maps, self._figures = get(_LOOKS, "map"), get(_LOOKS, "attention")
        self._boxes, self._of = get(_LOOKS, "box"), get(_LOOKS, "box of")
        _, self._chains = chains(task_run)

    def entry(self, row: int) -> dict[str, Any] | None:
        """The entry of a sample; None where neither probe read anything."""
        result = next((each[row] for each in self._results if each[row] is not None), None)
        if result is None:
            return None
        response, spans = self._responses[row], result.astype(int).tolist()
        found: dict[str, Any] = {"results": [response[start:end] for start, end in spans]}
        boxes, of = self._boxes[row], self._of[row]
        if boxes is not None and of is not None:
            places = np.rint(boxes.astype(np.float64) * PLACES)
            found["boxes"] = np.column_stack([places, of[:, 1], of[:, 0]]).astype(np.int64).tolist()
        figures, heat, chain = self._figures[row], self._maps[row], self._chains[row]
        if figures is not None:
            found["figures"] = whole_numbers(figures.astype(np.float64), THOUSANDTHS)
        if heat is not None:
            found["map"] = packed(_bytes(heat.astype(np.float64)), "u1")
        return found | ({} if chain is None else _drops(chain))


def _drops(chain: Chain) -> dict[str, Any]:
    numbers = {name: getattr(chain, name) for name in ("result_drop", "answer_drop", "text_drop")}
    return {"words": list(chain.words)} | {name: whole_numbers(each, THOUSANDTHS) for name, each in numbers.items()}


def _bytes(heat: NDArray[np.float64]) -> NDArray[np.float64]:
    top = float(heat.max(initial=0.0))
    return np.rint(heat * (STEPS / top)) if top > 0 else heat

"""How lm-eval's models with a lens take requests: in lm-eval's own batches, put to an engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm_eval.models.utils import Collator
from tqdm import tqdm

from harness_ext.samples import HarnessRequest
from lens_engine import Lens, Recording, Request, Session, lens_recording
from lens_engine.description import ModelOfRun, RunSettings
from lens_engine.recording import Log
from lens_engine.sample import Choices

from .chat_history import is_history
from .samples import LmEvalSamples

__all__ = ["LensRequests", "rows_of"]

if TYPE_CHECKING:
    from lm_eval.api.model import TemplateLM as _Model
else:
    _Model = object


class LensRequests(_Model):  # type: ignore[misc]
    """Beside a model class of lm-eval, before it in the order of bases.

    Attributes:
        session: puts requests to the engine.
        maker: makes samples of them.
        process: number of this process among those that hold one model together; 0 where it holds a whole one.
    """

    session: Session
    maker: LmEvalSamples
    process: int = 0
    rank: int
    chat_applied: bool

    @property
    def lens(self) -> Lens | None:
        """The proven lens; None with `lens=False`."""
        return self.session.engine.lens

    @property
    def records(self) -> bool:
        """Whether an evaluation of this model is recorded."""
        return self.lens is not None

    @property
    @abstractmethod
    def model_of_run(self) -> ModelOfRun:
        """What the records say of the model; it has a lens."""

    def new_recording(self, settings: RunSettings, directory: Path | None, log: Log, advice: str) -> Recording:
        """The recording of an evaluation; see `Recording` for the arguments."""
        return lens_recording(
            self.session.engine,
            self.model_of_run,
            self.tokenizer,
            "lm-eval",
            settings,
            directory,
            log,
            advice=advice,
            kept=self.process == 0,
        )

    def recorded(self, requests: list[Any], disable_tqdm: bool) -> list[str]:
        """The answer to each request, recorded."""
        asked = [self.maker.request(each) for each in self._asked(requests)]
        with tqdm(total=len(asked), disable=disable_tqdm or self.rank != 0, desc="Running requests") as bar:
            return [generation.text for generation in self.session.generate(asked, bar.update)]

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """(sum of log-probabilities in nats, whether every token is the first choice) of each, with images too."""
        if not requests or not (is_history(requests[0]) or len(requests[0].args) > 2):
            return list(super().loglikelihood(requests, disable_tqdm=disable_tqdm))
        asked = self._asked(requests)  # all of them are looked at before the model is asked anything

        def choices_of(places: Sequence[int]) -> Choices:
            return self.maker.choices([asked[place] for place in places])

        title = "Running loglikelihood requests with images"
        with tqdm(total=len(requests), disable=disable_tqdm or self.rank != 0, desc=title) as bar:
            scored = self.session.score([each.choice_set for each in asked], choices_of, bar.update)
        return [(each.logprob, each.greedy) for each in scored]

    def _asked(self, requests: Sequence[Any]) -> list[HarnessRequest]:
        if any(map(is_history, requests)):
            self.chat_applied = True  # by the lens, which makes their prompts
        return self.maker.asked(requests)

    def batches(self, requests: Sequence[Request], size: int) -> Iterator[Sequence[int]]:
        """The batches of lm-eval: the longest prompts first, requests with equal generation arguments."""

        def longest_first(each: tuple[str, Any, int]) -> tuple[int, str]:
            return -len(self.tok_encode(each[0])), each[0]

        rows = [(request.prompt, request.generation, place) for place, request in enumerate(requests)]
        by_settings = Collator(rows, longest_first, group_by="gen_kwargs", group_fn=lambda each: each[1])
        for batch in by_settings.get_batched(n=size, batch_fn=None):
            yield [place for _, _, place in batch]

    def get_model_info(self) -> dict[str, Any]:
        """What lm-eval writes into its results, and the definition of the lens."""
        stock = getattr(super(), "get_model_info", dict)
        info = dict(stock())
        if self.lens is not None:
            report = self.lens.identity
            identity = {"deviation": report.deviation, "tolerance": report.tolerance, "dtype": str(report.dtype)}
            info["lens"] = {**self.lens.describe(), "identity": identity}
        return info


def rows_of(asked: Sequence[str], encoded: Sequence[str]) -> list[int]:
    """Where each prompt of a batch is in the batch as lm-eval has sorted it; the n-th of equal ones stays the n-th."""
    order: list[int] = []
    taken: set[int] = set()
    for prompt in asked:
        row = next(place for place, other in enumerate(encoded) if place not in taken and other == prompt)
        taken.add(row)
        order.append(row)
    return order

"""Ask a vision-language model about a picture from Python, and see at which layer the answer appeared.

from lens_engine import load
vlm = load("Qwen/Qwen2-VL-2B-Instruct")
answer = vlm.ask("cat.png", "Is there a cat?", candidates=["yes", "no"])
answer.text, answer.layers, answer.probabilities
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from lens_models import LENS_TINY, LensArgumentError
from lens_models.interventions import Intervention
from lens_results import SampleRecord
from lens_results.record import Key

from .answer import Answer, NotReadError
from .description import RunSettings
from .directions import directions
from .engine import Lens
from .model_arguments import ModelArguments
from .opening import OpenedModel, open_model
from .options import LENS_ARGUMENTS, LensOptions, reject_unknown
from .question import Candidates, Pictures, Question, as_arguments
from .recording import Recording, lens_recording
from .sample import Request

__all__ = ["VisionLanguageModel", "load"]

log = logging.getLogger(__name__)

_SHORT = {name.removeprefix("lens_"): name for name in LENS_ARGUMENTS}


def load(
    pretrained: str = LENS_TINY, *, interventions: Sequence[Intervention] = (), **arguments: Any
) -> VisionLanguageModel:
    """Load a checkpoint with its lens, and prove that the readout of its last layer is the model's own output.

    Args:
        pretrained: a model folder or the name of a repository; without it the small model that is bundled.
        interventions: what is changed in every run of the model.
        arguments: those of `lens_engine.model_arguments.ModelArguments` (`dtype`, `device`, `batch_size`,
            `system_prompt`, `max_pixels`, ...) and those of the lens (`lens_engine.options.LENS_ARGUMENTS`), with or
            without `lens_` in front: `layers="0+4-8"`, `topk=10`, `probes="step_entropy"`. With `dir` the records are
            also written into that folder, see `VisionLanguageModel.close`.

    Raises:
        LensArgumentError: an unknown argument, with the nearest known one, or a wrong value.
        UnknownModelError, NotMultimodalError, ModelLoadError: nothing there, a text-only model, weights not loadable.
        PartsError, IdentityError, CaptureError: the lens does not read this model exactly.
    """
    named = {"lens_maps": "all", **_full_names(arguments)}
    model, options = ModelArguments.parse({"pretrained": pretrained, **named})
    if not options.enabled:
        raise LensArgumentError("lens=False leaves nothing to read; transformers alone runs a model without the lens")
    return VisionLanguageModel(open_model(model, options, log, interventions), model)


def _full_names(arguments: Mapping[str, Any]) -> dict[str, Any]:
    reject_unknown([name for name in arguments if name not in _KNOWN], _KNOWN)
    twice = [name for name in arguments if _SHORT.get(name, name) != name and _SHORT[name] in arguments]
    if twice:
        raise LensArgumentError(f"{twice[0]} and {_SHORT[twice[0]]} are one argument; give it once")
    return {_SHORT.get(name, name): value for name, value in arguments.items()}


_KNOWN = ModelArguments.defaults().keys() | LENS_ARGUMENTS.keys() | _SHORT.keys()


class VisionLanguageModel:
    """A loaded model that answers questions about pictures, with its lens beside it.

    The answers are those of the model's own `generate`. `load` makes one.

    Attributes:
        model: the model of transformers.
        processor: what encodes its prompts and pictures.
        lens: its proven lens.
    """

    def __init__(self, opened: OpenedModel, arguments: ModelArguments) -> None:
        described = opened.model_of_run
        self.model: Any = opened.loaded.model
        self.processor: Any = opened.loaded.processor
        self.lens: Lens = described.lens
        self._system_prompt = arguments.reasoning_prompt or arguments.system_prompt
        self._numbers = itertools.count()
        self._session = opened.session
        self._opened, self._arguments = opened, arguments
        self._records = _Records()
        self._recording: Recording | None = self._new_recording(opened.options, self._records)

    def _new_recording(self, options: LensOptions, records: _Records) -> Recording:
        """A recording that hands its records to `records` too."""
        arguments = self._arguments
        prompt = {"system_prompt": arguments.system_prompt}
        recording = lens_recording(
            self._opened.engine,
            replace(self._opened.model_of_run, options=options),
            self._opened.loaded.tokenizer,
            "mm-logit-lens",
            RunSettings.of(vars(arguments), ModelArguments.defaults(), prompt=prompt),
            options.directory,
            log,
            advice=None,
        )
        recording.recorder.mirror(records)
        return recording

    def ask(
        self,
        image: Pictures,
        question: str,
        candidates: Candidates | None = None,
        *,
        video: Any = None,
        gold: str | None = None,
        words: str | Sequence[str] | None = None,
        boxes: Sequence[Any] | None = None,
        tracks: Sequence[Mapping[str, Any]] | None = None,
        steps: Sequence[Mapping[str, Any]] | None = None,
        **generation: Any,
    ) -> Answer:
        """The model's answer to one question, and what each layer says at the token that decides it.

        Args:
            image: a path, an address, a PIL image, an array `[height, width, 3]` of bytes, the bytes of a file, a list
                of these in the order of appearance, or None for a question without a picture.
            question: the user's text; the checkpoint's chat template is put around it.
            candidates: the possible answers, which the layers are read on. Without them the layers are read on the
                answer that was given, and on `gold` where that differs.
            video: a video before the question, in place of a picture: a path, the bytes of a file, frames as an array
                `[frames, height, width, 3]` of bytes or a list of pictures, or a mapping with one of these and a clip
                (docs/video.md). `max_num_frames`, `fps` and `nframes` of `load` say which frames are shown.
            gold: the right answer, where it is known; one of the candidates, if there are any.
            words: what to look for in the picture, with `load(probes="image_tokens")`.
            boxes: what the question is about, left, top, right, bottom in pixels, or as docs/boxes.md says.
            tracks: the same in a video, as docs/tracks.md says.
            steps: of the program that answers the question, as docs/reasoning.md says.
            generation: `max_new_tokens` (64), `temperature` (0: greedy), `top_p`, `num_beams`.

        Raises:
            FileNotFoundError: no file of that name.
            InputError: a picture or video cannot be read or encoded, or the checkpoint has no chat template.
            LensArgumentError: an unknown argument, with the nearest known one, or a wrong value.
        """
        asked = {"image": image, "question": question, "candidates": candidates, "video": video}
        asked |= {"gold": gold, "words": words, "boxes": boxes, "tracks": tracks, "steps": steps, **generation}
        return self.ask_all([asked])[0]

    def ask_all(
        self, questions: Sequence[Mapping[str, Any] | tuple[Any, ...]], *, progress: bool = False, **shared: Any
    ) -> list[Answer]:
        """The answers to many questions, in order, as many at a time as `batch_size` of `load` says.

        Args:
            questions: for each question the arguments of `ask`: a mapping by their names, or a tuple
                `(image, question)` or `(image, question, candidates)`.
            progress: show a bar of the questions that are answered.
            shared: arguments of `ask` for all questions that do not have them themselves.

        It raises what `ask` raises; where the arguments themselves are wrong nothing is asked.
        """
        if self._recording is None:
            raise ValueError("the records of this model are closed; load it again to ask more")
        asked = [Question.parse(each, shared) for each in questions]
        answered = self._answer(asked, self._recording, self._records, progress=progress)
        layers, n_layers = self.lens.layer_index, self.lens.parts.n_layers
        return [
            Answer(text, record, layers, n_layers, _Asked(self, question, {**shared, **as_arguments(each)}))
            for each, question, (text, record) in zip(questions, asked, answered, strict=True)
        ]

    def directions(
        self,
        first: Sequence[Mapping[str, Any] | tuple[Any, ...]],
        second: Sequence[Mapping[str, Any] | tuple[Any, ...]],
        layers: Sequence[int],
        **shared: Any,
    ) -> dict[int, Tensor]:
        """Layer -> fp32 `[d]`: where the first questions' states lie from the second ones', for `intervene="steer"`.

        Write them with `lens_engine.save_directions`; nothing of these questions is recorded.

        Args:
            first: questions as `ask_all` takes them.
            second: others.
            layers: layer numbers from 1 on, of those that are read (`layers` of `load`).
            shared: arguments of `ask` for all of them.

        It raises what `lens_engine.directions` and `ask_all` raise.
        """
        one, other = (self._requests([Question.parse(each, shared) for each in given]) for given in (first, second))
        return directions(self._opened.engine, one, other, layers, self._session.batch_size)

    def _requests(self, asked: Sequence[Question]) -> list[Request]:
        sampling = self._arguments.video_sampling
        return [
            each.request(("ask", next(self._numbers), 0, 0), self.processor, self._system_prompt, sampling)
            for each in asked
        ]

    def _answer(
        self, asked: Sequence[Question], recording: Recording, records: _Records, *, progress: bool = False
    ) -> list[tuple[str, SampleRecord]]:
        """Text and record of each question."""
        requests = self._requests(asked)
        with self._session.recorded(recording), _bar(len(requests), progress) as bar:
            generations = self._session.generate(requests, bar.update)
        return [(each.text, records.take(one.key)) for one, each in zip(requests, generations, strict=True)]

    @functools.cached_property
    def _aside(self) -> tuple[Recording, _Records]:
        """For questions that are asked again: with masks of boxes, and written nowhere."""
        own = self._opened.options
        options = replace(own, directory=None, masks=("boxes",), whole_maps=True, relative_attention=False)
        records = _Records()
        return self._new_recording(options, records), records

    def close(self) -> dict[str, Path]:
        """Merge the records in `dir` into one file, for `lens_results.load` and `mmlens report`.

        No question can be asked after it. Without it the records are readable as well, in the parts that were written
        as the answers came.

        Returns:
            Task -> file; empty without `dir`.
        """
        files = {} if self._recording is None else self._recording.finish()
        self._recording = None
        return files


def _bar(total: int, shown: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, disable=not shown, unit="question")


@dataclass(frozen=True)
class _Asked:
    """A question of a model that is still there; see `Asked`."""

    model: VisionLanguageModel
    question: Question
    arguments: Mapping[str, Any]

    def pictures(self) -> tuple[Image.Image, ...]:
        """The pictures; those of a video are its frames."""
        videos = self.question.videos(self.model._arguments.video_sampling)
        return (*self.question.opened(), *(Image.fromarray(frame) for video in videos for frame in video.frames))

    def again(self, **more: Any) -> SampleRecord:
        if self.question.sampled:
            raise NotReadError("the answer was sampled, so asking again may give another one; use temperature=0")
        asked = Question.parse({**self.arguments, **more}, {})
        ((_, record),) = self.model._answer([asked], *self.model._aside)
        return record


class _Records:
    """New records until their answers are handed out; a `Mirror` of the recorder."""

    def __init__(self) -> None:
        self._found: dict[Key, SampleRecord] = {}

    def append(self, *records: SampleRecord) -> None:
        self._found.update((record.key, record) for record in records)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        self._found.clear()

    def take(self, key: Key) -> SampleRecord:
        """The record of one question, once."""
        return self._found.pop(key)

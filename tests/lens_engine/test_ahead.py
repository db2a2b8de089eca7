"""The next batch is made and encoded while the model runs, and nothing else changes by it."""

from __future__ import annotations

import functools
import gc
import logging
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from controlled_records import mini_documents, mini_image

import lens_engine.media
from lens_engine import Media, Request, Sample, Session, TransformersEngine, load
from lens_engine.prompts import ProcessorPrompts
from lens_models import LENS_TINY, InputError, LensSettings, LoadedModel, load_model
from lens_models.encoding import render_chat
from lens_models.interventions import interventions_of
from lens_models.shadowing import shadowed

N, PATIENCE = 10, 120.0
MAIN = threading.main_thread()


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_model(LENS_TINY, device="cpu")


class Watched:
    """A processor that tells what it encodes, and in which thread."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.ahead: list[list[str]] = []
        self.in_turn: list[list[str]] = []
        self.encoded = threading.Condition()
        self.bad = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def __call__(self, *args: Any, text: Sequence[str], **kwargs: Any) -> Any:
        if self.bad and any(self.bad in each for each in text):
            raise ValueError("cannot be encoded")
        inputs = self._processor(*args, text=text, **kwargs)
        with self.encoded:
            (self.in_turn if threading.current_thread() is MAIN else self.ahead).append(list(text))
            self.encoded.notify_all()
        return inputs


class Unlike(Sample):
    """One that is equal to itself alone."""

    __hash__, __eq__ = object.__hash__, object.__eq__


class Asked:
    """Documents of pope_mini put to lens_tiny by a session.

    Attributes:
        made: place of a document -> whether each of its samples was made in the main thread.
        events: what happened in the main thread, in order.
        opening: is called when the document at a place is opened.
        samples: those that are not gone.
    """

    def __init__(self, loaded: LoadedModel, size: int, *, on: bool, lens: bool = False, words: str = "") -> None:
        self.model: Any = loaded.model
        self.processor = Watched(loaded.processor)
        self.made: dict[int, list[bool]] = {}
        self.events: list[object] = []
        self.samples: weakref.WeakSet[Sample] = weakref.WeakSet()
        self.opening: Callable[[int], object] = lambda place: None
        prompts = ProcessorPrompts(self.model, self.processor, use_cache=True, warn=self.events.append)
        prompts.ahead.on = on
        settings, changes = LensSettings() if lens else None, interventions_of(words) if words else ()
        self.engine = TransformersEngine(self.model, self.processor, prompts, settings, interventions=changes)
        self.processor.ahead.clear()
        self.processor.in_turn.clear()
        self.session = Session(self.engine, size)

    def texts(
        self,
        count: int = N,
        question: Callable[[int], str] = lambda place: "",
        pictures: Callable[[int], bool] = lambda place: True,
        **generation: Any,
    ) -> list[str]:
        def sample(place: int) -> Sample:
            self.made.setdefault(place, []).append(threading.current_thread() is MAIN)
            self.opening(place)
            document = mini_documents("pope_mini")[place]
            images = (mini_image(document),) if pictures(place) else ()
            content = [*({"type": "image"} for _ in images), {"type": "text", "text": document["question"]}]
            content[-1]["text"] += question(place)
            prompt = render_chat(self.processor, [{"role": "user", "content": content}])
            made = Unlike(key(place), prompt, Media(images), generation=settings)
            self.samples.add(made)
            return made

        settings = {"max_new_tokens": 3, **generation}
        requests = [Request(key(place), settings, functools.partial(sample, place)) for place in range(count)]
        return [each.text for each in self.session.generate(requests, self.events.append)]

    @contextmanager
    def generating(self, before: Callable[[int, int], object]) -> Iterator[None]:
        """While this lasts, `before` is called with the number of a run of the model and its rows before each run."""
        generate, runs = self.model.generate, iter(range(99))

        def run(**arguments: Any) -> Any:
            before(next(runs), len(arguments["input_ids"]))
            return generate(**arguments)

        with shadowed(self.model, generate=run):
            yield


def key(place: int) -> tuple[str, int, int, int]:
    return ("task", place, 0, 0)


def in_turn(loaded: LoadedModel, size: int, **asked: Any) -> list[str]:
    return Asked(loaded, size, on=False).texts(**asked)


@pytest.mark.parametrize("lens", [False, True])
def test_the_next_batch_is_encoded_while_the_model_runs(loaded: LoadedModel, lens: bool) -> None:
    """Each run of the model waits for the next batch, which waits for the run to begin; neither ends alone."""
    asked, begun = Asked(loaded, 1, on=True, lens=lens), threading.Semaphore(0)

    def opening(place: int) -> None:
        assert place == 0 or begun.acquire(timeout=PATIENCE)

    def wait(run: int, rows: int) -> None:
        begun.release()
        with asked.processor.encoded:
            assert asked.processor.encoded.wait_for(lambda: len(asked.processor.ahead) > min(run, 2), PATIENCE)

    asked.opening = opening
    with asked.generating(wait):
        texts = asked.texts(4)
    assert texts == in_turn(loaded, 1)[:4]
    assert asked.made == {0: [True], 1: [False], 2: [False], 3: [False]}
    assert [len(asked.processor.in_turn), len(asked.processor.ahead)] == [1, 3]


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("lens", [False, True])
def test_answers_and_what_is_told_of_them_are_the_same(loaded: LoadedModel, size: int, lens: bool) -> None:
    """One prompt is longer than the context and told of in its turn; what is made and encoded is so once."""

    def long(place: int) -> str:
        return " and a cube" * 30 if place == 5 else ""

    config = loaded.model.config.get_text_config()
    found = []
    for on in (False, True):
        with shadowed(config, max_position_embeddings=90):
            asked = Asked(loaded, size, on=on, lens=lens)
        with asked.generating(lambda run, rows, asked=asked: asked.events.append(("run", rows))):
            found.append((asked.texts(question=long), asked.events))
        assert all(len(each) == 1 for each in asked.made.values())
        assert len(asked.processor.in_turn + asked.processor.ahead) == -(-N // size)
        assert len(asked.processor.ahead) == (-(-N // size) - 1 if on else 0)
    assert found[0] == found[1]
    (told,) = [place for place, event in enumerate(found[1][1]) if isinstance(event, str)]
    assert found[1][1][told].startswith("task task, document 5: the prompt has")
    assert sum(isinstance(event, tuple) for event in found[1][1][:told]) == 5 // size


@pytest.mark.parametrize("size", [1, 3, 8])
def test_records_are_the_same(size: int, tmp_path: Path) -> None:
    documents = mini_documents("pope_mini")[:N]
    rows = []
    for on in (False, True):
        vlm = load(device="cpu", dir=str(tmp_path / str(on)), batch_size=size, controls="blank")
        ahead = vlm._opened.engine.ahead
        assert ahead is not None
        assert not ahead.on  # the threads of a model on the processor have no time for it
        ahead.on = on
        answers = vlm.ask_all([(mini_image(each), each["question"]) for each in documents], candidates=["yes", "no"])
        (file,) = vlm.close().values()
        rows.append(([answer.text for answer in answers], pq.read_table(file).to_pylist()))
    assert rows[0] == rows[1]
    assert len(rows[0][1]) == N


def test_digests_of_what_is_recorded_are_made_ahead(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []
    digest = lens_engine.media.image_digest

    def noted(images: Any) -> tuple[str, ...]:
        made.append(threading.current_thread() is MAIN)
        return digest(images)

    monkeypatch.setattr(lens_engine.media, "image_digest", noted)
    Asked(loaded, 2, on=True).texts(4)
    assert made == []
    vlm = load(device="cpu", batch_size=2)
    vlm._opened.engine.ahead.on = True  # type: ignore[union-attr]
    vlm.ask_all([(mini_image(each), each["question"]) for each in mini_documents("pope_mini")[:4]])
    assert sorted(made) == [False, False, True, True]


@pytest.mark.parametrize("device", ["cpu", "cuda:1", "mps"])
def test_it_is_done_where_the_model_is_not_on_the_processor(loaded: LoadedModel, device: str) -> None:
    elsewhere = SimpleNamespace(config=loaded.model.config, device=torch.device(device), dtype=torch.float32)
    prompts = ProcessorPrompts(elsewhere, loaded.processor, use_cache=True, warn=logging.warning)
    assert prompts.ahead.on == (device != "cpu")


def test_what_cannot_be_encoded_ends_the_run_in_its_turn(loaded: LoadedModel) -> None:
    found = []
    for on in (False, True):
        asked = Asked(loaded, 2, on=on)
        asked.processor.bad = "unreadable"
        with pytest.raises(InputError) as caught:
            asked.texts(question=lambda place: " unreadable" if place == 5 else "")
        found.append((str(caught.value), asked.events))
    assert found[0] == found[1]
    assert found[1][0].startswith("task task, document 5: the processor cannot encode this sample (cannot be encoded)")
    assert found[1][1] == [2, 2]


@pytest.mark.parametrize("error", [InputError("document 5 is damaged"), StopIteration(), SystemExit(3)])
def test_what_cannot_be_made_ends_the_run_in_its_turn(loaded: LoadedModel, error: BaseException) -> None:
    def damaged(place: int) -> None:
        if place == 5:
            raise error

    asked = Asked(loaded, 2, on=True)
    asked.opening = damaged
    with pytest.raises(type(error)) as caught:
        asked.texts()
    assert caught.value is error
    assert asked.events == [2, 2]
    assert asked.made[5] == [False, True]


def test_what_only_the_main_thread_can_do_is_tried_once(loaded: LoadedModel) -> None:
    def damaged(place: int) -> None:
        if threading.current_thread() is not MAIN:
            raise RuntimeError("works in the main thread alone")

    asked = Asked(loaded, 3, on=True)
    asked.opening = damaged
    assert asked.texts() == in_turn(loaded, 3)
    assert asked.made[3] == [False, True]
    assert all(asked.made[place] == [True] for place in range(N) if place != 3)


def test_a_process_that_may_start_no_thread_answers_in_turn(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def start(thread: threading.Thread) -> None:
        tried.append(thread)
        raise RuntimeError("can't start new thread")

    asked = Asked(loaded, 3, on=True)
    monkeypatch.setattr(threading.Thread, "start", start)
    assert asked.texts() == in_turn(loaded, 3)
    assert len(tried) == 1
    assert all(asked.made[place] == [True] for place in range(N))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the device is lost")])
def test_a_run_that_fails_leaves_no_thread_and_no_sample(loaded: LoadedModel, error: BaseException) -> None:
    asked, begun, done = Asked(loaded, 2, on=True), threading.Event(), []

    def slow(place: int) -> None:
        if threading.current_thread() is not MAIN:
            begun.set()
            time.sleep(0.1)
            done.append(place)

    def fail(run: int, rows: int) -> None:
        assert begun.wait(PATIENCE)
        raise error

    asked.opening = slow
    with asked.generating(fail), pytest.raises(type(error)):
        asked.texts()
    assert done == [2, 3]
    error.__traceback__ = None
    gc.collect()
    assert not asked.samples


def test_an_interrupt_while_the_next_batch_is_awaited_waits_for_it(loaded: LoadedModel) -> None:
    asked, ran, done = Asked(loaded, 2, on=True), threading.Event(), []

    def interrupt(place: int) -> None:
        if threading.current_thread() is not MAIN:
            assert ran.wait(PATIENCE)
            time.sleep(0.1)
            if place == 2:
                signal.pthread_kill(MAIN.ident, signal.SIGINT)
            done.append(place)

    def lost(run: int, rows: int) -> None:
        ran.set()
        raise RuntimeError("the device is lost")

    asked.opening = interrupt
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started without one
    try:
        with asked.generating(lost), pytest.raises(KeyboardInterrupt):
            asked.texts()
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == [2, 3]


def test_a_batch_that_does_not_fit_is_answered_in_parts(loaded: LoadedModel) -> None:
    """What was encoded of the next batch as a whole is let go; from then on its first part is encoded ahead."""
    asked = Asked(loaded, 4, on=True)

    def too_large(run: int, rows: int) -> None:
        if rows > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with asked.generating(too_large):
        texts = asked.texts(12)
    assert texts == in_turn(loaded, 2, count=12)
    assert all(len(each) == 1 for each in asked.made.values())
    assert [len(each) for each in asked.processor.ahead] == [4, 2]
    assert [len(each) for each in asked.processor.in_turn] == [4, 2, 2, 2, 2, 2]


def test_rows_that_are_encoded_apart_are_so_ahead(loaded: LoadedModel) -> None:
    """Rows without a picture go apart where pictures enter by cross-attention."""
    asked, pictures = Asked(loaded, 4, on=True), lambda place: place % 3 > 0
    asked.processor.model_input_names = ["input_ids", "cross_attention_mask"]  # type: ignore[attr-defined]
    texts = asked.texts(pictures=pictures)
    assert texts == in_turn(loaded, 1, pictures=pictures)
    assert [len(each) for each in asked.processor.ahead] == [3, 1]
    assert all(len(each) == 1 for each in asked.made.values())


@pytest.mark.parametrize("settings", [{"do_sample": True}, {"temperature": 0.7}])
def test_nothing_is_done_beside_a_run_that_samples(loaded: LoadedModel, settings: dict[str, Any]) -> None:
    asked = Asked(loaded, 3, on=True)
    torch.manual_seed(0)
    asked.texts(**settings)
    assert not asked.processor.ahead
    assert all(each == [True] for each in asked.made.values())


def test_nothing_is_done_where_prompts_are_looked_at_first(loaded: LoadedModel) -> None:
    asked = Asked(loaded, 1, on=True, lens=True, words="crop:1:keep=0")
    assert asked.engine.ahead is None
    assert len(asked.texts(3)) == 3
    assert not asked.processor.ahead

"""The Python API: the model's own answers, the right values by layer, errors that say what to do, plots."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from controlled_records import mini_documents, mini_image
from PIL import Image
from plain_model import lens_tiny_bounds, plain_lens_tiny, pooled
from scipy.special import log_softmax, softmax
from transformers import BertConfig

from lens_engine import NotReadError, VisionLanguageModel, load
from lens_engine.failures import NoReadout
from lens_engine.model_arguments import ModelArguments
from lens_engine.options import LENS_ARGUMENTS
from lens_engine.plots import TokenTable, draw, interactive
from lens_engine.records import without_readout
from lens_models import InputError, LensArgumentError, NotMultimodalError
from lens_models.parts import ModelParts
from lens_results import load as load_records

QUESTION = "Is there a red sphere in the image?\nAnswer the question using a single word or phrase."
OPEN = "What color is the large thing?\nAnswer the question using a single word or phrase."
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def vlm() -> VisionLanguageModel:
    return load(device="cpu", batch_size=3, topk=4, probes="step_entropy")


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [mini_image(document) for document in mini_documents("pope_mini")[:9:3]]


@pytest.fixture(autouse=True)
def no_window() -> None:
    matplotlib.use("agg")


def plain(picture: Image.Image, question: str) -> tuple[str, str]:
    """The prompt, and what `model.generate` of plain transformers answers to it."""
    model = plain_lens_tiny()
    prompt = model.prompt([{"type": "image"}, {"type": "text", "text": question}])
    tokens = model.generated(prompt, [picture], 8)
    return prompt, model.processor.decode(tokens, skip_special_tokens=True)


def test_the_answer_is_the_models_own(vlm: VisionLanguageModel, pictures: list[Image.Image]) -> None:
    for question in (QUESTION, OPEN):
        assert vlm.ask(pictures[0], question, max_new_tokens=8).text == plain(pictures[0], question)[1]


def test_layers_and_probabilities_are_those_of_the_hidden_states(
    vlm: VisionLanguageModel, pictures: list[Image.Image]
) -> None:
    answer = vlm.ask(pictures[0], QUESTION, candidates=["yes", "no"], gold="no")
    prompt, _ = plain(pictures[0], QUESTION)
    logits = plain_lens_tiny().logits(prompt, [pictures[0]])[:, 0]
    logprobs = log_softmax(logits, axis=1)
    token = answer.record.answer_token_id
    layers = answer.layers
    assert list(layers["layer"]) == list(range(1, 11))
    assert list(layers["depth"]) == [layer / 10 for layer in range(1, 11)]
    np.testing.assert_allclose(layers["logprob_pred"], logprobs[:, token], **lens_tiny_bounds())
    entropy = -(np.exp(logprobs) * logprobs).sum(axis=1)
    np.testing.assert_allclose(layers["entropy"], entropy, **lens_tiny_bounds())
    scores = pooled(logits, answer.record.candidate_token_ids)
    found = answer.probabilities
    assert list(found.columns) == ["yes", "no"]
    assert list(found.index) == list(range(1, 11))
    np.testing.assert_allclose(found, softmax(scores, axis=1), **lens_tiny_bounds())
    likeliest = answer.top_tokens[answer.top_tokens["place"] == 1]
    assert list(likeliest["token_id"]) == list(logits.argmax(axis=1))
    assert answer.candidate == answer.text == "yes"
    assert answer.record.correct is False


def test_the_record_is_the_one_of_a_run_of_a_harness(tmp_path: Path, pictures: list[Image.Image]) -> None:
    vlm = load(device="cpu", dir=str(tmp_path))
    answers = vlm.ask_all([(pictures[0], QUESTION), (pictures[1], OPEN)], candidates=None, max_new_tokens=8)
    files = vlm.close()
    assert list(files) == ["ask"]
    run = load_records(tmp_path)
    assert run.complete
    assert list(run.records()) == [answer.record for answer in answers]
    assert run.info.fingerprint["lens"]["layer_index"] == list(range(1, 11))
    with pytest.raises(ValueError, match="closed"):
        vlm.ask(None, "Hello?")


def test_a_batch_gives_what_single_questions_give(vlm: VisionLanguageModel, pictures: list[Image.Image]) -> None:
    questions: list[Any] = [
        (pictures[0], QUESTION),
        {"image": [pictures[1], pictures[2]], "question": OPEN, "max_new_tokens": 4},
        (None, "Is 2 more than 1?", ["no", "yes"]),
        (pictures[2], QUESTION),
    ]
    together = vlm.ask_all(questions, candidates=["yes", "no"])
    for asked, answer in zip(questions, together, strict=True):
        own = asked if isinstance(asked, dict) else dict(zip(("image", "question", "candidates"), asked, strict=False))
        alone = vlm.ask(**{"candidates": ["yes", "no"], **own})
        assert alone.text == answer.text
        assert alone.record.status == answer.record.status
        if alone.record.status == "ok":
            np.testing.assert_allclose(alone.probabilities, answer.probabilities, **lens_tiny_bounds())
    assert together[2].record.candidates == ("no", "yes")
    assert together[2].record.image_sha256 == ()


def test_a_picture_may_come_in_any_form(vlm: VisionLanguageModel, pictures: list[Image.Image], tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    pictures[0].save(path)
    forms: list[Any] = [path, str(path), path.read_bytes(), np.asarray(pictures[0]), [pictures[0]], pictures[0]]
    answers = vlm.ask_all([(form, QUESTION) for form in forms])
    assert len({answer.record.image_sha256 for answer in answers}) == 1
    assert len({answer.text for answer in answers}) == 1


def test_probes_and_open_answers(vlm: VisionLanguageModel, pictures: list[Image.Image]) -> None:
    answer = vlm.ask(pictures[0], OPEN, max_new_tokens=8)
    assert answer.record.probes["step_entropy"]["entropy"].shape == (answer.record.n_generated,)
    assert answer.candidate == answer.text
    with pytest.raises(NotReadError, match=r"pass candidates=.*or gold="):
        _ = answer.probabilities
    gold = "purple" if answer.text != "purple" else "red"
    assert list(vlm.ask(pictures[0], OPEN, gold=gold).probabilities.columns) == [answer.text, gold]


def test_controls_and_interventions_are_those_of_a_run(pictures: list[Image.Image], tmp_path: Path) -> None:
    vlm = load(device="cpu", controls="blank", interventions=[Halved()], dir=str(tmp_path))
    answer = vlm.ask(pictures[0], QUESTION, candidates=["yes", "no"])
    vlm.close()
    assert answer.record.control_status == {"blank": "ok"}
    assert load_records(tmp_path).info.fingerprint["interventions"] == [["halved", 0.5]]
    prompt, _ = plain(pictures[0], QUESTION)
    logits = plain_lens_tiny().logits(prompt, [pictures[0]])[:, 0]
    scores = pooled(logits, answer.record.candidate_token_ids)
    bounds = lens_tiny_bounds()
    np.testing.assert_allclose(answer.probabilities.iloc[:4], softmax(scores, axis=1)[:4], **bounds)
    assert answer.record.cand_scores is not None
    assert np.abs(answer.record.cand_scores[4:] - scores[4:]).max() > 10 * bounds["atol"]


class Halved:
    """What the fifth block adds is halved."""

    name, strength = "halved", 0.5

    @contextmanager
    def attach(self, parts: ModelParts) -> Iterator[None]:
        def half(block: Any, args: Any, output: Any) -> Any:
            before = args[0]
            after = output[0] if isinstance(output, tuple) else output
            changed = before + (1 - self.strength) * (after - before)
            return (changed, *output[1:]) if isinstance(output, tuple) else changed

        handle = parts.layers[4].register_forward_hook(half)
        yield
        handle.remove()


def test_an_answer_outside_of_the_candidates_names_none(vlm: VisionLanguageModel, pictures: list[Image.Image]) -> None:
    answer = vlm.ask(pictures[0], QUESTION, candidates=["cat", "dog"], gold="cat")
    assert repr(answer) == "Answer(text='yes', candidate=None, status='ok')"
    assert answer.record.correct is None
    assert list(answer.probabilities.columns) == ["cat", "dog"]


def test_an_answer_that_was_not_read_says_why(vlm: VisionLanguageModel, pictures: list[Image.Image]) -> None:
    answer = vlm.ask(pictures[0], QUESTION)
    unread = without_readout(answer.record, NoReadout("no_answer", "two answers are given"))
    lost = replace(answer, record=unread)
    asked: list[Callable[[], object]] = [lambda: lost.layers, lambda: lost.probabilities, lambda: lost.top_tokens]
    for ask in (*asked, lost.plot, lost.plot_html):
        with pytest.raises(NotReadError, match=r"'yes' was not read \(no_answer: two answers are given\)"):
            ask()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"layer": "all"}, "unknown model argument 'layer'. Did you mean layers?"),
        ({"atn_implementation": "eager"}, "Did you mean attn_implementation?"),
        ({"layers": "4-2"}, "the range 4-2 descends"),
        ({"layers": "1", "lens_layers": "1"}, "layers and lens_layers are one argument"),
        ({"lens": False}, "leaves nothing to read"),
        ({"probes": "step_entrop"}, "Did you mean step_entropy?"),
    ],
)
def test_wrong_arguments_of_load_are_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(LensArgumentError, match=re.escape(says)):
        load(**given)


def test_short_names_of_the_lens_are_no_names_of_the_model() -> None:
    short = {name.removeprefix("lens_") for name in LENS_ARGUMENTS}
    assert not short & {each.name for each in fields(ModelArguments)}


def test_a_text_only_model_is_refused(tmp_path: Path) -> None:
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(NotMultimodalError, match="text-only"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ({"image": "no/such.png"}, FileNotFoundError, "image=no/such.png: no such file"),
        ({"image": 3}, LensArgumentError, "image: found int; expected a path"),
        ({"image": np.zeros((2, 8, 8, 3), np.uint8)}, LensArgumentError, "expected uint8 [height, width, 3]"),
        ({"image": np.zeros((8, 8, 3))}, LensArgumentError, "found an array float64 (8, 8, 3)"),
        ({"image": b"no picture"}, InputError, "image 0: the image cannot be read"),
        ({"max_new_token": 3}, LensArgumentError, "unknown argument of ask 'max_new_token'. Did you mean max_new_toke"),
        ({"max_new_tokens": 0}, LensArgumentError, "max_new_tokens=0"),
        ({"candidates": ["yes"]}, LensArgumentError, "expected two texts or more"),
        ({"candidates": "yes"}, LensArgumentError, "expected two texts or more"),
        ({"candidates": ["yes", "yes"]}, LensArgumentError, "not distinct"),
        ({"candidates": ["yes", "no"], "gold": "maybe"}, LensArgumentError, "'maybe' is none of the candidates"),
        ({"gold": 1}, LensArgumentError, "expected the right answer as text"),
        ({"question": None}, LensArgumentError, "question=None"),
    ],
)
def test_wrong_questions_are_named(
    vlm: VisionLanguageModel, given: dict[str, Any], kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=re.escape(says)):
        vlm.ask(**{"image": None, "question": QUESTION, **given})


def test_what_is_no_question_is_named(vlm: VisionLanguageModel) -> None:
    with pytest.raises(LensArgumentError, match=r"expected \(image, question\)"):
        vlm.ask_all(["Is there a cat?"])  # type: ignore[list-item]


def test_a_candidate_called_none_is_not_the_right_one(vlm: VisionLanguageModel) -> None:
    assert vlm.ask(None, QUESTION, candidates=["None", "Some"]).record.gold_candidate is None


def test_the_plot_shows_each_token_and_its_probability(
    vlm: VisionLanguageModel, pictures: list[Image.Image], tmp_path: Path
) -> None:
    answer = vlm.ask(pictures[0], QUESTION, candidates=["yes", "no"])
    axes = answer.plot()
    shown = axes.images[0].get_array()
    np.testing.assert_allclose(shown.ravel(), np.exp(answer.top_tokens["logprob"]), rtol=1e-6)
    by_place = {text.get_position(): text.get_text() for text in axes.texts}
    for row in answer.top_tokens.itertuples():
        assert by_place[row.place - 1, row.layer - 1] == row.token.replace(" ", "␣").replace("\n", "\\n")
    assert [label.get_text() for label in axes.get_yticklabels()] == [str(layer) for layer in range(1, 11)]
    axes.figure.savefig(tmp_path / "lens.png")
    with Image.open(tmp_path / "lens.png") as picture:
        assert len(set(picture.convert("L").tobytes())) > 50
    matplotlib.pyplot.close(axes.figure)


def table(*tokens: str) -> TokenTable:
    return TokenTable(
        (7,), np.array([tokens], dtype=object), np.full((1, len(tokens)), 0.25), "a < b? " * 30, "<b>$c$ & d</b>"
    )


def test_any_text_can_be_drawn() -> None:
    axes = draw(table("$x$", "猫", "<b>", "a" * 40))
    assert [text.get_text() for text in axes.texts] == ["$x$", "\\u732b", "<b>", "a" * 13 + "…"]
    *question, answer = axes.get_title(loc="left").split("\n")
    assert len(question) == 2
    assert answer == "→ <b>$c$ & d</b>"
    axes.figure.canvas.draw()
    matplotlib.pyplot.close(axes.figure)
    figure = interactive(table("$x$", "猫", "<b>", "a" * 40))
    assert figure.layout.title.text.endswith("<br>→ &lt;b&gt;$c$ &amp; d&lt;/b&gt;")
    (heat,) = figure.data
    assert list(heat.text[0]) == ["$x$", "猫", "&lt;b&gt;", "a" * 13 + "…"]
    assert heat.customdata[0][3] == "a" * 40


def test_the_page_needs_no_network(vlm: VisionLanguageModel, pictures: list[Image.Image], tmp_path: Path) -> None:
    answer = vlm.ask(pictures[0], QUESTION)
    figure = answer.plot_html(tmp_path / "lens.html")
    np.testing.assert_allclose(np.ravel(figure.data[0].z), np.exp(answer.top_tokens["logprob"]), rtol=1e-6)
    page = (tmp_path / "lens.html").read_text(encoding="utf-8")
    assert "Plotly.newPlot" in page
    assert re.search(r"<(?:script|link)[^>]*(?:src|href)=", page) is None


def test_a_missing_plotly_is_named(
    vlm: VisionLanguageModel, pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = vlm.ask(pictures[0], QUESTION)
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(ImportError, match=re.escape('pip install "mm-logit-lens[plots]"')):
        answer.plot_html()


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_lines_of_the_pages_run_as_written(
    page: str, pictures: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    code = [block for block in blocks if "runs/demo" not in block]  # that needs a run of a harness
    assert len(blocks) == 2
    monkeypatch.chdir(tmp_path)
    for name in ("cat.png", "dog.png"):
        pictures[0].resize((96, 96)).save(name)
    scope: dict[str, Any] = {}
    exec("\n".join(code), scope)
    assert list(scope["answer"].probabilities.columns) == ["yes", "no"]
    if page == "README.md":
        assert Path("lens.png").stat().st_size > 0
    else:
        assert Path("lens.html").stat().st_size > 0
        assert len(scope["answers"]) == 2
    matplotlib.pyplot.close("all")

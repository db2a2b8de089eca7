"""Reports in Russian: every text has its form, and nothing but names and numbers stays as it was."""

from __future__ import annotations

import ast
import json
import re
import string
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from blank_figures import blank_figures
from synthetic import QUICK
from typer.testing import CliRunner

import harness_ext
import lens_engine
import lens_models
import lens_report
import lens_results
import lens_tasks
from harness_ext.cli import app
from harness_ext.cli.language import Language
from lens_report import ExplorerLimits, Report, build_benchmark_board, build_leaderboard, build_report, task_runs
from lens_report.presentation.document.blocks import Document, Section, Table, bullets, say
from lens_report.presentation.document.html import SCRIPT, trusted
from lens_report.presentation.document.shown import count, listed, named, words
from lens_report.presentation.explorer.details import Details
from lens_report.presentation.explorer.payload import explorer_data
from lens_report.presentation.language import LANGUAGES, Catalogue, catalogue, translated
from lens_report.presentation.report import Reported, report_on

RESULTS = Path(lens_report.__file__).parents[1] / "results"
PARTS_OF_RUNS = (
    RESULTS / "picture" / "lens_pope_mini_20261126T194320Z-6eed275c.parquet",
    RESULTS / "main" / "lens_weird_mini_20261121T144538Z-55f1bb63.parquet",
    RESULTS / "steps" / "lens_reasoning_mini_20261127T193412Z-82e30838.parquet",
)
IN_DATA = {
    # verdicts, controls, maps: what the page shows of its data
    "right", "wrong", "unscored", "format error", "not read", "blank", "shuffled", "attention",
    "attention without sinks", "relative attention", "all words asked about", "word asked about",
    "nearness of the words asked about", "all layers (largest)", "middle layers (mean)", "answer",
    "faithful", "idle", "not told",
}  # fmt: skip

PUT_TOGETHER = {
    "as many in null boxes", "as many in null tracks", "as many in other objects", "in those of other objects",
    "the boxes are told from null boxes", "the track is told from null tracks", "the track is told from other objects",
    "mask in the boxes of what is asked about", "mask in the track of what is asked about", "Lift in the track",
    "mask with the largest values of the attention map", "mask with the largest values of the words' map",
    "no answer is known to be wrong, so there are no errors to predict",
    "{n} blocks of width {n_width}", "Margin of the answer given and verdict.",
    "Log-odds of the positive answer, by right answer and verdict.",
    "first token of the answer: after the last answer marker, else the first word",
    "top_lens needs the map of its probe (lens_probes), which this sample does not have",
}  # fmt: skip
"""Texts that the source puts together of parts."""


@pytest.fixture(scope="module")
def russian() -> Catalogue:
    return catalogue("ru")


def trees(*packages: ModuleType) -> Iterator[ast.Module]:
    for package in packages:
        for file in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            yield ast.parse(file.read_text(encoding="utf-8"))


def templates() -> Iterator[str]:
    for tree in trees(lens_report, harness_ext):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_no_text_has_two_forms() -> None:
    file = resources.files("lens_report.presentation.language") / "ru.yaml"
    document = yaml.compose(file.read_text(encoding="utf-8"))
    for name, forms in document.value:
        keys = [key.value for key, _ in forms.value]
        assert len(keys) > 100 and len(keys) == len(set(keys)), name.value


def test_every_sentence_has_a_form_with_the_same_values(russian: Catalogue) -> None:
    found = sorted(set(templates()))
    assert len(found) > 130
    assert [text for text in found if text not in russian.texts] == []
    assert [text for text in found if places(text) != places(russian.texts[text])] == []


def test_a_form_asks_for_nothing_that_its_key_does_not_have(russian: Catalogue) -> None:
    both = {**russian.texts, **russian.page}
    assert [key for key, form in both.items() if not places(form) <= places(key)] == []
    assert all(form.strip() for form in both.values())


def test_every_text_of_the_page_has_a_form_and_every_form_is_asked_for(russian: Catalogue) -> None:
    sources = [trusted(f"script/{name}.js") for name in SCRIPT] + [trusted("report.html.j2")]
    asked = {text for source in sources for text in re.findall(r'\bt\("((?:[^"\\]|\\.)+)"', source)}
    asked |= set(re.findall(r'"\w+", "([\w ]+)"', re.findall(r"for key, name in \((.*?)\) %", sources[-1])[0]))
    assert len(asked) > 90
    assert sorted(asked - set(russian.page)) == []
    assert sorted(set(russian.page) - asked - IN_DATA) == []


def test_every_key_is_a_text_of_the_source(russian: Catalogue) -> None:
    packages = (lens_report, harness_ext, lens_engine, lens_models, lens_tasks)
    constants = [
        node.value for tree in trees(*packages) for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]  # fmt: skip
    published = resources.files("lens_report.presentation.leaderboard").joinpath("published.yaml")
    source = "\n".join([*constants, published.read_text(encoding="utf-8")]).casefold()
    stale = {
        key for key in russian.texts
        if any(part.strip(" .,;:()").casefold() not in source for part in re.split(r"\{\w+\}|\d+|[.,;:] ", key))
    }  # fmt: skip
    assert sorted(stale - PUT_TOGETHER) == []
    assert sorted(PUT_TOGETHER - stale) == []


def test_no_label_of_a_bundled_task_is_a_text_of_the_report(russian: Catalogue) -> None:
    labels: set[str] = set()
    for run in lens_results.load_all(RESULTS):
        labels |= {label for own in run.samples["candidates"] for label in own} | set(run.samples["question_type"])
        labels |= set(run.tasks)
    assert {"yes", "no", "да", "нет", "count"} <= labels
    assert labels & set(russian.texts) == set()


def test_forms_take_numbers_names_and_texts(russian: Catalogue) -> None:
    assert russian.text("3 of 18 tasks") == "задач: 3 из 18"
    assert russian.text("answered: none") == "ответ: none", "a name stays, even one that is a text elsewhere"
    assert russian.text("right answers (n = 1\u202f200)") == "верные ответы (n = 1\u202f200)"
    assert russian.text("all answers are wrong; 3 of 4 rows have no value") == (
        "все ответы неверны; без значения строк: 3 из 4"
    )
    assert russian.text("some_metric") == "some_metric"
    assert "some_metric" in russian.unknown
    assert russian.text("0.412 [0.301, 0.520]") == "0.412 [0.301, 0.520]"
    assert catalogue("en").text("all answers") == "all answers"


def test_a_document_is_the_same_but_for_its_words(russian: Catalogue) -> None:
    sentence = say(
        "No difference to the final layer was shown for: {names}.",
        names=listed(["DoLa contrast, fixed layer", "my_decoder"]), headline=True,
    )  # fmt: skip
    more = say("{n} samples have the status {status}.", n=count(7), status=words("no_answer"))
    told = say("Clusters: {note}.", note=named("none"))
    found = translated(Document("Summary", (Section("Leaderboard", bullets([sentence, more, told])),)), russian)
    assert found.title == "Главное"
    (block,) = found.sections[0].blocks
    texts = [one.text for one in block.sentences]  # type: ignore[union-attr]
    assert texts == [
        "Отличие от последнего слоя не показано для: контраст DoLa с одним слоем, my_decoder.",
        "Примеров со статусом no_answer: 7.",
        "Кластеры: none.",
    ]
    assert block.sentences[0].headline  # type: ignore[union-attr]


def counts_of(*packages: ModuleType) -> dict[str, set[str]]:
    """Template of `say` -> its places that take a number of things."""
    found: dict[str, set[str]] = {}
    for tree in trees(*packages):
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say"):
                continue
            if isinstance(template := node.args[0], ast.Constant):
                own = {each.arg for each in node.keywords if ast.unparse(each.value).startswith("count(")}
                found.setdefault(str(template.value), set()).update(name for name in own if name)
    return found


NO_COUNTS = {"n_auroc", "n_half", "n_found", "n_power", "n_effect", "n_large"}
"""Places of numbers that count nothing: an AUROC, its half-width, per cent."""
BESIDE = {
    # before: prepositions, names of a single numbered thing, verbs that do not inflect
    "из", "в", "на", "до", "от", "с", "со", "к", "не", "меньше", "слой", "слоя", "слое", "слою", "слоями", "шаг",
    "шага", "шаге", "картинка", "картинке", "видео", "кадр", "документ", "страница", "судья", "результат", "всего",
    "нужно", "есть", "площадь",
    # after
    "тех", "и",
}  # fmt: skip


def test_no_word_has_to_agree_with_a_number(russian: Catalogue) -> None:
    """One form for 1, 2, 5, 11 and 21: a word beside a number of things is one that none of them inflects."""
    counted = counts_of(lens_report, harness_ext)
    counted |= {key: places(key) & {"n", "all", "page", "pages"} for key in russian.page}
    assert {"n", "groups"} <= counted[
        "The score ({name}) is {score} over {n} samples in {groups} independent clusters."
    ]
    wrong = []
    for key, form in {**russian.texts, **russian.page}.items():
        numbers = counted.get(key, set()) | {name for name in places(form) if re.match(r"n(_|$)", name)}
        filled = form.format(**{name: "#" if name in numbers - NO_COUNTS else "…" for name in places(form)})
        beside = re.findall(r"([а-яё]+) #|# ([а-яё]+)", filled, re.IGNORECASE)
        wrong += [(word, form) for pair in beside for word in pair if word and word.casefold() not in BESIDE]
    assert wrong == []


def test_a_reason_is_said_in_the_language_and_its_status_stays(run_folder: Path, russian: Catalogue) -> None:
    (task_run,) = task_runs(lens_results.load(run_folder))
    frame = task_run.frame
    frame["probe_status.attention sinks"] = "undetermined: no value of 128 can be 20 times their root mean square"
    frame["probe_status.boxes"] = "no_box"
    frame["status"], frame["status_reason"] = "no_answer", "the response names yes and no side by side"
    entry = json.loads(next(Details(task_run, 0, russian).block(0, 1)))
    assert entry["picture"]["status"] == {
        "attention sinks": "undetermined: ни одно из значений (128) не может превышать их среднеквадратичное "
        "во столько раз: 20",
        "boxes": "no_box",
    }
    assert (entry["status"], entry["reason"]) == ("no_answer", "ответ называет рядом yes и no")


def test_there_are_no_other_languages() -> None:
    assert tuple(one.value for one in Language) == LANGUAGES
    with pytest.raises(ValueError, match="'fr'; expected one of en, ru"):
        catalogue("fr")


def names_in(made: Reported) -> set[str]:
    """What the runs call their things: tasks, models, metrics, labels, settings."""
    unmeasured = [one for each in made.analyses if each.picture is not None for one in each.picture.unmeasured]
    found = {f"{one.task_run.task}: {one.task_run.label}" for one in made.analyses}
    found |= {one.task_run.label for one in made.analyses}
    for run in made.runs:
        info, frame = run.info, run.samples
        found |= {
            *run.tasks,
            info.run_id,
            info.harness.name,
            info.model.name_or_path,
            Path(info.model.name_or_path).name,
        }
        found |= {str(info.model.model_class), str(info.model.dtype)}
        found |= {str(column).split(".", 1)[-1] for column in frame.columns}
        found |= {str(one) for one in frame["question_type"].dropna()} | {str(one) for one in frame["status"]}
        found |= {label for own in frame["candidates"] for label in own}
        found |= {f"{name} =" for name in info.lens.thresholds} | {info.lens.norm, str(info.lens.position_rule)}
    return found | {one.probe for one in unmeasured} | {one.status for one in unmeasured} | {"answer_length"}


def english_left(texts: Catalogue, names: set[str]) -> list[str]:
    """What was looked up in vain and is no name, nor the beginning of one that a figure has no room for."""
    cut = tuple(text for text in texts.unknown if text.endswith("…"))
    shortened = {text for text in cut if any(name.startswith(text.removesuffix("…")) for name in names)}
    return sorted(texts.unknown - names - shortened)


@pytest.mark.end_to_end
@pytest.mark.parametrize("paths", [PARTS_OF_RUNS, pytest.param((RESULTS,), marks=pytest.mark.slow)])
def test_no_english_text_is_left_in_a_russian_report(paths: tuple[Path, ...], tmp_path: Path) -> None:
    texts = Catalogue("ru", catalogue("ru").texts, catalogue("ru").page)
    with blank_figures():
        made = report_on([str(path) for path in paths], tmp_path, draws=QUICK, texts=texts)
    document = translated(made.document, texts)
    explorer_data([one.task_run for one in made.analyses], ExplorerLimits(samples=300), texts)
    assert english_left(texts, names_in(made)) == []
    tables = [block for _, block in document.blocks() if isinstance(block, Table)]
    probes = {row[0].text for one in tables if one.name == "picture_not_measured" for row in one.rows}
    assert {"attention sinks", "boxes", "causal boxes"} <= probes <= names_in(made), "names stay"
    assert document.sections[0].title == "Главное"


@pytest.mark.end_to_end
def test_no_english_text_is_left_where_samples_are_missing(run_folder: Path, tmp_path: Path) -> None:
    texts = Catalogue("ru", catalogue("ru").texts, catalogue("ru").page)
    with blank_figures():
        made = report_on(run_folder, tmp_path, draws=QUICK, texts=texts)
    translated(made.document, texts)
    assert english_left(texts, names_in(made)) == []


@pytest.fixture(scope="module")
def russian_report(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    with blank_figures():
        return build_report(run_folder, tmp_path_factory.mktemp("russian"), draws=QUICK, language="ru")


@pytest.mark.end_to_end
def test_a_russian_report_has_the_same_numbers(report: Report, russian_report: Report) -> None:
    assert russian_report.stats.read_bytes() == report.stats.read_bytes()
    texts = [one.markdown.read_text(encoding="utf-8") for one in (report, russian_report)]
    numbers = [sorted(re.findall(r"\d+\.\d+", text)) for text in texts]
    assert numbers[0] == numbers[1]
    assert "## Главное" in texts[1]
    assert "Summary" not in texts[1]


@pytest.mark.end_to_end
def test_the_page_says_its_own_words_in_russian(report: Report, russian_report: Report) -> None:
    english, page = (one.html.read_text(encoding="utf-8") for one in (report, russian_report))
    assert '<html lang="ru">' in page
    assert ">Выводы</button>" in page
    assert '<html lang="en">' in english
    assert ">Findings</button>" in english
    assert '<script type="application/json" id="texts">{}</script>' in english


@pytest.mark.end_to_end
def test_leaderboards_in_russian(run_folder: Path, tmp_path: Path) -> None:
    boards = [build_leaderboard(run_folder, draws=QUICK, language=language) for language in LANGUAGES]
    assert boards[0].to_csv() == boards[1].to_csv()
    text = boards[1].to_markdown()
    assert "| задача | модель | оценка |" in text
    assert "задача" in boards[1].to_latex()
    assert '<html lang="ru">' in boards[1].to_html()
    arguments = ["--shape", "mera", "--task-file", "rusynth=ruCLEVR", "--lang", "ru"]
    done = CliRunner().invoke(app, ["leaderboard", str(run_folder), *arguments])
    assert done.exit_code == 0, done.output
    assert "# MERA: оценки и где появились ответы" in done.output
    assert "| модель | всего | изображения | аудио | видео | ruCommonVQA |" in done.output


def test_every_text_of_a_benchmark_board_has_a_form(run_folder: Path) -> None:
    from harness_ext.cli.mera_shape import mera

    texts = Catalogue("ru", catalogue("ru").texts, catalogue("ru").page)
    benchmark = mera({"rusynth": "ruCLEVR"})
    translated(build_benchmark_board(run_folder, benchmark).document(), texts)
    names = {one.name for one in benchmark.data_sets()} | {"acme/tiny-vlm"}
    assert english_left(texts, names) == []

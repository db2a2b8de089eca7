"""The page in headless Chromium, opened from disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from blank_figures import blank_figures
from browser_page import Opened, in_browser
from synthetic import HOSTILE, QUICK, Plan, write_run

import lens_results
from lens_report import ExplorerLimits, Report, build_report, task_runs

pytestmark = in_browser


CONTRASTS = r"""() => {
  const parts = (text) => text.match(/[\d.]+/g).map(Number);
  const linear = (c) => (c / 255 <= 0.03928 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const weights = [0.2126, 0.7152, 0.0722];
  const light = (text) => parts(text).slice(0, 3).reduce((sum, c, i) => sum + linear(c) * weights[i], 0);
  const under = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (parts(colour).length < 4) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const names = ["h1", "#count", "#samples td", "tr[aria-selected=true] td", "#sample dt", "#explorer .note"];
  return [...names, "#tab-explorer", ".chart text"].map((name) => {
    const element = document.querySelector(name);
    const style = getComputedStyle(element);
    const text = name === ".chart text" ? style.fill : style.color;
    const [a, b] = [light(text), light(under(element))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  });
}"""
"""Contrast of texts of the page with what is under them, by WCAG's formula."""


@pytest.fixture
def opened(tab: Opened, report: Report) -> Opened:
    tab.open(report.html)
    return tab


def read_out(run: lens_results.Run, correct: bool) -> int:
    """The first sample that was read and is right or wrong."""
    frame = run.samples
    chosen = frame[(frame["status"] == "ok") & (frame["correct"] == correct) & (frame["doc_id"] > 1)]
    return int(chosen["doc_id"].iloc[0])


def test_it_opens_from_disk_quietly(opened: Opened, report: Report) -> None:
    assert opened.requests == [report.html.as_uri()]
    assert opened.console == []
    assert opened.count() == "240 of 240 samples"


def test_filters_find_what_they_name(opened: Opened, run_folder: Path) -> None:
    frame = lens_results.load(run_folder).samples
    opened.page.select_option("#verdict", "wrong")
    wrong = int(((frame["status"] == "ok") & (frame["correct"] == False)).sum())  # noqa: E712
    assert opened.count() == f"{wrong} of 240 samples"
    opened.page.select_option("#path", "lost")
    lost = int((frame["gold_based.correct_then_lost"] == 1).sum())
    assert opened.count() == f"{lost} of 240 samples"
    opened.page.click("#start-over")
    opened.page.select_option("#type", "=<b>popular</b>")
    assert opened.count() == "120 of 240 samples"
    opened.page.fill("#search", "SPHERE 23?")
    assert opened.rows(1) == ["23"]
    opened.page.fill("#search", "nothing like this")
    assert opened.count() == "0 of 240 samples"


@pytest.mark.parametrize("descending", [False, True])
def test_sorting_by_a_metric(opened: Opened, run_folder: Path, descending: bool) -> None:
    frame = lens_results.load(run_folder).samples
    opened.sort("label_free.final_margin", descending)
    expected = frame.sort_values("label_free.final_margin", ascending=not descending)["doc_id"].head(50)
    assert opened.rows(1) == [str(doc) for doc in expected]
    opened.page.click("#start-over")
    assert opened.rows(1)[:3] == ["0", "1", "2"]


def test_samples_without_a_value_stand_last(opened: Opened) -> None:
    for _ in (False, True):
        opened.sort("label_free.final_margin")
        assert "–" not in opened.rows(7)


def test_the_layer_table_is_that_of_the_records(opened: Opened, run_folder: Path) -> None:
    run = lens_results.load(run_folder)
    doc = read_out(run, correct=False)
    opened.sample(doc)
    cells = opened.page.evaluate(
        """() => [...document.querySelectorAll('.lens tbody tr')].map((line) => [Number(line.dataset.layer),
            ...[...line.querySelectorAll('td')].map((cell) => [JSON.parse(cell.title.split(': p = ')[0]),
            Number(cell.dataset.p), cell.className])])"""
    )
    table = run.topk(("rusynth", doc)).set_index(["layer", "place"])
    record = run.record(("rusynth", doc))
    assert [line[0] for line in cells] == sorted(run.layer_index, reverse=True)
    for layer, *tokens in cells:
        for place, (token, probability, kind) in enumerate(tokens, start=1):
            expected = table.loc[(layer, place)]
            assert token == expected["token"]
            assert probability == pytest.approx(np.exp(expected["logprob"]), rel=0.01)
            assert ("gold" in kind) == (expected["token_id"] in record.candidate_token_ids[record.gold_candidate])
            assert ("answer" in kind) == (expected["token_id"] in record.candidate_token_ids[record.pred_candidate])


def test_the_page_of_a_sample(opened: Opened, run_folder: Path) -> None:
    run = lens_results.load(run_folder)
    doc = read_out(run, correct=True)
    opened.sample(doc)
    text = opened.page.inner_text("#sample")
    for part in (f"sphere {doc}?", "Candidates by layer", "blank image", "shuffled image", "Most likely tokens"):
        assert part in text
    image = opened.page.locator("#sample .pictures img")
    assert image.evaluate("(element) => element.decode().then(() => element.naturalWidth)") == 128
    curves = opened.page.locator("#sample svg.chart").first.locator("path")
    assert curves.count() == 4
    shares = np.exp(run.record(("rusynth", doc)).cand_scores)
    assert curves.first.get_attribute("d").count("L") == len(shares) - 1


def test_a_sample_that_was_not_read_says_why(opened: Opened, run_folder: Path) -> None:
    frame = lens_results.load(run_folder).samples
    opened.sample(int(frame.loc[(frame["status"] != "ok") & (frame["doc_id"] > 1), "doc_id"].iloc[0]))
    assert "capture_failed: no hidden state was caught" in opened.page.inner_text("#sample")


def test_hostile_text_stays_text(opened: Opened) -> None:
    opened.page.fill("#search", "owned")
    opened.settled()
    opened.page.locator("#samples tbody tr").first.click()
    opened.page.wait_for_selector("#sample .question")
    assert opened.page.inner_text("#sample .question") == HOSTILE
    assert opened.page.title() != "owned"
    assert opened.page.locator("img[src=x]").count() == 0
    assert opened.console == []


def test_keys_alone_are_enough(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    page.keyboard.type("sphere 2")
    opened.settled()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.wait_for_selector('#sample h2:has-text("document 2 ")')
    page.keyboard.press("ArrowDown")
    page.wait_for_selector('#sample h2:has-text("document 20 ")')
    page.keyboard.press("k")
    page.wait_for_selector('#sample h2:has-text("document 2 ")')
    page.keyboard.press("PageDown")
    page.wait_for_selector('#page:has-text("page 2")')
    page.focus("#tab-explorer")
    page.keyboard.press("ArrowLeft")
    assert page.is_visible("#findings")


def test_what_is_left_out_is_said(tab: Opened, run_folder: Path, tmp_path: Path) -> None:
    limits = ExplorerLimits(samples=50, image_bytes=2_000)
    with blank_figures():
        page = build_report(run_folder, tmp_path, draws=QUICK, limits=limits).html
    tab.open(page)
    assert tab.count() == "50 of 50 samples"
    notes = " ".join(tab.page.locator("#explorer > .note").all_inner_texts())
    assert "the first 50 of 240 samples are shown" in notes
    assert "images are left out" in notes


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nine_thousand_samples_open(tab: Opened, tmp_path: Path) -> None:
    plan = Plan(n=9000, layers=28, per_image=18, thumbnails=True, controls=True)
    made = build_report(write_run(tmp_path / "run", plan), tmp_path / "report", draws=QUICK)
    tab.open(made.html)
    tab.page.locator("#samples tbody tr").nth(20).click()
    tab.page.wait_for_selector(".lens", timeout=5000)
    assert tab.count() == "9000 of 9000 samples"
    assert tab.console == []


def test_a_russian_page_speaks_russian_and_works_alike(tab: Opened, run_folder: Path, tmp_path: Path) -> None:
    with blank_figures():
        made = build_report(run_folder, tmp_path, draws=QUICK, language="ru")
    tab.open(made.html)
    assert tab.page.locator("#tab-explorer").inner_text() == "Примеры"
    assert tab.count() == "Примеры: 240 из 240"
    assert set(tab.rows(2)) <= {"верно", "неверно", "ошибка формата", "не прочитан"}
    tab.page.select_option("#verdict", "wrong")
    assert set(tab.rows(2)) == {"неверно"}
    tab.page.locator("#samples tbody tr").first.click()
    tab.page.wait_for_selector('#sample h2:has-text("документ")')
    shown = tab.page.locator("#sample").inner_text()
    for text in ("Варианты по слоям", "Самые вероятные токены по слоям", "вердикт", "неверно", "картинка: пустая"):
        assert text in shown
    assert tab.console == []


def test_a_reload_and_a_link_show_the_same_sample(opened: Opened, report: Report) -> None:
    opened.sample(23)
    address = opened.page.url
    assert address.startswith(f"{report.html.as_uri()}#samples&search=sphere%2023%3F&sample=rusynth/")
    assert address.endswith("/23")
    opened.page.reload()
    opened.page.wait_for_selector('#sample h2:has-text("document 23 ")')
    assert opened.page.locator('#samples tr[aria-selected="true"]').count() == 1
    opened.page.evaluate(f"location.hash = {address.rsplit('&', 1)[1].replace('/23', '/41')!r}")
    opened.page.wait_for_selector('#sample h2:has-text("document 41 ")')
    opened.page.evaluate("location.hash = '#sample=rusynth/nobody/1'")
    assert opened.page.locator('#sample h2:has-text("document 41 ")').count() == 1
    assert opened.console == []


def test_score_and_verdict_stand_side_by_side_and_can_be_compared(opened: Opened, run_folder: Path) -> None:
    frame = lens_results.load(run_folder).samples
    column = task_runs(lens_results.load(run_folder), "run")[0].score.column
    assert [float(score) for score in opened.rows(6)[:20]] == frame[column].head(20).to_list()
    differ = frame["correct"].notna() & (frame["correct"].astype(float) != frame[column])
    opened.page.select_option("#path", "differs")
    assert opened.count() == f"{int(differ.sum())} of 240 samples"


@pytest.mark.parametrize("width", [400, 1280])
def test_no_page_is_wider_than_the_screen_and_a_chosen_sample_is_in_sight(opened: Opened, width: int) -> None:
    opened.page.set_viewport_size({"width": width, "height": 900})
    wide = "document.documentElement.scrollWidth"
    opened.page.locator("#samples tbody tr").nth(3).click()
    opened.page.wait_for_selector("#sample h2")
    assert opened.page.evaluate(wide) <= width
    assert 0 <= opened.page.evaluate("document.querySelector('#sample h2').getBoundingClientRect().top") < 400
    back = opened.page.locator("#sample .back")
    assert back.is_visible() == (width == 400)
    opened.page.click("#tab-findings")
    assert opened.page.evaluate(wide) <= width


def test_the_first_screen_says_what_a_readout_is_and_shows_a_figure(tab: Opened, report: Report) -> None:
    tab.page.goto(report.html.as_uri())
    assert "as if the model ended there" in tab.page.inner_text("#part-1")
    box = tab.page.locator("#part-1 figure img").bounding_box()
    assert box is not None
    assert box["y"] < 300
    folded = tab.page.locator("#findings details")
    assert folded.count() > 5
    assert folded.locator("table").first.is_visible() is False
    tab.page.locator("#findings details summary", has_text="Does the lens predict errors?").click()
    assert tab.page.locator("#findings details[open] table").first.is_visible()


def test_text_can_be_read_in_the_dark(opened: Opened) -> None:
    opened.page.emulate_media(color_scheme="dark")
    opened.page.locator("#samples tbody tr").nth(3).click()
    opened.page.wait_for_selector("#sample h2")
    assert min(opened.page.evaluate(CONTRASTS)) >= 4.5  # WCAG AA

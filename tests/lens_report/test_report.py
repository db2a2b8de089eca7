from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from blank_figures import blank_figures
from PIL import Image
from synthetic import HOSTILE, QUICK, Plan, run_info, write_run

from lens_report import Report, build_report
from lens_report.presentation.document.blocks import say
from lens_report.presentation.document.html import unbroken
from lens_report.presentation.document.shown import count

NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]\d+)?")


def stats_of(report: Report) -> Any:
    return json.loads(report.stats.read_text(encoding="utf-8"))


def shown_texts(stats: Any) -> list[str]:
    texts = [value["shown"] for finding in stats["findings"] for value in finding["values"].values()]
    texts += [cell["shown"] for table in stats["tables"] for row in table["rows"] for cell in row]
    return texts


def test_every_number_of_the_text_is_in_the_json(report: Report) -> None:
    stats = stats_of(report)
    known = {number for text in shown_texts(stats) for number in NUMBER.findall(text)}
    text = re.sub(r"!\[.*?\]\(.*?\)", "", report.markdown.read_text(encoding="utf-8"))
    found = set(NUMBER.findall(text))
    assert "240" in found, "the number of samples"
    assert found <= known


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("0.2 % [0.0, 1.0] of 9", "0.2~% [0.0,~1.0] of 9"),
        ("p < 0.001 (n = 30), p 0.04", "p~<~0.001 (n~=~30), p~0.04"),
        ("[-0.1, ∞] and [a, b]", "[-0.1,~∞] and [a, b]"),
    ],
)
def test_a_line_of_the_page_ends_within_no_number(text: str, kept: str) -> None:
    assert unbroken(text) == kept.replace("~", "\u00a0")


def test_what_is_shown_is_the_number_behind_it(report: Report) -> None:
    kinds = set()
    for finding in stats_of(report)["findings"]:
        for value in finding["values"].values():
            number, shown = value["value"], value["shown"]
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                continue
            scale = 100 if shown.endswith("%") else 1
            if not shown.startswith("<"):
                digits = len(shown.rstrip(" %").partition(".")[2]) if "e" not in shown else 12
                assert float(shown.rstrip(" %")) == pytest.approx(scale * number, abs=0.5001 * 10**-digits)
                kinds.add("share" if scale == 100 else type(number).__name__)
    assert kinds == {"share", "int", "float"}


def test_markdown_and_html_say_the_same(report: Report) -> None:
    html = report.html.read_text(encoding="utf-8")
    body = html[: html.index('id="explorer"')].replace("\u00a0", " ")
    for finding in stats_of(report)["findings"]:
        escaped = (
            finding["text"].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")
        ).replace("'", "&#39;")
        assert escaped in body


def test_sentences_take_no_digits_of_their_own() -> None:
    assert say("{n} samples", n=count(3)).text == "3 samples"
    with pytest.raises(ValueError, match="holds no digits"):
        say("95 % of {n}", n=count(3))


def test_the_findings_a_reader_looks_for_are_there(report: Report) -> None:
    text = report.markdown.read_text(encoding="utf-8")
    for title in (
        "Summary", "What was run", "Score, coverage and format errors", "Where the answer appears",
        "From which layer the right answer is there", "Lost and corrected", "Does the lens predict errors?",
        "By answer given and question type", "What was not found", "Controls with another image",
        "English equivalents by layer",
        "By question type, layer by layer", "What other decoders would have answered",
        "Abstaining by stability over the layers", "How to read this report",
    ):  # fmt: skip
        assert re.search(rf"^##+ {re.escape(title)}$", text, flags=re.M), title
    assert "cause" not in text.replace("never that it causes them", "")


def test_lost_never_stands_without_corrected(report: Report) -> None:
    for finding in stats_of(report)["findings"]:
        assert ("lost in" in finding["text"]) == ("corrected in" in finding["text"])


def test_figures_are_drawn(report: Report) -> None:
    names = {path.stem for path in report.figures}
    assert names == {
        "accuracy", "log_odds", "uncertainty", "emergence", "lost_and_corrected", "forest", "auroc_by_layer", "strata",
        "controls", "english", "accuracy_by_type", "depth_by_type", "decoders", "risk_coverage", "reliability",
    }  # fmt: skip
    for path in report.figures:
        assert path.stat().st_size > 2000
        if path.suffix == ".png":
            with Image.open(path) as image:
                colours = image.convert("RGB").getcolors(maxcolors=1 << 24)
            assert colours is not None
            assert len(colours) > 50, path
    assert {path.suffix for path in report.figures} == {".png", ".svg"}


def test_the_same_run_makes_the_same_report(report: Report, run_folder: Path, tmp_path: Path) -> None:
    again = build_report(run_folder, tmp_path, draws=QUICK)
    assert again.markdown.read_bytes() == report.markdown.read_bytes()
    assert again.stats.read_bytes() == report.stats.read_bytes()
    assert again.html.read_bytes() == report.html.read_bytes()


def test_hostile_text_cannot_leave_its_place(report: Report) -> None:
    html = report.html.read_text(encoding="utf-8")
    assert HOSTILE not in html
    assert "<img src=x" not in html
    assert "<b>popular</b>" not in html
    assert html.count("</script>") == html.count("<script")
    assert "<b>" not in report.markdown.read_text(encoding="utf-8")


def test_no_address_is_asked_for(report: Report) -> None:
    html = report.html.read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", html)
    assert "default-src 'none'" in html


@pytest.mark.end_to_end
def test_two_runs_are_compared(tmp_path: Path) -> None:
    write_run(tmp_path / "a", n=120)
    write_run(tmp_path / "b", n=120, run_id="second", seed=3, ability=4.0, model="acme/better")
    with blank_figures():
        made = build_report(tmp_path, tmp_path / "report", draws=QUICK)
    text = made.markdown.read_text(encoding="utf-8")
    assert "acme/better scores higher than acme/tiny-vlm on the 120 samples that both have" in text
    assert stats_of(made)["comparisons"][0]["result"]["difference"]["n"] == 120


def test_a_lens_that_is_refused_is_named_and_nothing_may_be_claimed(tmp_path: Path) -> None:
    why = "on held-out data its readout at answer positions is farther from the last layer"
    lens = {"name": "tuned", "digest": "0123456789abcdef", "trained_on": "task pope", "refused_claims": why}
    plan = Plan(n=40)
    other = replace(run_info(plan).lens, extra={"lens": lens})
    made = build_report(write_run(tmp_path / "run", replace(plan, info={"lens": other})), tmp_path / "out", draws=QUICK)
    text = made.markdown.read_text(encoding="utf-8").replace("\\", "")
    assert "tiny-vlm + lens_kind=tuned lens_allow_worse=True" in text
    assert re.search(r"are read by the lens .?tuned.? \(.?0123456789abcdef.?\), learnt on: .?task pope", text)
    assert re.search(r"Nothing may be claimed from the layers of run .* of its lens, .?on held-out data", text)
    allowed = replace(other, extra={"lens": {**lens, "refused_claims": None}})
    again = write_run(tmp_path / "allowed", replace(plan, info={"lens": allowed}))
    text = build_report(again, tmp_path / "again", draws=QUICK).markdown.read_text(encoding="utf-8").replace("\\", "")
    assert "lens_kind=tuned" in text and "lens_allow_worse" not in text and "Nothing may be claimed" not in text

"""The committed write-up says what its numbers say."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from experiments.shifts.table import PAGE
from experiments.writeup.build import build
from experiments.writeup.measured_remedies import EFFECTS, measured_section
from experiments.writeup.paper import FINDINGS
from experiments.writeup.short import ALONE, REPEATED
from lens_report.presentation.document.markdown import escape

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "report"
IMAGE = re.compile(r"^(!\[.*\]\(.*\)|\*.*\*|#.*|\| --- .*)$")


@pytest.fixture(scope="module")
def stats():
    return json.loads((REPORT / "stats.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def prose():
    """The paper and its appendix."""
    return "\n".join((REPORT / name).read_text(encoding="utf-8") for name in ("README.md", "appendix.md"))


def test_each_number_of_the_prose_is_in_the_stats(stats, prose):
    sentences = sorted((escape(one["text"]) for one in stats["findings"]), key=len, reverse=True)
    rows = {
        "| " + " | ".join(escape(cell["shown"]) for cell in row) + " |"
        for table in stats["tables"]
        for row in table["rows"]
    }
    headings = {"| " + " | ".join(escape(name) for name in table["columns"]) + " |" for table in stats["tables"]}
    for line in prose.splitlines():
        if line in rows or line in headings or IMAGE.match(line) or line.startswith("| ---"):
            continue
        rest = line
        for sentence in sentences:
            rest = rest.replace(sentence, "")
        assert not re.search(r"\d", rest), f"a number that stats.json does not hold: {line}"


def test_each_finding_and_row_of_the_stats_is_in_the_prose(stats, prose):
    for one in stats["findings"]:
        assert escape(one["text"]) in prose
        for value in one["values"].values():
            assert value["shown"] in one["text"]
    for table in stats["tables"]:
        for row in table["rows"]:
            assert "| " + " | ".join(escape(cell["shown"]) for cell in row) + " |" in prose


def test_claims_in_short_are_those_that_the_tests_let_through(stats):
    found = {name: [one["text"] for one in stats["findings"] if one["section"] == name] for name in (REPEATED, ALONE)}
    for claim in stats["claims"]:
        holds = claim["p_holm"] is not None and claim["p_holm"] < 0.05
        sign = 1 if (claim["estimate"]["value"] or 0) > 0 else -1
        again = [p is not None and p < 0.05 and (one["value"] or 0) * sign > 0 for one, p in claim["seeds"].values()]
        home = None if not holds else REPEATED if again and all(again) else ALONE
        for name, texts in found.items():
            said = sum(f". {claim['task']}: {claim['what']}" in text for text in texts)
            assert said == (name == home), (name, claim["what"])


def test_the_paper_is_short_and_has_a_figure_for_each_of_five_findings():
    paper = (REPORT / "README.md").read_text(encoding="utf-8")
    assert len(paper.split()) < 4_000
    found = paper.split(f"\n## {FINDINGS}\n")[1].split("\n## ")[0].split("\n### ")[1:]
    assert len(found) == 5
    for section in found:
        drawn = re.findall(r"\]\((figures/.*?)\)$", section, re.M)
        assert len(drawn) == 1
        assert (REPORT / drawn[0]).is_file()


def test_headings_of_findings_are_those_of_the_tests_behind_them(stats, prose):
    def held(topic: str) -> list[dict]:
        return [one for one in stats["claims"] if one["topic"] == topic and (one["p_holm"] or 1) < 0.05]

    asked = [one for one in stats["claims"] if one["topic"] == "image"]
    gained = [one for one in held("image") if one["estimate"]["value"] > 0]
    assert ("### The answers depend on the picture\n" in prose) == (len(gained) == len(asked))
    better = [one for one in held("decoder") if one["estimate"]["value"] > 0]
    assert ("### No decoder over the layers was shown to beat the last one\n" in prose) == (not better)
    adding = {row[-1]["shown"] for table in stats["tables"] if table["name"] == "prediction" for row in table["rows"]}
    none = "### No readout of the layers was shown to tell of errors what the last one does not\n"
    assert (none in prose) == (adding <= {"none", "–"})


def test_remedies_that_were_run_are_shown_where_they_are_stored(tmp_path):
    assert list(measured_section(tmp_path)) == []
    (tmp_path / EFFECTS).parent.mkdir()
    (tmp_path / EFFECTS).write_text(
        "task,intervention,n,n_clusters,difference,low,high,p,corrected,broken,positions_ratio\n"
        "a,dola,40,40,-0.2,-0.3,-0.1,0.001,1,9,1.0\nb,dola,40,40,0.1,-0.1,0.3,0.04,5,1,1.0\n"
        "a,vcd,40,40,0.0,,,,0,0,2.0\n",
        encoding="utf-8",
    )
    (section,) = measured_section(tmp_path)
    text, table = section.blocks
    assert "of 3 comparisons 1 are shown to gain and 1 to lose" in text.sentences[0].text
    shown = [[cell.text for cell in row] for row in table.rows]
    assert shown == [
        ["dola", "-20.0 % [-30.0, -10.0]; 1, 9", "10.0 % [-10.0, 30.0]; 5, 1", "1.0"],
        ["vcd", "0.0 %; 0, 0", "–", "2.0"],
    ]


def test_remedies_that_were_run_are_shown_as_they_are_stored():
    stored = list(csv.DictReader((ROOT / "results" / EFFECTS).read_text(encoding="utf-8").splitlines()))
    (section,) = measured_section(ROOT / "results")
    text, table = section.blocks
    tested = sorted((float(row["p"]), float(row["difference"])) for row in stored if row["p"])
    held = []
    for place, (p, difference) in enumerate(tested):  # Holm: down from the smallest, as far as each holds
        if p * (len(tested) - place) >= 0.05:
            break
        held.append(difference)
    gains, losses = sum(one > 0 for one in held), sum(one < 0 for one in held)
    assert f"of {len(stored)} comparisons {gains} are shown to gain and {losses} to lose" in text.sentences[0].text
    shown = {row[0].text: dict(zip(table.columns, (cell.text for cell in row), strict=True)) for row in table.rows}
    for row in stored:
        cell = shown[row["intervention"]][row["task"]]
        assert cell.startswith(f"{100 * float(row['difference']):.1f} %")
        assert cell.endswith(f"; {row['corrected']}, {row['broken']}")


def test_the_correction_covers_every_hypothesis(stats):
    """Holm's p-values by hand: sorted, times the number that is left, never falling."""
    tested = sorted((one["p"], one["p_holm"]) for one in stats["claims"] if one["p"] is not None)
    highest = 0.0
    for place, (p, p_holm) in enumerate(tested):
        highest = max(highest, min(1.0, p * (len(tested) - place)))
        assert p_holm == pytest.approx(highest)


@pytest.mark.slow
def test_the_write_up_is_rebuilt_byte_for_byte(tmp_path):
    build(ROOT / "results", tmp_path)
    kept, made = (
        {file.relative_to(home): file.read_bytes() for file in home.rglob("*") if file.is_file()}
        for home in (REPORT, tmp_path)
    )
    kept.pop(PAGE.relative_to(REPORT))  # made by `experiments.shifts.table`
    assert sorted(kept) == sorted(made)
    assert not [name for name in kept if kept[name] != made[name]]

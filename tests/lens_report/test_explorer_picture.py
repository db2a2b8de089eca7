"""The map over the picture of a sample, in headless Chromium, on a run whose maps are planted."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blank_figures import blank_figures
from browser_page import Opened, in_browser
from pictured import CELLS, FLOORS, MAP_LAYERS, TOKENS, Pictured, in_a_video, pictured, write_pictured
from synthetic import QUICK

from lens_report import ExplorerLimits, build_report
from lens_report.measures.picture.stored_maps import StoredMaps
from lens_report.presentation.explorer.heat import LARGEST, MIDDLE, PLACES, Heat
from lens_report.presentation.explorer.payload import explorer_data


def numbers(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_what_is_packed_is_what_was_planted(tmp_path: Path) -> None:
    entry = Heat(pictured(tmp_path, images=2)).entry(5)
    assert entry is not None
    assert numbers(entry["tokens"], "<i2").reshape(TOKENS, 4).tolist() == (CELLS * PLACES).astype(int).tolist()
    assert entry["boxes"] == [[*(CELLS[1] * PLACES).astype(int), 0, 1], [*(CELLS[-1] * PLACES).astype(int), 0, 0]]
    attention, sinkless, relative, word, near, answer = entry["maps"]
    assert [one["name"] for one in entry["maps"]] == [
        "attention", "attention without sinks", "relative attention", "word asked about: sphere",
        "nearness of the words asked about", "answer: yes",
    ]  # fmt: skip
    shown = numbers(attention["whole"], "u1")
    assert numbers(relative["whole"], "u1").tolist() == shown[::-1].tolist()
    assert numbers(sinkless["whole"], "u1").tolist() == [*shown[:-1].tolist(), 0], "layer 2 is a middle one"
    assert (sinkless["kind"], relative["kind"]) == ("attention without sinks", "relative attention")
    expected = np.where(np.arange(TOKENS) == 1, 255, round(255 * FLOORS[1]))
    assert numbers(word["whole"], "u1").tolist() == expected.tolist() and word["top"] == 1.0
    assert numbers(word["values"], "u1").reshape(4, TOKENS)[:, 1].tolist() == [64, 128, 191, 255]
    assert (word["of"], word["kind"], attention["of"], answer["kind"]) == (LARGEST, "words", MIDDLE, "")
    assert near["kind"] == "nearness" and numbers(near["whole"], "u1").sum() == 255
    assert numbers(attention["whole"], "u1")[1] == 96, (
        "mean of layers 2 and 4 of 8, those of 5/32 to 18/32 of the depth"
    )
    assert entry["lifts"]["words"]["layers"] == list(MAP_LAYERS) and "status" not in entry


def test_without_stored_middle_layers_the_attention_shown_has_no_recorded_figures(tmp_path: Path) -> None:
    entry = Heat(pictured(tmp_path, images=2, layers=(8,))).entry(1)
    assert entry is not None
    attention = entry["maps"][0]
    assert (attention["of"], attention["scored"], attention["layers"]) == (LARGEST, False, [8])


def test_a_run_without_maps_adds_nothing_to_the_page(tmp_path: Path) -> None:
    assert Heat(pictured(tmp_path, images=2, probes=False)).entry(0) is None


def test_a_sample_costs_little(tmp_path: Path) -> None:
    entry = Heat(pictured(tmp_path, images=2)).entry(0)
    assert len(json.dumps(entry)) < 2_000


def pieces() -> dict[str, Any]:
    """A picture shown whole in 4 x 4 tokens, its quarters in one token each, and a token that is mostly border."""
    quarters = np.array([[x, y, x + 0.5, y + 0.5] for y in (0, 0.5) for x in (0, 0.5)])
    boxes = np.vstack([CELLS, quarters, [[0.75, -0.5, 1.0, 0.25]]])
    heat = np.concatenate([np.full(TOKENS, 0.4), [1.0, 0.2, 0.2, 0.2], [0.6]])
    maps = {"map sphere": heat[None], "map sphere layers": np.array([8]), "layers": np.array([8])}
    return {"image_tokens": maps, "tokens": {"boxes": boxes, "image": np.zeros(len(boxes))}}


def test_maps_beyond_the_limit_are_left_out_and_counted(tmp_path: Path) -> None:
    task_run = pictured(tmp_path, images=10)
    heat = Heat(task_run)
    one = StoredMaps(task_run).size(0)
    wrong = np.flatnonzero(~task_run.frame["correct"].astype(bool))
    assert heat.keep(one * len(wrong), 40) == 40 - len(wrong)
    for row in range(40):
        entry = heat.entry(row)
        assert entry is not None and bool(entry["maps"]) == (row in wrong) == ("left_out" not in entry)
    notes = explorer_data([task_run], ExplorerLimits(map_bytes=one)).notes
    assert notes[:1] == ("pope_mini, m: the maps of 39 samples are left out.",)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictured")
    two = {"image_sha256": ("f" * 64, "e" * 64)}
    tiles = {"probes": pieces(), "probe_status": {"image_tokens": "ok"}}
    plans = [
        Pictured(images=12, task=task, changes=changes)
        for task, changes in (("pope_mini", {}), ("two", two), ("tiles", tiles), ("video", in_a_video()))
    ]
    write_pictured(folder / "run", *plans, thumbnails=True)
    with blank_figures():
        return build_report(folder / "run", folder / "report", draws=QUICK).html


@pytest.fixture
def opened(tab: Opened, page_file: Path) -> Opened:
    tab.open(page_file)
    return tab


def strengths(opened: Opened, picture: int = 0) -> list[int]:
    """Opacity of the map in the middle of each cell, 0 to 255."""
    return list(
        opened.page.evaluate(
            """([cells, picture]) => { const canvas = document.querySelectorAll('.heat-picture canvas')[picture];
            const { width, height } = canvas;
            const pixels = canvas.getContext('2d').getImageData(0, 0, width, height).data;
            return cells.map(([l, t, r, b]) =>
                pixels[4 * (Math.floor(height * (t + b) / 2) * width + Math.floor(width * (l + r) / 2)) + 3]); }""",
            [CELLS.tolist(), picture],
        )
    )


def choose(opened: Opened, task: str, doc: int) -> Any:
    opened.page.select_option("#task", label=f"{task}: m")
    opened.settled()
    opened.page.locator("#samples tbody tr").nth(doc).click()
    opened.page.wait_for_selector(f'#sample h2:has-text("{task}, document {doc} ")')
    return opened.page


class TestPage:
    pytestmark = in_browser

    def test_the_map_lies_where_it_was_planted(self, opened: Opened) -> None:
        page = choose(opened, "pope_mini", 5)
        page.select_option("#heat-map", label="word asked about: sphere")
        found = strengths(opened)
        assert found[1] == pytest.approx(0.85 * 255, abs=2)
        assert found[:1] + found[2:] == pytest.approx([0.85 * 255 * FLOORS[1]] * (TOKENS - 1), abs=2)
        assert page.locator(".heat-picture rect.asked.over").count() == 1
        assert page.locator(".heat-picture rect.other.over").count() == 1
        assert float(page.locator("rect.asked.over").get_attribute("x")) == CELLS[1][0] * PLACES
        assert opened.console == []

    def test_layers_are_chosen_by_keys_and_lifts_stand_beside_their_nulls(self, opened: Opened) -> None:
        page = choose(opened, "pope_mini", 5)
        page.select_option("#heat-map", label="word asked about: sphere")
        said = page.locator(".heat-controls output")
        assert said.inner_text().startswith("all layers (largest), largest value 1.000; lift 2.286, in null boxes ")
        page.focus("#heat-layer")
        page.keyboard.press("ArrowRight")
        assert said.inner_text().startswith("layer 2, largest value 0.251; lift ")
        page.keyboard.press("End")
        assert said.inner_text().startswith("layer 8, largest value 1.000; lift ")
        assert page.get_attribute("#heat-layer", "aria-valuetext") == "layer 8"
        assert "document 5 " in page.inner_text("#sample h2"), "arrow keys move the slider, not the list"

    def test_drops_and_what_was_not_measured(self, opened: Opened) -> None:
        page = choose(opened, "pope_mini", 4)
        text = page.inner_text("#sample")
        assert "masked: drop of log-odds (nats)" in text and "Not measured: boxes: no_null_box: nowhere else 1." in text
        cells = page.locator("table.figures").nth(1).locator("tbody tr").first.locator("td").all_inner_texts()
        assert cells[1:] == ["0.500", "1"]

    def test_where_pieces_and_the_whole_overlap_the_larger_value_shows(self, opened: Opened) -> None:
        choose(opened, "tiles", 1)
        found = np.array(strengths(opened)).reshape(4, 4) / 255 / 0.85
        expected = np.full((4, 4), 0.4)
        expected[:2, :2], expected[0, 3] = 1.0, 0.6
        np.testing.assert_allclose(found, expected, atol=0.01)
        assert opened.console == []

    def test_several_pictures_have_a_map_each(self, opened: Opened) -> None:
        page = choose(opened, "two", 5)
        assert page.locator(".heat-picture").count() == 2
        assert any(strengths(opened, 0)) and not any(strengths(opened, 1)), "all tokens are of the first picture"
        assert opened.console == []

    def test_a_video_is_gone_through_in_time(self, opened: Opened) -> None:
        page = choose(opened, "video", 5)
        said, canvas = page.locator(".heat-video output"), strengths
        assert said.inner_text() == "frame 1, 0.00 s; asked about: 100 % seen"
        assert canvas(opened)[0] > 200 and not any(canvas(opened)[1:])
        page.focus("input.time")
        page.keyboard.press("ArrowRight")
        assert said.inner_text() == "frame 2, 0.50 s; asked about: 100 % seen"
        assert canvas(opened)[0] > 200, "a token stands for two frames"
        assert page.locator("rect.other.over").count() == 1
        page.keyboard.press("End")
        assert said.inner_text() == "frame 4, 1.50 s; asked about: 0 % seen"
        assert canvas(opened)[1] > 200 and not canvas(opened)[0]
        assert float(page.locator("rect.asked.hidden.over").get_attribute("x")) == CELLS[3][0] * PLACES
        style = page.locator(".heat-video .still").evaluate(
            "one => [one.style.backgroundPosition, one.style.backgroundSize]"
        )
        assert style == ["100% 0px", "400% 100%"]
        assert [line for line in opened.console if "willReadFrequently" not in line] == []  # this test reads it often

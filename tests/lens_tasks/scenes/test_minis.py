"""The shipped tables: schema, balance, and every answer recomputed from the regenerated scenes."""

import io
import json
import re
from collections import Counter, defaultdict
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from reference import reference_answer
from russian_reading import read

import lens_tasks
from lens_tasks.scenes import clevr, pope, ruclevr, slots
from lens_tasks.scenes.english import question_text
from lens_tasks.scenes.instructions import RUCLEVR, WEIRD
from lens_tasks.scenes.pictures import SEEDS, scenes_of
from lens_tasks.scenes.programs import ANSWERS, run
from lens_tasks.scenes.questions import Noun, Phrase, Question
from lens_tasks.scenes.render import render
from lens_tasks.scenes.russian import ANSWERS as RUSSIAN
from lens_tasks.scenes.russian import question_text as russian_text
from lens_tasks.scenes.sample import sample_pair
from lens_tasks.scenes.world import COLOURS, SHAPES

FOLDER = Path(lens_tasks.__path__[0]) / "minis"


def rows(name):
    return pq.read_table(FOLDER / f"{name}.parquet").to_pylist()


def pixels(cell):
    return np.asarray(Image.open(io.BytesIO(cell["bytes"])))


@pytest.fixture(scope="module")
def pope_rows():
    return rows("pope_mini")


@pytest.fixture(scope="module")
def clevr_rows():
    return rows("clevr_mini")


@pytest.fixture(scope="module")
def ruclevr_rows():
    return rows("ruclevr_mini")


@pytest.fixture(scope="module")
def weird_rows():
    return rows("weird_mini")


def test_the_page_counts_rows_and_pictures():
    page = (Path(__file__).parents[3] / "docs" / "scenes.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| (`\w+\.parquet`(?:, `\w+\.parquet`)?) \| ([\d, ]+) \| ([\d, ]+) \|", page, re.MULTILINE)
    documented = {
        name: (int(count), int(pictures))
        for files, counts, distinct in lines
        for name, count, pictures in zip(
            re.findall(r"\w+(?=\.)", files), counts.split(","), distinct.split(","), strict=True
        )
    }
    found = {}
    for path in FOLDER.glob("*.parquet"):
        if path.stem.startswith(("perception", "sound")):  # counted on pages of their own
            continue
        cells = [row["image"] if "image" in row else row["inputs"]["image"] for row in rows(path.stem)]
        found[path.stem] = (len(cells), len({cell["bytes"] for cell in cells}))
    assert documented == found


def test_files_stay_small():
    assert sum(path.stat().st_size for path in FOLDER.glob("*.parquet")) < 6_000_000


def test_pictures_are_the_rendered_scenes(pope_rows, clevr_rows):
    scenes = dict(scenes_of("pope_mini", 3, pope.suitable))
    for number, scene in scenes.items():
        assert np.array_equal(pixels(pope_rows[6 * number]["image"]), render(scene))
    first = next(scenes_of("clevr_mini", 1, lambda _: True))[1]
    assert np.array_equal(pixels(clevr_rows[0]["image"]), render(first))


class TestPope:
    def test_columns_and_types(self, pope_rows):
        stock = ["id", "question_id", "question", "answer", "image_source", "image", "category"]
        assert list(pope_rows[0]) == [*stock, "lens_boxes"]
        assert all(isinstance(row["id"], str) and isinstance(row["question_id"], str) for row in pope_rows)
        assert len({row["question_id"] for row in pope_rows}) == len(pope_rows)

    def test_six_questions_on_each_of_100_images(self, pope_rows):
        assert Counter(Counter(row["image_source"] for row in pope_rows).values()) == {6: 100}
        assert len({row["image"]["bytes"] for row in pope_rows}) == 100

    def test_balance(self, pope_rows):
        counts = Counter((row["category"], row["answer"]) for row in pope_rows)
        assert counts == dict.fromkeys(product(pope.CATEGORIES, ("yes", "no")), 100)

    def test_every_answer_from_ground_truth(self, pope_rows):
        scenes = dict(scenes_of("pope_mini", pope.IMAGES, pope.suitable))
        for index, row in enumerate(pope_rows):
            there = {f"{solid.color} {solid.shape}" for solid in scenes[index // 6].solids}
            asked = row["question"].removeprefix("Is there a ").removesuffix(" in the image?")
            assert (asked in there) == (row["answer"] == "yes")
            assert row["image_source"] == f"scene_{index // 6:06d}"

    def test_categories_keep_their_definition(self, pope_rows):
        scenes = dict(scenes_of("pope_mini", pope.IMAGES, pope.suitable))
        pictures = Counter(k for s in scenes.values() for k in {(o.color, o.shape) for o in s.solids})
        popular = set(sorted(product(COLOURS, SHAPES), key=lambda kind: (-pictures[kind], kind))[: pope.POPULAR])
        asked = defaultdict(set)
        for index, row in enumerate(pope_rows):
            color, shape = row["question"].removeprefix("Is there a ").removesuffix(" in the image?").split()
            solids = scenes[index // 6].solids
            asked[index // 6].add((color, shape))
            if row["answer"] == "no" and row["category"] == "adversarial":
                assert color in {s.color for s in solids} and shape in {s.shape for s in solids}
            if row["answer"] == "no" and row["category"] == "popular":
                assert (color, shape) in popular
        assert all(len(kinds) == 6 for kinds in asked.values())


class TestClevr:
    def test_balance_within_families(self, clevr_rows):
        assert Counter(row["question_family"] for row in clevr_rows) == clevr.PLAN
        for family in ("exist", "compare_integer", "compare_attribute", "count"):
            given = Counter(row["answer"] for row in clevr_rows if row["question_family"] == family)
            assert set(given) == set(slots.answers_of(family, ""))
            assert max(given.values()) - min(given.values()) <= 1

    def test_answers_are_in_the_closed_vocabulary(self, clevr_rows):
        assert {row["answer"] for row in clevr_rows} <= set(ANSWERS)

    def test_stored_programs_give_the_stored_answers(self, clevr_rows):
        scenes = dict(scenes_of("clevr_mini", clevr.IMAGES, lambda _: True))
        for row in clevr_rows:
            assert run(json.loads(row["program"]), scenes[row["image_index"]]) == row["answer"]

    def test_every_answer_from_ground_truth(self, clevr_rows):
        """The question is read back from the stored program, answered by the independent reading."""
        scenes = dict(scenes_of("clevr_mini", clevr.IMAGES, lambda _: True))
        for row in clevr_rows:
            question = parse(json.loads(row["program"]))
            assert question_text(question) == row["question"]
            assert reference_answer(question, scenes[row["image_index"]]) == row["answer"]

    def test_hops_reach_three(self, clevr_rows):
        hops = Counter(sum(s["function"] == "relate" for s in json.loads(row["program"])) for row in clevr_rows)
        assert hops[0] and hops[1] and hops[2] and hops[3]

    def test_no_question_twice_on_one_image(self, clevr_rows):
        pairs = [(row["image_index"], row["question"]) for row in clevr_rows]
        assert len(set(pairs)) == len(pairs)


def parse(program):
    """Question of a program in CLEVR's spelling."""

    def phrase(index):
        attributes = {}
        while program[index]["function"].startswith("filter_"):
            step = program[index]
            attributes[step["function"][7:]] = step["value_inputs"][0]
            (index,) = step["inputs"]
        step = program[index]
        if step["function"] == "scene":
            return Phrase(Noun(**attributes))
        link = step["value_inputs"][0] if step["function"] == "relate" else step["function"]
        (unique,) = step["inputs"]
        return Phrase(Noun(**attributes), link, phrase(program[unique]["inputs"][0]))

    last = program[-1]
    function = last["function"]
    if function in ("exist", "count"):
        return Question(function, (phrase(last["inputs"][0]),))
    if function.startswith("query_"):
        return Question("query_attribute", (phrase(program[last["inputs"][0]]["inputs"][0]),), function[6:])
    if function in ("equal_integer", "greater_than", "less_than"):
        ends = [program[i]["inputs"][0] for i in last["inputs"]]
        detail = {"equal_integer": "equal", "greater_than": "greater", "less_than": "less"}[function]
        return Question("compare_integer", tuple(phrase(end) for end in ends), detail)
    ends = [program[program[i]["inputs"][0]]["inputs"][0] for i in last["inputs"]]
    return Question("compare_attribute", tuple(phrase(end) for end in ends), function[6:])


class TestRuclevr:
    def test_record_format(self, ruclevr_rows):
        row = ruclevr_rows[0]
        assert list(row) == ["instruction", "inputs", "outputs", "meta", "lens_boxes"]
        assert list(row["inputs"]) == ["image", "question"] and list(row["inputs"]["image"]) == ["bytes", "path"]
        assert list(row["meta"]) == ["id", "question_type", "image"]
        assert len(rows("ruclevr_mini_shots")) == 10
        ids = [r["meta"]["id"] for r in rows("ruclevr_mini_shots") + ruclevr_rows]
        assert ids == list(range(len(ids)))

    def test_instructions_are_shared_out_evenly(self, ruclevr_rows):
        used = Counter(row["instruction"] for row in ruclevr_rows)
        assert set(used) == set(RUCLEVR) and max(used.values()) - min(used.values()) <= 1

    def test_balance_within_types(self, ruclevr_rows):
        assert Counter(row["meta"]["question_type"] for row in ruclevr_rows) == ruclevr.PLAN
        for kind in ruclevr.PLAN:
            given = Counter(row["outputs"] for row in ruclevr_rows if row["meta"]["question_type"] == kind)
            assert max(given.values()) - min(given.values()) <= 1, kind

    def test_every_answer_from_ground_truth(self, ruclevr_rows):
        """The question is read back from its Russian wording and answered by the independent reading."""
        scenes = [s for _, s in scenes_of("ruclevr_mini", ruclevr.IMAGES + ruclevr.SHOTS, lambda _: True)]
        for row in ruclevr_rows:
            question = read(row["inputs"]["question"])
            number = int(row["inputs"]["image"]["path"].removeprefix("ruclevr_mini_test_").removesuffix(".png"))
            assert russian_text(question) == row["inputs"]["question"]
            assert row["outputs"] == RUSSIAN[reference_answer(question, scenes[ruclevr.SHOTS + number])]

    def test_shots_have_pictures_of_their_own(self, ruclevr_rows):
        shots = {row["inputs"]["image"]["bytes"] for row in rows("ruclevr_mini_shots")}
        assert not shots & {row["inputs"]["image"]["bytes"] for row in ruclevr_rows}


class TestWeird:
    def test_record_format(self, weird_rows):
        row = weird_rows[0]
        assert list(row["inputs"]) == ["image", "question", "option_a", "option_b"]
        assert list(row["meta"]) == ["id", "categories", "pair_id", "image"]
        assert len(rows("weird_mini_shots")) == 10

    def test_answers_follow_from_the_seeds(self, weird_rows):
        for index, row in enumerate(weird_rows):
            seed = int(row["meta"]["pair_id"].removeprefix("mini_"))
            strange = index % 2 == 1
            wanted = "странное" if strange else "нормальное"
            assert row["inputs"]["option_" + row["outputs"].lower()] == wanted
            if index < 12:
                scene = sample_pair(seed)[strange]
                assert np.array_equal(pixels(row["inputs"]["image"]), render(scene))

    def test_balance(self, weird_rows):
        half = len(weird_rows) // 2
        assert Counter(row["outputs"] for row in weird_rows) == {"A": half, "B": half}
        orders = Counter((i % 2, row["inputs"]["option_a"]) for i, row in enumerate(weird_rows))
        assert set(orders.values()) == {half // 2}
        groups = Counter(row["meta"]["categories"]["commonsense_violation_subgroup"] for row in weird_rows)
        assert len(groups) == 4 and len(set(groups.values())) == 1
        used = Counter(row["instruction"] for row in weird_rows)
        assert set(used) == set(WEIRD) and max(used.values()) - min(used.values()) <= 1

    def test_pairs_are_two_different_pictures(self, weird_rows):
        pairs = defaultdict(set)
        for row in weird_rows:
            pairs[row["meta"]["pair_id"]].add(row["inputs"]["image"]["bytes"])
        assert all(len(pictures) == 2 for pictures in pairs.values())

    def test_some_instructions_write_the_letter_in_cyrillic(self, weird_rows):
        assert any("литера \u0410" in row["instruction"] for row in weird_rows)
        assert {row["outputs"] for row in weird_rows} == {"\u0041", "\u0042"}


def test_no_picture_is_in_two_benchmarks(pope_rows, clevr_rows, ruclevr_rows, weird_rows):
    sets = [{row["image"]["bytes"] for row in part} for part in (pope_rows, clevr_rows)]
    sets += [{row["inputs"]["image"]["bytes"] for row in part} for part in (ruclevr_rows, weird_rows)]
    assert len(set().union(*sets)) == sum(len(part) for part in sets)


def test_seed_ranges_do_not_meet():
    spans = sorted((seeds.start, seeds.stop) for seeds in SEEDS.values())
    assert all(one[1] <= two[0] for one, two in pairwise(spans))

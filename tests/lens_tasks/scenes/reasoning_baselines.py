"""What reasoning_mini gives away without its picture, or without its steps.

``python tests/lens_tasks/scenes/reasoning_baselines.py`` prints the table of docs/reasoning.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pyarrow.parquet as pq
from reference import described
from russian_reading import read
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GroupKFold

from lens_tasks.folders import MINIS
from lens_tasks.scenes.pictures import scenes_of
from lens_tasks.scenes.programs import answer
from lens_tasks.scenes.questions import Phrase, Question
from lens_tasks.scenes.reasoning import FEWEST_SOLIDS, IMAGES

FAMILIES = ("exist", "count", "query_attribute", "compare_integer", "compare_attribute")


def rows(language="en"):
    return [row for row in pq.read_table(MINIS / "reasoning_mini.parquet").to_pylist() if row["language"] == language]


def scenes():
    return dict(scenes_of("reasoning_mini", IMAGES, lambda scene: len(scene.solids) >= FEWEST_SOLIDS))


def cell(row):
    """Questions with the same possible answers: a family and what it asks for."""
    last = row["program"].rsplit('"function": "', 1)[1].partition('"')[0]
    return f"{row['steps']} {last}"


def majority(asked):
    """Hits of the most frequent answer of a question's number of steps and last function."""
    given = defaultdict(Counter)
    for row in asked:
        given[cell(row)][row["answer"]] += 1
    return np.asarray([row["answer"] == given[cell(row)].most_common(1)[0][0] for row in asked])


def from_words(asked):
    """Hits of a forest that learns from the words of the questions about other pictures."""
    answers = np.asarray([row["answer"] for row in asked])
    texts = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+").fit_transform(row["question"] for row in asked)
    counts = np.asarray(texts.todense())
    picture = [row["image_index"] for row in asked]
    hits = np.zeros(len(asked), dtype=bool)
    for train, test in GroupKFold(5).split(counts, answers, picture):
        forest = RandomForestClassifier(50, random_state=0, n_jobs=1).fit(counts[train], answers[train])
        hits[test] = forest.predict(counts[test]) == answers[test]
    return hits


def without_anchors(asked, drawn):
    """Hits of who sees the picture and reads each phrase up to its first relation; among several solids the first."""
    hits = []
    for row in asked:
        question, scene = read(row["question"]), drawn[row["image_index"]]
        bare = Question(question.family, tuple(Phrase(each.noun) for each in question.phrases), question.detail)
        if question.family in ("exist", "count", "compare_integer"):
            said = answer(bare, scene)
        else:
            seen = [next(s for s in scene.solids if described(each.noun, s)) for each in bare.phrases]
            values = [solid.value(question.detail) for solid in seen]
            said = values[0] if len(values) == 1 else "yes" if values[0] == values[1] else "no"
        hits.append(said == answer(question, scene))
    return np.asarray(hits)


def main():
    english, russian = rows("en"), rows("ru")
    found = {
        "most frequent answer": majority(english),
        "words, English": from_words(english),
        "words, Russian": from_words(russian),
        "picture, without anchors": without_anchors(russian, scenes()),
    }
    groups = {f"{n} steps": [row["steps"] == n for row in english] for n in (2, 3, 4, 5)}
    groups |= {family: [row["question_family"] == family for row in english] for family in FAMILIES}
    groups["all"] = [True] * len(english)
    for name, mine in groups.items():
        shares = [f"{hits[mine].mean():.2f}" for hits in found.values()]
        print(f"| {name} | {sum(mine)} | {' | '.join(shares)} |")


if __name__ == "__main__":
    main()

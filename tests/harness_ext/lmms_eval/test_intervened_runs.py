"""`lens_intervene` in lmms-eval: the same answers in batches, alone and without the lens, and its name in records."""

from __future__ import annotations

import pytest
from lmms_eval_outcome import Evaluate

from lens_models import LensArgumentError

TASK, LIMIT = "clevr_mini", 12
CHANGED = "lens_intervene=early_exit:1:layers=4-8:threshold=0.3"


def test_answers_change_and_are_the_same_in_batches_and_without_the_lens(evaluate: Evaluate) -> None:
    plain = evaluate(TASK, "", limit=LIMIT)
    found = evaluate(TASK, CHANGED, limit=LIMIT)
    assert found.texts(TASK) != plain.texts(TASK), "an intervention that changes nothing here tests nothing"
    for arguments, size in ((CHANGED, 4), (f"{CHANGED},lens=False", 1)):
        assert evaluate(TASK, arguments, limit=LIMIT, batch_size=size).texts(TASK) == found.texts(TASK)
    assert evaluate(TASK, "lens_intervene=deco:0", limit=LIMIT).texts(TASK) == plain.texts(TASK)


def test_records_say_what_was_changed_and_are_read_exactly(evaluate: Evaluate) -> None:
    run = evaluate(TASK, CHANGED, limit=4).run
    settings = {"layers_of": "4-8", "threshold": 0.3}
    assert run.info.fingerprint["interventions"] == [["early_exit", 1.0, settings]]
    assert all(record.status == "ok" and record.identity_argmax is not False for record in run.records())


def test_choices_are_scored_under_it(evaluate: Evaluate) -> None:
    words = "lens_intervene=early_exit:1:layers=2-4:threshold=0"
    plain, changed = (
        evaluate("tiny_choice", arguments, limit=4, force_simple=True).results["samples"]["tiny_choice"]
        for arguments in ("", words)
    )
    scores = [[sample["resps"] for sample in samples] for samples in (plain, changed)]
    assert len(scores[0]) == 4 and scores[0] != scores[1]


def test_a_wrong_name_is_refused_before_anything_runs(evaluate: Evaluate) -> None:
    with pytest.raises(LensArgumentError, match="Did you mean dola"):
        evaluate(TASK, "lens_intervene=dolla", limit=1)

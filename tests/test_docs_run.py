"""The code of the pages on probes, lenses and backends runs as written, and does what the pages say."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from controlled_records import mini_documents, mini_image
from plain_model import lens_tiny_bounds, plain_lens_tiny

from lens_engine import load
from lens_models.lenses import LENSES
from lens_models.probes import PROBES
from lens_results import load as load_records

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(autouse=True)
def registries_as_they_were() -> Iterator[None]:
    before = {id(registry): dict(registry) for registry in (PROBES, LENSES)}
    yield
    for registry in (PROBES, LENSES):
        registry.clear()
        registry.update(before[id(registry)])  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the Python blocks of a page one after another in a folder with a picture; gives what they defined."""
    monkeypatch.chdir(tmp_path)
    mini_image(mini_documents("pope_mini")[0]).save("cat.png")

    def run(page: str) -> dict[str, Any]:
        blocks = re.findall(
            r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        )
        assert blocks
        scope = ModuleType("page")
        monkeypatch.setitem(sys.modules, "page", scope)
        for block in blocks:
            # annotations are those of this page, not of this test
            exec(compile(block, page, "exec", dont_inherit=True), scope.__dict__)
        return scope.__dict__

    return run


def test_a_new_probe_is_in_the_records(run: Any) -> None:
    found = run("adding-a-probe.md")
    record, norms = found["answer"].record, found["norms"]
    assert norms.shape == (record.n_generated, 10)
    assert record.probes["step_entropy"]["entropy"].shape == (record.n_generated,)
    plain = plain_lens_tiny()
    prompt = plain.prompt([{"type": "image"}, {"type": "text", "text": record.question}])
    inputs = plain.processor(text=[prompt], images=[mini_image(mini_documents("pope_mini")[0])], return_tensors="pt")
    with torch.no_grad():
        states = plain.model(**inputs, output_hidden_states=True).hidden_states
    # the last state is behind the final norm already
    expected = [(after - before)[0, -1].norm() for before, after in pairwise(states[:-1])]
    scale = float(torch.stack([state[0, -1].norm() for state in states[:-1]]).max())
    tolerance = lens_tiny_bounds()["rtol"] * scale
    np.testing.assert_allclose(norms[0, :-1], expected, rtol=0.0, atol=tolerance)


def test_a_new_lens_reads_other_layers_and_changes_no_answer(run: Any) -> None:
    found = run("adding-a-lens.md")
    plain, shifted = found["plain"], found["shifted"]
    assert plain.text == shifted.text
    np.testing.assert_array_equal(plain.probabilities.iloc[-1], shifted.probabilities.iloc[-1])
    offset = found["offsets"][5]
    assert found["offsets"].shape == (11, 128)
    assert bool((found["offsets"][-1] == 0).all())
    assert float(offset.norm()) > 0
    assert not np.allclose(plain.probabilities.iloc[:-1], shifted.probabilities.iloc[:-1])
    # what was learnt helps where it was learnt: layer by layer nearer to the last one on these prompts
    learnt = found["learnt"]
    far = (learnt[:, -1:] - learnt).norm(dim=-1).square().mean(dim=0)
    near = (learnt[:, -1:] - learnt - found["offsets"]).norm(dim=-1).square().mean(dim=0)
    assert bool((near[:-1] < far[:-1]).all())


def test_a_lens_that_changes_the_last_layer_is_refused(run: Any) -> None:
    found = run("adding-a-lens.md")
    offsets = found["offsets"].clone()
    offsets[-1] = 1.0
    LENSES["offset"] = lambda parts: found["OffsetLens"](offsets)
    with pytest.raises(Exception, match="leave layer 10 as it is"):
        load(kind="offset")


def test_new_backends_answer_and_are_recorded(run: Any) -> None:
    found = run("adding-a-backend.md")
    assert found["texts"] == ["no", "yes"]
    records = list(load_records(found["files"]["quiz"]).records())
    assert [record.response for record in records] == [each.text for each in found["generations"]]
    assert [record.question for record in records] == ["What color is coal?", "What shape is a ball?"]
    assert {record.status for record in records} == {"ok"}
    assert load_records(found["files"]["quiz"]).info.lens.layer_index == (2, 6, 7, 8, 9, 10)
    plain = plain_lens_tiny()
    for record in records:
        tokens = plain.generated(plain.prompt([{"type": "text", "text": record.question}]), [], 8)
        assert record.response == plain.processor.decode(tokens, skip_special_tokens=True)


def test_a_new_intervention_changes_the_answer_and_not_what_the_layers_say(run: Any) -> None:
    made = run("interventions.md")["MeanOfLayers"]
    document = mini_documents("clevr_mini")[11]
    picture = mini_image(document)
    plain, changed = (
        load(device="cpu", interventions=[made(strength)]).ask(picture, document["question"], max_new_tokens=1)
        for strength in (0.0, 1.0)
    )
    assert plain.text != changed.text
    np.testing.assert_array_equal(plain.record.entropy, changed.record.entropy)
    np.testing.assert_array_equal(plain.record.topk_ids, changed.record.topk_ids)

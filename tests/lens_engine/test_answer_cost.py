"""What answers cost is counted: passes, positions and head products of the model and of interventions, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from controlled_records import mini_documents, mini_image

from lens_engine import load
from lens_results import load as load_records

DOCUMENTS = mini_documents("pope_mini")[:3]
TAIL = "\nAnswer the question using a single word or phrase."


def costs(folder: Path, **arguments: Any) -> dict[str, Any]:
    vlm = load(device="cpu", dir=str(folder), batch_size=1, **arguments)
    for each in DOCUMENTS:
        vlm.ask(mini_image(each), each["question"] + TAIL, candidates=["yes", "no"])
    vlm.close()
    return dict(load_records(folder).info.answer_cost)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return costs(tmp_path_factory.mktemp("plain"))


def test_a_plain_answer_is_a_prompt_and_a_pass_a_token(plain: dict[str, Any]) -> None:
    assert plain["answers"] == len(DOCUMENTS)
    # a pass over each prompt and one for each further token; the head runs once a pass
    assert plain["passes"] == plain["head_products"] > len(DOCUMENTS)
    assert plain["positions"] > plain["passes"]
    assert plain["seconds"] > 0
    assert "peak_bytes" not in plain, "a processor does not tell"


def test_controls_and_readouts_are_no_part_of_it(plain: dict[str, Any], tmp_path: Path) -> None:
    found = costs(tmp_path, controls="blank", probes="attention")
    for name in ("answers", "passes", "positions", "head_products"):
        assert found[name] == plain[name]


@pytest.mark.parametrize(
    ("words", "passes", "heads"),
    [
        ("vcd:0.01", 2, 2),  # a second run of everything
        ("pai:0.001", 2, 2),
        ("pai:0.001:gamma=1", 1, 1),
        ("dola:0.001:layers=2-4", 1, 4),  # three layers beside the last one
        ("early_exit:0", 1, 1),
    ],
)
def test_interventions_cost_what_their_docstrings_say(
    words: str, passes: int, heads: int, plain: dict[str, Any], tmp_path: Path
) -> None:
    found = costs(tmp_path, intervene=words)
    assert found["passes"] == passes * plain["passes"]
    assert found["positions"] == passes * plain["positions"]
    assert found["head_products"] == heads * plain["head_products"]


def test_second_runs_over_the_prompt_alone_are_counted(plain: dict[str, Any], tmp_path: Path) -> None:
    vista, adaptvis = (
        costs(tmp_path / "v", intervene="vista:0.001:mix=0"),
        costs(tmp_path / "a", intervene="adaptvis:0.001"),
    )
    assert vista["passes"] == plain["passes"] + 2 * plain["answers"]
    assert adaptvis["passes"] == plain["passes"] + plain["answers"]

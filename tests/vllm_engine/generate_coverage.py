"""`.venv-vllm/bin/python tests/vllm_engine/generate_coverage.py`: write docs/coverage-vllm.json and its table.

Each family is examined in a process of its own, on one rank and on two.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

# the repository first: a folder of tests is named like a package
_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(each) for each in (_TESTS.parent, _TESTS, _TESTS / "lens_models", Path(__file__).parent)]
FILE, PAGE = (_TESTS.parent / "docs" / name for name in ("coverage-vllm.json", "vllm.md"))
_BEGIN, _END = "<!-- families: written by generate_coverage.py -->\n", "<!-- end of families -->\n"
_COLUMNS = (
    "model type",
    "class in vLLM",
    "exact",
    "given tokens",
    "nats",
    "image tokens",
    "nats",
    "places",
    "two ranks",
)
_SECONDS = 300
_SAYS = "examined: "


def main() -> int:
    """Examine all families on one rank, then on two; 1 when one is not read. What is cut short leaves what it had."""
    from families import FAMILIES, NOT_READ

    found, why = _examined(FAMILIES, 1)
    rows = [_row(family, found.get(family), why) for family in FAMILIES] + [
        _refused(*each) for each in NOT_READ.items()
    ]
    _write(rows)
    for row in rows[: len(FAMILIES)]:
        found, why = _examined([row["model_type"]], 2)
        both = found.get(row["model_type"])
        row["two_ranks"] = (
            "not read"
            if both is None
            else "exact"
            if both["exact"] and both["pictures"] and both["forced"] == (row["forced"] == "one pass")
            else "off"
        )
        row["reason"] = row["reason"] or (f"on two ranks: {why}" if why else "")
        print(f"{row['model_type']:20} two ranks {row['two_ranks']:10} {why}", flush=True)
        _write(rows)
    return int(any(row["exact"] != "exact" for row in rows[: len(FAMILIES)]))


def _write(rows: Sequence[dict[str, Any]]) -> None:
    FILE.write_text(json.dumps(rows, indent=1) + "\n")
    page = PAGE.read_text()
    before, rest = page.split(_BEGIN)
    PAGE.write_text(before + _BEGIN + table_of(rows) + _END + rest.split(_END)[1])


def table_of(rows: Sequence[dict[str, Any]]) -> str:
    """The rows of the file as the table of the page."""
    text = f"| {' | '.join(_COLUMNS)} |\n|{' --- |' * len(_COLUMNS)}\n"
    for row in rows:
        nats = ["" if row[name] is None else f"{row[name]:.0e}" for name in ("forced_deviation", "image_deviation")]
        cells = (
            row["model_type"], row["class"], row["exact"], row["forced"], nats[0], row["image_tokens"], nats[1],
            row["places"], row["two_ranks"],
        )  # fmt: skip
        text += f"| {' | '.join(cells)} |\n"
    return text + "".join(f"\n- **{row['model_type']}**: {row['reason']}\n" for row in rows if row["reason"])


def _row(family: str, found: dict[str, Any] | None, why: str) -> dict[str, Any]:
    from families import NOT_GIVEN

    row = {
        "model_type": family,
        "class": found["model_class"] if found else "",
        "layers": found["layers"] if found else None,
        "exact": _said(found, "exact", "exact"),
        "deviation": found["deviation"] if found else None,
        "forced": "refused" if family in NOT_GIVEN else _said(found, "forced", "one pass"),
        "forced_deviation": found["forced_deviation"] if found else None,
        "image_tokens": _said(found, "pictures", "exact"),
        "image_deviation": found["image_deviation"] if found else None,
        "places": found["geometry"] if found else "",
        "two_ranks": "not tried",
        "reason": NOT_GIVEN.get(family, "") if found else why,
        **_versions(),
    }
    print(f"{family:20} {row['exact']:10} {row['forced']:10} {row['reason']}", flush=True)
    return row


def _said(found: dict[str, Any] | None, name: str, yes: str) -> str:
    return "not read" if found is None else yes if found[name] else "off"


def _refused(family: str, model_class: str) -> dict[str, Any]:
    reason = (
        f"vLLM {metadata.version('vllm')} has no {model_class} of its own, and its general way through transformers "
    )
    reason += "needs `_get_num_multimodal_tokens` of the processor, which the family's lacks"
    return {
        "model_type": family, "class": model_class, "layers": None, "exact": "refused", "deviation": None,
        "forced": "refused", "forced_deviation": None, "image_tokens": "refused", "image_deviation": None,
        "places": "", "two_ranks": "refused", "reason": reason, **_versions(),
    }  # fmt: skip


def _versions() -> dict[str, str]:
    return {name: metadata.version(name).partition("+")[0] for name in ("vllm", "transformers", "torch")}


def _examined(families: Sequence[str], ranks: int) -> tuple[dict[str, dict[str, Any]], str]:
    """What a process of its own found of each family, and the last error of those that it found nothing of."""
    own = {
        "VLLM_CPU_KVCACHE_SPACE": "1", "TORCH_COMPILE_DISABLE": "1", "VLLM_USE_V2_MODEL_RUNNER": "0",
        "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_ENABLE_V1_MULTIPROCESSING": str(int(ranks > 1)),
        **({"VLLM_CPU_OMP_THREADS_BIND": "0|1"} if ranks > 1 else {}),
    }  # fmt: skip
    words = [sys.executable, "-W", "ignore", __file__, str(ranks), *families]
    try:
        ran = subprocess.run(
            words,
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            timeout=_SECONDS * len(families),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {}, f"no result within {_SECONDS} s"
    errors = [line.strip() for line in ran.stderr.splitlines() if "Error: " in line]
    found = dict(json.loads(line.removeprefix(_SAYS)) for line in ran.stdout.splitlines() if line.startswith(_SAYS))
    return found, (errors or ["it ended without a message"])[-1][:300] if len(found) < len(families) else ""


def _examine(ranks: int, families: Sequence[str]) -> None:
    """In the process of its own: a line for each family that could be examined."""
    from families import examine

    for family in families:
        with tempfile.TemporaryDirectory() as folder:
            print(f"\n{_SAYS}{json.dumps((family, asdict(examine(family, Path(folder), ranks))))}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _examine(int(sys.argv[1]), sys.argv[2:])
    else:
        sys.exit(main())

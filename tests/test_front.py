"""`import mmlens`: what it offers, and what using it brings along; and that version and citation agree."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import lens_engine
import lens_models
import lens_report
import lens_results
import mmlens

ROOT = Path(__file__).parents[1]


def test_each_name_is_the_package_s_own() -> None:
    assert mmlens.load is lens_engine.load
    assert mmlens.Lens is lens_models.LogitLens
    assert mmlens.open_run is lens_results.load
    assert mmlens.report is lens_report.build_report
    assert mmlens.compare is lens_report.build_effects
    assert dir(mmlens) == sorted(mmlens.__all__)


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(AttributeError, match="no attribute 'opne_run'; it has Lens"):
        _ = mmlens.opne_run


@pytest.mark.parametrize(("name", "kept_out"), [("open_run", "torch"), ("report", "torch"), ("load", "lens_report")])
def test_a_name_brings_no_more_than_it_needs(name: str, kept_out: str) -> None:
    code = f"import sys, mmlens; mmlens.{name}; print({kept_out!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_citation_and_the_changelog_name_the_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert mmlens.__version__ == metadata.version("mm-logit-lens") == cited["version"]
    assert cited["license"] == metadata.metadata("mm-logit-lens")["License-Expression"]
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()


def test_the_changelog_is_in_the_form_that_it_names() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    releases = [line for line in lines if line.startswith("## ")]
    assert releases[0] == "## [Unreleased]"
    assert all(re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", line) for line in releases[1:])
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    seen: list[str] = []
    for line in lines:
        if line.startswith("## "):
            seen = []
        elif line.startswith("### "):
            seen.append(line.removeprefix("### "))
            assert seen[-1] in kinds
            assert len(set(seen)) == len(seen), f"{seen[-1]} twice in one release"

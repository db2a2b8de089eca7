"""What a start of a harness imports of ours, and what a start with the lens brings along."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.end_to_end
_OF_MODELS = ("lens_engine", "lens_models", "lens_results", "lens_report")
_NEVER_NEEDED = ("matplotlib", "plotly", "sklearn", "statsmodels", "lens_report")

_NEW = """
import sys
{before}
known = set(sys.modules)
{imported}
print(*sorted(set(sys.modules) - known))
"""


def new_modules(before: str, imported: str) -> set[str]:
    """The modules that one statement loads after another one."""
    code = _NEW.format(before=before, imported=imported)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


# imported in every run of its harness, whatever the model is: from an entry point of lmms-eval, by `lm-eval-lens`
@pytest.mark.parametrize("harness", ["lmms_eval", "lm_eval"])
def test_a_plugin_loads_no_engine_before_its_model_is_asked_for(harness: str) -> None:
    before = f"import {harness}.tasks"
    plugin = "from harness_ext.lmms_eval.plugin import manifest; manifest()"
    found = new_modules(before, plugin if harness == "lmms_eval" else "import harness_ext.lm_eval.plugin")
    assert f"harness_ext.{harness}.plugin" in found
    assert not packages(found) & {*_OF_MODELS, "torch", "transformers", "pandas", "scipy"}


@pytest.mark.parametrize("harness", ["lmms_eval", "lm_eval"])
def test_the_lens_model_loads_no_model_class_and_nothing_to_draw_with(harness: str) -> None:
    """Which class of transformers is needed is known when the checkpoint is."""
    stock = {"lmms_eval": "lmms_eval.models", "lm_eval": "lm_eval.models.hf_vlms"}[harness]
    before = f"import transformers, torch, numpy, accelerate, PIL, {stock}"
    found = new_modules(before, f"import harness_ext.{harness}.model")
    assert f"harness_ext.{harness}.model" in found
    assert not packages(found) & set(_NEVER_NEEDED)
    assert not {name for name in found if name.startswith("transformers.models.") and ".modeling_" in name}

"""With lm-eval 0.4.9, which MERA's fork is built on, the model under vLLM says why it does not run."""

from __future__ import annotations

from typing import Any

import pytest
from lm_eval.api import registry

from harness_ext.lm_eval import plugin
from harness_ext.wrapping import UnsupportedHarnessError


def test_the_old_line_is_refused_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, Any] = {}
    monkeypatch.delattr(registry, "model_registry", raising=False)
    monkeypatch.setattr(registry, "MODEL_REGISTRY", known)
    plugin._register_lazily(plugin.VLLM_MODEL_ID, "harness_ext.lm_eval.vllm_model:VLLMMultimodalLens")
    model = known[plugin.VLLM_MODEL_ID]
    for make in (model.create_from_arg_string, model.create_from_arg_obj):
        with pytest.raises(UnsupportedHarnessError, match=r"needs lm-eval 0\.4\.10 or later"):
            make("pretrained=lens_tiny", {})

"""Tests of vLLM's engine; `make test-vllm` runs them where vLLM is installed, elsewhere they are not collected."""

from __future__ import annotations

import importlib.util
import os

# one process on a processor, the runner that the lens reads, and no compilation
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_USE_V2_MODEL_RUNNER", "0")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")

collect_ignore_glob = [] if importlib.util.find_spec("vllm") else ["*"]

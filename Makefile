# Every target sets up what it needs: a virtual environment in .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: setup demo results report test test-slow test-mera bench check format clean

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

# two workers: the tests run one thread each
test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

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
	  tests/lens_models/test_coverage.py

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

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(MERA) build dist *.egg-info

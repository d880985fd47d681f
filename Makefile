# One command each: `make demo`, `make test`. `make help` lists all. Everything lives in .venv and runs/ of this folder.

VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
TOOLS   := $(VENV)/.installed-tools
WORKERS ?= 2
DEMO    ?= runs/demo

# The first Python here that is new enough; or say which: make PYTHON=/opt/python3.12/bin/python3
NEW_ENOUGH := -c 'import sys, venv; raise SystemExit(sys.version_info < (3, 11))'
PYTHON  ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
             if "$$name" $(NEW_ENOUGH) >/dev/null 2>&1; then echo "$$name"; break; fi; done)

# Where a CPU build of torch is looked for on a machine without an NVIDIA GPU; TORCH_INDEX=none: do not look.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test check static format clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
	  printf '  make %-8s %s\n' "$$name" "$$text"; done

demo: $(STAMP) ## train on the embedded corpus, translate a small file, print BLEU (minutes; network for the set-up alone)
	$(BIN)/python scripts/train.py --config gnmt_small --run-dir $(DEMO)
	$(BIN)/python scripts/demo_text.py --output $(DEMO)/text --splits test
	@head -n 10 $(DEMO)/text/test.de > $(DEMO)/text/input.de
	$(BIN)/python scripts/translate.py --checkpoint $(DEMO) --input $(DEMO)/text/input.de --output $(DEMO)/text/output.en
	@paste $(DEMO)/text/input.de $(DEMO)/text/output.en | awk -F '\t' '{ print "  " $$1; print "    -> " $$2 }'
	$(BIN)/python scripts/evaluate.py --checkpoint $(DEMO) --source $(DEMO)/text/test.de --reference $(DEMO)/text/test.en

test: static ## set up, check, run all tests, fast and slow: what CI runs
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: static ## format, lint, types, layers, fast tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow and not long"

static: $(TOOLS) ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(TOOLS) ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment and all caches; runs/ and data/ stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, made again when its description changes. Interrupted, it goes on where it was.
$(STAMP): pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ] || ! "$(PYTHON)" $(NEW_ENOUGH) >/dev/null 2>&1; then \
	  echo "error: Python 3.11 or newer with its venv module is needed, but PYTHON is '$(PYTHON)' here." >&2; \
	  echo "       Install one (Debian, Ubuntu: apt install python3.11-venv) or name one: make PYTHON=/path/to/python3.11" >&2; \
	  exit 1; fi
	@echo "setting up $(VENV), once: packages of a few hundred megabytes, which takes minutes"
	@$(BIN)/python $(NEW_ENOUGH) >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade
# torch first and by itself. PyPI's Linux build carries gigabytes of CUDA, so without an NVIDIA GPU a CPU build is asked
# for at TORCH_INDEX. Where that cannot be reached, pip takes what its own index or PIP_FIND_LINKS offers.
	@if [ "$$(uname -s)" = Linux ] && [ "$(TORCH_INDEX)" != none ] && ! [ -e /proc/driver/nvidia/version ] \
	    && ! command -v nvidia-smi >/dev/null 2>&1; then \
	  $(BIN)/python -m pip install --retries 1 --timeout 10 --no-deps -c constraints.txt \
	    --index-url "$(TORCH_INDEX)" torch || echo "note: no CPU build of torch at $(TORCH_INDEX); the package index decides," \
	    "on Linux perhaps for a CUDA build (gigabytes). Name another one: make TORCH_INDEX=URL"; fi
	$(BIN)/python -m pip install -c constraints.txt -e .
	@touch $@

# What the tests and the checks need besides.
$(TOOLS): $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

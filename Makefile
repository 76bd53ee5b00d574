# Three commands: `make quickstart` trains a small Korean BERT, `make demo` shows what it does in the
# browser, `make test` runs the tests (`make test-fast` the quick ones, on PyTorch). All do their set-up. README.md has the same in plain pip and python lines, for Windows.

PYTHON ?= python3
BACKENDS ?= jax tensorflow torch
SYNC = $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)  # macOS's make has none

.PHONY: quickstart demo test test-fast test-once fast-once fast-backend torture

quickstart: .venv/installed
	.venv/bin/python recipes/pretrain_ko.py

# With the model that comes with kbert; where there is none, the quickstart trains one first.
demo: .venv/demo-installed
	@ls kbert/pretrained/kbert-mini-ko.keras >/dev/null 2>&1 || ls runs/quickstart*/model.keras \
	  >/dev/null 2>&1 || .venv/bin/python recipes/pretrain_ko.py
	.venv/bin/python demos/app.py

test: .venv-test/installed
	.venv-test/bin/python -m ruff check .
	.venv-test/bin/python -m ruff format --check .
	.venv-test/bin/python -m pyright --pythonpath .venv-test/bin/python
	$(MAKE) --no-print-directory -j2 $(SYNC) $(BACKENDS:%=test-%) test-once

# One process a backend, two at a time, the longest first. What no backend can change (the mark `once`,
# tests/once.py) has one of its own, beside PyTorch, which compiles nothing. One thread each: on
# two cores, two processes of two would wait for each other.
THREADS = OMP_NUM_THREADS=1 TF_NUM_INTEROP_THREADS=1 TF_NUM_INTRAOP_THREADS=1
PYTEST = $(THREADS) .venv-test/bin/python -m pytest -q -p no:cacheprovider --durations=25
test-once: .venv-test/installed
	@echo "== once"
	KERAS_BACKEND=torch $(PYTEST) -m once
test-%: .venv-test/installed
	@echo "== $*"
	KERAS_BACKEND=$* $(PYTEST) -m "not once"

# TensorFlow frees what XLA compiled when its process ends, some 18 GB over all tests: it has four.
test-tensorflow: .venv-test/installed
	@echo "== tensorflow"
	KERAS_BACKEND=tensorflow $(PYTEST) -m "not once" tests/models
	KERAS_BACKEND=tensorflow $(PYTEST) -m "not once" tests/training tests/test_[a-o]*.py
	KERAS_BACKEND=tensorflow $(PYTEST) -m "not once" tests/test_[p-z]*.py
	KERAS_BACKEND=tensorflow $(PYTEST) -m "not once" --ignore=tests/models --ignore=tests/training \
	  --ignore-glob="tests/test_*.py"

# For daily work: everything but what is slow, on one backend.
test-fast: .venv-test/installed
	$(MAKE) --no-print-directory -j2 $(SYNC) fast-once fast-backend
fast-once:
	KERAS_BACKEND=torch $(PYTEST) -m "once and not slow"
fast-backend:
	KERAS_BACKEND=torch $(PYTEST) -m "not once and not slow"

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q -e ".[jax,konlpy]"
	touch $@

.venv/demo-installed: .venv/installed
	.venv/bin/python -m pip install -q -e ".[demo]"
	touch $@

# torch by its exact version, first: a range would let pip take the newest build with CUDA.
.venv-test/installed: pyproject.toml
	$(PYTHON) -m venv .venv-test
	.venv-test/bin/python -m pip install -q torch==2.13.0
	.venv-test/bin/python -m pip install -q -e ".[jax,tensorflow,konlpy,morphemes,data,ray,demo,viz,tensorboard,onnx,keras-hub,tensorflow-text,search,test]"
	touch $@

# 200 runs killed on each backend, and continued: hours.
torture: .venv-test/installed
	for backend in $(BACKENDS); do \
	  KERAS_BACKEND=$$backend .venv-test/bin/python tests/training/killed_runs.py --kills 200 || exit 1; \
	done

# Two commands: `make quickstart` trains a small Korean BERT, `make test` runs the tests.
# Both do all set-up. README.md has the same in plain pip and python lines, for Windows.

PYTHON ?= python3
BACKENDS ?= jax torch tensorflow
SYNC = $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)  # macOS's make has none

.PHONY: quickstart test torture

quickstart: .venv/installed
	.venv/bin/python recipes/pretrain_ko.py

test: .venv-test/installed
	.venv-test/bin/python -m ruff check .
	.venv-test/bin/python -m ruff format --check .
	.venv-test/bin/python -m pyright --pythonpath .venv-test/bin/python
	$(MAKE) --no-print-directory -j2 $(SYNC) $(BACKENDS:%=test-%)

# One process a backend, two at a time. What needs no backend is tested once, beside PyTorch's: text, and
# data but for batches.
test-tensorflow test-jax: LEFT_OUT = --ignore=tests/text --ignore=kbert/text \
  --ignore=tests/data/corpus --ignore=tests/data/shards --ignore-glob='tests/data/pretraining/test_[!b]*' \
  --ignore=tests/test_gpu_benchmark.py \
  --ignore=tests/test_imports.py --ignore=tests/files --ignore=tests/runs/test_run_folder.py \
  --ignore=tests/test_recipes_without_backend.py
test-%: .venv-test/installed
	@echo "== $*"
	KERAS_BACKEND=$* .venv-test/bin/python -m pytest -q -p no:cacheprovider $(LEFT_OUT)

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q -e ".[jax,konlpy]"
	touch $@

# torch by its exact version, first: a range would let pip take the newest build with CUDA.
.venv-test/installed: pyproject.toml
	$(PYTHON) -m venv .venv-test
	.venv-test/bin/python -m pip install -q torch==2.13.0
	.venv-test/bin/python -m pip install -q -e ".[jax,tensorflow,konlpy,morphemes,data,ray,demo,viz,tensorboard,onnx,keras-hub,tensorflow-text,test]"
	touch $@

# 200 runs killed on each backend, and continued: hours.
torture: .venv-test/installed
	for backend in $(BACKENDS); do \
	  KERAS_BACKEND=$$backend .venv-test/bin/python tests/training/killed_runs.py --kills 200 || exit 1; \
	done

# make table2         set up .venv, then Table 2 on the embedded cohort
# make test           set up .venv, then the tests
# make test-long      more studies through Snakemake: transfer, kills, several processes; plans of all
#                     documented commands (7 minutes)
# make test-slurm     install and start a Slurm, as root, and run the workflow through it (6 minutes)
# make test-dvc       carry results through DVC to a clone (3 minutes)
# make test-interrupted  kill runs at 50 random moments, finish them, and compare all files (half an hour)
# make test-gpu       everything that touches a GPU, on that of this machine (goal: 5 minutes); with an
#                     environment that has the packages already: make test-gpu BIN=ENVIRONMENT/bin
# make test-tensorflow  install TensorFlow beside .venv (1.3 GB), save the checkpoints of tests/tensorflow
#                     with it again, and compare them and what is computed from them (2 minutes)
# make test-kernels   install Triton into .venv, then test the GPU kernels, interpreted on the CPU
# make bench          set up .venv, then the benchmarks of speed that need no GPU (12 minutes)
# make test-crate     install validators beside .venv, and hold a run's crate, Croissant metadata and cards
#                     to what they are for
# make mutants        install mutmut beside .venv, and change the code of blending, metrics, folds, sequences
#                     and statistics line by line: their tests should fail (7 minutes)
# make fuzz           install atheris beside .venv (Python 3.11 to 3.13), and try changed files on each reader
#                     for SECONDS=60; findings are in /tmp/xsleep-fuzz
# make docs           install Sphinx beside .venv, and build the documentation: docs/_build/index.html
# make dist           build the wheel and the sdist of a release: dist/
# make test-release   install that wheel in a clean environment beside .venv (1.5 GB), and run a study and
#                     score a recording with it (4 minutes)
# make report         the finished run of `make table2` as a page, report.html
# make lock           write the three locks from pyproject.toml; locked versions stay where it permits them, but for
#                     UPGRADE='--upgrade-package mne' or UPGRADE=--upgrade
# make audit-packages  ask for known vulnerabilities of the locked packages, which needs a network

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Only what is locked, and no file but those whose hashes are in the lock. setuptools, which builds what has
# no wheel, and hatchling, which builds this project, are locked as well.
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation -r
ENTRY = sed -n '/^$1==/,/[^\\]$$/p'

# The recipes use the environment's own commands and Snakemake's script jobs find them as well.
export PATH := $(abspath $(BIN)):$(PATH)
# Seconds that pip waits for the next bytes; its own 15 end an installation while an index is slow.
export PIP_DEFAULT_TIMEOUT ?= 100

.PHONY: table2 docs dist test test-release test-long test-slurm test-dvc test-interrupted test-gpu test-kernels test-tensorflow test-crate report bench mutants fuzz lock audit-packages

table2: $(VENV)/ready
	snakemake --cores all results/table2.csv figures

# Files of tests side by side; more threads than cores would wait for one another (benchmarks/README.md).
# A GPU is hidden, so that the tests are the same with and without.
PYTEST := CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1 pytest -n logical --maxprocesses 4 --dist loadfile

test: $(VENV)/ready
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules xsleep/workflow
	codespell xsleep tests rules docs captions config benchmarks workflow_scripts examples *.md Snakefile Makefile
	mypy
	$(PYTEST) $(COVERAGE)

test-long: $(VENV)/ready
	$(PYTEST) -m long tests/workflow $(COVERAGE)

# All that it starts ends with it; without root or apt-get it says so and is skipped.
test-slurm: $(VENV)/ready
	pytest -m slurm -rs -s tests/slurm

# KILLS=10 kills less often, SEED=7 at other moments.
test-interrupted: $(VENV)/ready
	OMP_NUM_THREADS=1 pytest -m interrupted -rs -s tests/workflow/test_interrupted.py

test-dvc: $(VENV)/ready
	pytest -m dvc -rs tests/workflow

# Beside the tests in tests/gpu those whose networks compute on a GPU where there is one.
test-gpu: $(if $(filter $(VENV)/bin,$(BIN)),$(VENV)/ready)
	@if python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then \
	  OMP_NUM_THREADS=1 python -m pytest -m 'not slurm and not dvc' -rs --durations 5 \
	    tests/compute/test_device.py tests/networks tests/training/test_step.py tests/training/test_minibatches.py tests/scoring/test_probabilities.py \
	    tests/scoring/test_score_file.py tests/training/test_loop.py tests/training/test_jobs.py tests/gpu; \
	else echo 'test-gpu: PyTorch finds no GPU here, so nothing was tested'; fi

test-kernels: $(VENV)/ready
	$(call ENTRY,triton) requirements-cuda.lock | $(INSTALL) /dev/stdin
	TRITON_INTERPRET=1 pytest tests/networks/test_kernels.py

# TensorFlow 2.15 has the recurrent cells of TensorFlow 1 in its compatibility mode, and is for Python 3.9 to
# 3.11: PYTHON has to be one of these.
test-tensorflow: $(VENV)/ready .venv-tensorflow/ready
	pytest -rs tests/tensorflow

.venv-tensorflow/ready:
	$(PYTHON) -m venv .venv-tensorflow
	.venv-tensorflow/bin/pip install --quiet --disable-pip-version-check tensorflow-cpu==2.15.1
	touch $@

# The validators are of RO-Crate, Croissant and the cards of the Hugging Face Hub. The first wants an older
# rich than Snakemake does here, so they have an environment of their own.
# rocrate 0.13 has the context of RO-Crate 1.1 in it, so that nothing is asked of a network.
test-crate: $(VENV)/ready
	$(PYTHON) -m venv .venv-validator
	.venv-validator/bin/pip install --quiet --disable-pip-version-check roc-validator==0.13.0 mlcroissant==1.1.1 huggingface_hub==2.4.0
	.venv-validator/bin/pip install --quiet --disable-pip-version-check --no-deps rocrate==0.13.0
	PATH="$$PATH:$(CURDIR)/.venv-validator/bin" pytest -rs -k "crate or validator" tests/results/test_crate.py \
	  tests/results/test_croissant.py tests/results/test_model_card.py tests/workflow/test_workflow.py

docs: $(VENV)/ready
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --disable-pip-version-check $$(python -c 'import tomllib; \
	  print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"])')
	$(TOOLS) .venv-docs/bin/sphinx-build --fresh-env --write-all --fail-on-warning --quiet \
	  docs docs/_build
	@echo 'Documentation: docs/_build/index.html'

# Of what git has, and files that it neither has nor ignores.
dist: $(VENV)/ready
	rm -rf dist
	hatchling build --directory dist

# As `pip install dist/*.whl` for a user, but for the versions, which are those of the locks.
test-release: dist
	$(PYTHON) -m venv .venv-twine
	.venv-twine/bin/pip install --quiet --disable-pip-version-check twine==7.0.0
	.venv-twine/bin/twine check --strict dist/*
	$(PYTHON) -m venv --clear .venv-release
	sed -n 's/^\([a-z][^ ]*==[^ ;]*\).*/\1/p' requirements.lock requirements-cuda.lock > .venv-release/versions.txt
	.venv-release/bin/pip install --quiet --disable-pip-version-check --constraint .venv-release/versions.txt dist/*.whl
	OMP_NUM_THREADS=1 pytest -m release -rs -s tests/release

report: $(VENV)/ready
	snakemake --cores all provenance
	snakemake provenance --report report.html

bench: $(VENV)/ready
	for name in training_step fold scoring preprocessing loading workflow; do \
	  echo "== $$name"; python benchmarks/$$name.py || exit 1; done

# What is installed beside .venv sees the packages of .venv.
TOOLS = PYTHONPATH="$$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" OMP_NUM_THREADS=1

mutants: $(VENV)/ready
	$(PYTHON) -m venv .venv-mutants
	.venv-mutants/bin/pip install --quiet --disable-pip-version-check mutmut==3.8.1
	$(TOOLS) .venv-mutants/bin/mutmut run
	.venv-mutants/bin/mutmut results

SECONDS ?= 60
fuzz: $(VENV)/ready
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/pip install --quiet --disable-pip-version-check atheris==3.0.0
	for name in $$(python -c 'from tests.fuzz.coverage_readers import TARGETS; print(*TARGETS)'); do echo "== $$name"; \
	  $(TOOLS) .venv-fuzz/bin/python tests/fuzz/coverage_readers.py $$name /tmp/xsleep-fuzz \
	    -max_total_time=$(SECONDS) -verbosity=0 || exit 1; done

# PyTorch is a build for the CPU where pip knows an index or a folder with one, else that of PyPI, which on Linux
# needs CUDA's libraries (several GB). They are apart, as of files for one version pip prefers those of an index.
$(VENV)/ready: requirements.lock requirements-cpu.lock requirements-cuda.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(call ENTRY,setuptools) requirements.lock | $(INSTALL) /dev/stdin
	$(INSTALL) requirements.lock
	@if $(BIN)/pip install --quiet --dry-run --no-deps $$(grep -o '^torch==[^ ]*' requirements-cpu.lock) 2> /dev/null; \
	then torch=requirements-cpu.lock; else torch=requirements-cuda.lock; fi; \
	echo $(INSTALL) $$torch; $(INSTALL) $$torch
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# The index of PyTorch, for its builds for the CPU, is asked for a new version alone.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url
lock: $(VENV)/ready
	pip install --quiet uv
	cat requirements.lock requirements-cuda.lock > new.lock
	$(LOCK) --extra dev --extra dvc $(UPGRADE) --output-file new.lock pyproject.toml
	torch=$$(sed -n 's/^\(torch==[^ ]*\).*/\1+cpu/p' new.lock); grep -q "^$$torch " requirements-cpu.lock || \
	  echo $$torch | $(LOCK) --no-deps --default-index https://download.pytorch.org/whl/cpu --output-file requirements-cpu.lock -
	awk '/^[a-z]/ {cuda = /^(cuda-|nvidia-|torch==|triton==)/} \
	  {print > ("requirements" (cuda ? "-cuda" : "") ".lock")}' new.lock
	rm new.lock

audit-packages: $(VENV)/ready
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock -r requirements-cuda.lock

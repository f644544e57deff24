# Everything that is done with this project; needs only make and python3 >= 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest
DEMO := demo
EMPTY := .venv-empty
SITE := docs/_build/html

.PHONY: help demo test test-all test-long test-njit test-oldest check docs dist notebooks format coverage fuzz changelog release-notes bench bench-quick clean

help:
	@echo "make demo      set up, then calibrate and combine a simulated night"
	@echo "make test      set up, then run the tests, but for those that take seconds each (some four minutes)"
	@echo "make test-long those that take seconds each: clusters, killed runs, whole nights, notebooks (some six minutes)"
	@echo "make test-all  both at once, which is quicker than one after the other"
	@echo "make test-njit the tests of the kernels, compiled by numba's own dispatcher, as other versions of numba need it"
	@echo "make test-oldest  all tests with the oldest versions of what zeroframe needs that pyproject.toml allows"
	@echo "make check     set up, then check format, lint and types"
	@echo "make docs      build the documentation site into $(SITE); a warning or a dead link fails"
	@echo "make dist      wheel and sdist, checked, and installed into an empty environment"
	@echo "make release-notes  what the news fragments say, as the notes of the next release"
	@echo "make notebooks run the notebooks of docs/gallery anew, and store what they show"
	@echo "make coverage  the tests, then those of the kernels uncompiled, so that their lines count too"
	@echo "make fuzz      the property tests with new examples, ten times as many"
	@echo "make changelog gather newsfragments/ into CHANGELOG.md, for a release"
	@echo "make bench     measure against other programs, and write docs/performance.md (an hour)"
	@echo "                 with ONLY=C,N some tables of it"
	@echo "make bench-quick  the same on small frames, so that the benchmark cannot rot"
	@echo "make clean     remove what make has made"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "zeroframe needs Python 3.11 or newer; say which: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[report]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@

$(VENV)/.installed-coverage: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[coverage]'
	@touch $@

demo: $(VENV)/.installed
	@rm -rf $(DEMO)
	$(BIN)/zeroframe simulate palomar-lfc $(DEMO)/raw --gzip
	$(BIN)/zeroframe bias $(DEMO)/raw -o $(DEMO)/calibrated --camera palomar-lfc

# in two processes, each with whole files: what the tests of a file share is made once; in the order of tests/conftest.py
SHARED := -n 2 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest $(SHARED) -m "not long"

# what both run, in less time: tests are looked for once, and what short and long tests of a file share is made once
test-all: $(VENV)/.installed-test
	$(BIN)/python -m pytest $(SHARED)

# 5 % of the tests, which take 60 % of the time of all
test-long: $(VENV)/.installed-test
	$(BIN)/python -m pytest $(SHARED) -m long

# uv, since pip cannot choose the oldest versions; what those need in turn is of today
$(OLDEST)/.installed: pyproject.toml
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct -e '.[test]'
	@touch $@

test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest $(SHARED)

check: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -q -j 2 -b html docs $(SITE)
	$(BIN)/python docs/_ext/check_links.py $(SITE)
	@echo "The site is in $(SITE)/index.html"

# an environment of its own for what builds, and an empty one for what was built: nothing of ours is imported from here
dist: $(BIN)/python
	rm -rf dist $(EMPTY)
	$(PYTHON) -m venv $(EMPTY)
	$(EMPTY)/bin/python -m pip install --quiet --disable-pip-version-check "build>=1.2" "twine>=6"
	$(EMPTY)/bin/python -m build --outdir dist .
	$(EMPTY)/bin/python -m twine check --strict dist/*
	rm -rf $(EMPTY)
	$(PYTHON) -m venv $(EMPTY)
	$(EMPTY)/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	cd dist && ../$(EMPTY)/bin/python -m zeroframe doctor
	rm -rf $(EMPTY)

release-notes: $(VENV)/.installed-test
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@$(BIN)/towncrier build --draft

notebooks: $(VENV)/.installed-docs
	$(BIN)/python docs/_ext/run_notebooks.py

format: $(VENV)/.installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Kernels are counted by the tests that work on small arrays, with compilation switched off: frames of full size would
# take hours in plain Python.
KERNEL_TESTS := tests/kernels/test_kernels.py tests/kernels/test_moments.py tests/verbs/test_combine.py tests/verbs/test_combiner.py tests/verbs/test_overscan.py \
	tests/verbs/test_trim.py tests/stacks/test_stacks.py tests/verbs/test_calibration.py tests/verbs/test_calibration_process.py \
	tests/verbs/test_cosmic_rays.py tests/verbs/test_defects.py tests/verbs/test_blocks.py tests/fits/test_io_rice.py \
	tests/kernels/test_small_arrays.py tests/kernels/test_night_kernels.py tests/kernels/test_exposures.py \
	tests/kernels/test_surroundings.py::test_it_is_the_rule_pixel_by_pixel

# tests are judged by `make test`: one that fails under the tracer, which Python 3.11 now and then refuses a thread,
# does not end the count
coverage: $(VENV)/.installed-coverage
	-$(BIN)/python -m pytest -q $(SHARED) --cov --cov-report=
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q $(SHARED) --cov --cov-append --cov-report=term:skip-covered $(KERNEL_TESTS)

# hypothesis with seeds of chance and ten times the examples, and 20,000 files of the grammar of tests/fits_grammar.py;
# what they find becomes an @example, or a case of its own
fuzz: $(VENV)/.installed-test
	ZEROFRAME_EXAMPLES=search $(BIN)/python -m pytest -q -m "hypothesis or fuzz" tests

changelog: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BIN)/towncrier build --yes

# the same tests once more, with what takes the place of our loader of compiled code where numba is another
test-njit: $(VENV)/.installed-test
	ZEROFRAME_KERNELS=njit $(BIN)/python -m pytest -q $(SHARED) tests/kernels/test_compiling.py tests/kernels/test_kernel_ways.py $(KERNEL_TESTS)

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks --json benchmarks/figures.json --write-docs $(if $(ONLY),--update --only "$(ONLY)")

bench-quick: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks --quick

clean:
	rm -rf $(VENV) $(OLDEST) $(EMPTY) $(DEMO) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* build dist docs/_build
	find docs -name made -type d -prune -exec rm -rf {} +
	rm -rf docs/_static/gallery

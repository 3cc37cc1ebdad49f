# Everything happens in a virtual environment of its own; nothing else has to be installed by hand.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PROMETHEUS := $(VENV)/.prometheus
GRAPHITE := $(VENV)/.graphite
MCP_CLIENTS := $(VENV)/.mcp-clients

# Hundreds of processes start in the tests; each would compile the sources again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: model demo test test-long test-second check docs format lock clean

demo: $(STAMP)
	@SPELUNK_HOME="$(CURDIR)/$(VENV)/demo-home" sh scripts/demo "$(BIN)/spelunk"

# Each worker keeps whole modules, whose fixtures are then built once, and takes from the other's end at last.
PYTEST := -m pytest -n auto --dist worksteal -rs

test: $(STAMP) $(PROMETHEUS) $(GRAPHITE)
	$(BIN)/python $(PYTEST) -m "not slow"

test-long: $(STAMP) $(PROMETHEUS) $(GRAPHITE) $(MCP_CLIENTS)
	SPELUNK_TEST_EXAMPLES=all $(BIN)/python $(PYTEST) -m "slow or examples"

# The fast tests on a second Python, where one can be had; else the reason is printed.
SECOND ?= 3.13
test-second: $(STAMP)
	@PATH="$(abspath $(BIN)):$$PATH" sh scripts/second-python $(SECOND) $(VENV)-$(SECOND); made=$$?; \
	if [ $$made = 3 ]; then exit 0; elif [ $$made != 0 ]; then exit $$made; fi; \
	$(VENV)-$(SECOND)/bin/python $(PYTEST) -m "not slow"

check: $(STAMP)
	$(BIN)/ruff format --check src tests benchmarks training
	$(BIN)/ruff check src tests benchmarks training
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_docs.py tests/test_guide.py tests/test_imports.py tests/test_structure.py

# The guide as web pages, in build/docs.
docs: $(STAMP)
	$(BIN)/python -m sphinx -q -W -b html docs build/docs
	@echo "build/docs/index.html"

format: $(STAMP)
	$(BIN)/ruff format src tests benchmarks training
	$(BIN)/ruff check --fix src tests benchmarks training

# The lock pins what tests and checks run with; users get the lower bounds of pyproject.toml.
# Make it with the oldest Python 3.11 there is (Debian 12 has 3.11.2): packages refuse some of those by their patch.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install -q pip --upgrade
	$(VENV)-lock/bin/pip install -q . --group test --group check --group docs
	$(VENV)-lock/bin/pip freeze --exclude spelunk --exclude pip --exclude setuptools | grep -v '^spelunk' > requirements.lock
	rm -rf $(VENV)-lock

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit("Spelunk needs Python 3.11 or newer; set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	touch $(STAMP)

# For the tests of metrics; a machine where it cannot be had is told so and skips them.
$(PROMETHEUS): $(STAMP) scripts/prometheus
	@sh scripts/prometheus $(VENV)
	@touch $@

# For the tests of stacks; likewise.
$(GRAPHITE): $(STAMP) scripts/graphite
	@sh scripts/graphite $(VENV)
	@touch $@

# For the long tests of the MCP server; likewise.
$(MCP_CLIENTS): $(STAMP) scripts/mcp-clients
	@sh scripts/mcp-clients $(VENV)
	@touch $@

# The built-in embedding table, from its pinned inputs; docs/model.md and training/README.md.
WORK ?= build/model
model: $(STAMP)
	$(BIN)/python -m pip install -q --disable-pip-version-check "numba>=0.61" "onnx>=1.17" "onnxruntime>=1.20" "tokenizers>=0.21"
	$(BIN)/python -m training.fetch --into $(WORK)/downloads
	$(BIN)/python -m training.collect --downloads $(WORK)/downloads --into $(WORK)/pairs
	$(BIN)/python -m training.surfaces --downloads $(WORK)/downloads --into $(WORK)/surfaces.json
	$(BIN)/python -m training.seeds --pairs $(WORK)/pairs --surfaces $(WORK)/surfaces.json --into $(WORK)/seeds.npz
	$(BIN)/python -m training.train --pairs $(WORK)/pairs --seeds $(WORK)/seeds.npz --into $(WORK)/model.npz
	$(BIN)/python -m training.export --model $(WORK)/model.npz --into src/spelunk/embed/static.table

clean:
	rm -rf $(VENV) $(VENV)-$(SECOND) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

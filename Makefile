# Two commands: `make serve` and `make test`; all else is made on the way. `make bench` measures.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PINNED := tests/clients/constraints.txt

.PHONY: serve test test-clients bench bench-quick lint types format clean packages

# Serves the Letta of LETTA_BASE_URL (and LETTA_API_KEY), or what LETTA_GATEWAY_CONFIG says;
# without any of them, the demo agents.
serve: $(VENV)/serve.stamp
	@if [ -n "$$LETTA_BASE_URL$$LETTA_API_KEY$$LETTA_GATEWAY_CONFIG$(findstring --config,$(ARGS))" ]; then \
		exec $(BIN)/letta-gateway serve $(ARGS); \
	else \
		echo "LETTA_BASE_URL is not set: serving the demo agents."; \
		exec $(BIN)/letta-gateway demo $(ARGS); \
	fi

# In three processes, which mostly wait; each of them starts a real Letta server when it comes to a test of one.
# `make test ARGS="-m 'not letta'"` leaves those out.
test: $(VENV)/test.stamp packages
	$(BIN)/python -m pytest -n 3 $(ARGS)

# The clients that people use, each as it is published: see docs/clients/README.md.
# `make test-clients ARGS="-m 'not letta'"` runs them over the demo alone.
test-clients: $(VENV)/test.stamp packages
	$(BIN)/python -m pytest -n 3 \
		tests/clients tests/docs/test_clients_pages.py tests/docs/test_clients_table.py $(ARGS)

packages:
	@sh scripts/test-packages.sh redis-server=redis-server nodejs=node npm=npm build-essential=cc nginx-light=nginx chromium=chromium

# The gateway beside others, in a quarter of an hour; writes benchmarks/RESULTS.md. See benchmarks/README.md.
# `make bench ARGS="--only LiteLLM"` runs one of them.
bench: $(VENV)/test.stamp
	@sh scripts/test-packages.sh build-essential=cc
	$(BIN)/python -m benchmarks $(ARGS)

# One minute, without those that have to be installed first; writes nothing.
bench-quick: $(VENV)/test.stamp
	@sh scripts/test-packages.sh build-essential=cc
	$(BIN)/python -m benchmarks --quick $(ARGS)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/test.stamp
	$(BIN)/mypy

format: $(VENV)/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/serve.stamp: $(BIN)/python setup.cfg pyproject.toml
	@echo "Installing into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/test.stamp: $(BIN)/python setup.cfg pyproject.toml $(PINNED)
	@echo "Installing what the tests need into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint $(PINNED) --editable '.[test,lint]'
	@touch $(VENV)/serve.stamp $@

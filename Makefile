PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check bench kube clean

demo: $(READY)  ## the main job on this machine: example services, the mesh in front of them, requests
	$(BIN)/nodeproxy demo $(DEMO)

test: $(READY)  ## the whole suite, with its coverage floor
	$(BIN)/python -m pytest --cov --cov-report=term

check: $(READY)  ## format, lint, types, layers, our own rules; the lengths of modules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python source_rules.py

bench: $(READY)  ## nodeproxy beside nginx, HAProxy, Envoy and Traefik (loadtest/README.md)
	$(BIN)/python -m loadtest peers
	$(BIN)/python -m loadtest run
	$(BIN)/python -m loadtest report

kube:  ## a real Kubernetes for tests/cluster, into a cache outside the repository
	tests/cluster/get.sh

$(READY): pyproject.toml requirements.lock build_twin.py nodeproxy/protocol/http1/twin.c
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

clean:
	rm -rf $(VENV) build dist nodeproxy/protocol/http1/twin.*.so

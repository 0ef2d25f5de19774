PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TWINS := $(wildcard nodeproxy/protocol/*.h nodeproxy/protocol/http?/*.[ch] nodeproxy/io/*.c)
COVERED := $(CURDIR)/build/.coverage
COVERAGE := --cov --cov-report=term:skip-covered
# In this order: the tutorial shows a mesh in which nothing else has been called, and the last test stops the API server,
# whose controllers need most of a minute to come back.
TWO_NODES := tests/cluster/test_two_nodes_tutorial.py tests/cluster/test_two_nodes_grpc.py tests/cluster/test_two_nodes_databases.py tests/cluster/test_two_nodes_canary.py tests/cluster/test_two_nodes_page.py tests/cluster/test_two_nodes.py
# Where tests of processes are: with two processes of pytest, each would read all ten thousand tests to find them.
PROCESSES = tests/demo tests/namespaces tests/page tests/system $(shell grep -rlE --include='test_*.py' 'mark\.(process|namespace)' tests)
PYTEST := $(BIN)/python -m pytest
# Processes of tests that run at once need networks of their own (tests/conftest.py): two nodes would share their addresses.
OWN_NETWORKS = $(shell unshare --net true 2>/dev/null && echo 2 || echo 0)
# Tests start hundreds of processes, each of which would compile its modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: compiled source install demo test test-compiled test-nodes-then-processes test-nodes test-cluster test-processes test-others quick check docs site bench interop kube clean

install: $(READY)  ## the command nodeproxy, as .venv/bin/nodeproxy

compiled: $(READY)  ## the hot lane compiled by mypyc, in place: needs a C compiler and a minute; `make source` goes back
	$(BIN)/python build_compiled.py

source:  ## the sources again, after `make compiled`
	rm -f nodeproxy__mypyc.*.so
	find nodeproxy -name '*.so' -not -name 'twin.*' -delete

demo: $(READY)  ## the tour: example services, the mesh in front of them, and what it does when one breaks
	$(BIN)/nodeproxy demo $(DEMO)

# Clusters and processes often wait, so they run beside the other tests, which leave them the cores (nice). Requests of the
# two nodes have limits of seconds: with more than three processes of tests at once some fail, so the tests of processes, two
# at a time, come after them, and all others leave the cores to the nodes first.
test: $(READY)  ## the whole suite, with its coverage floor
	$(MAKE) --no-print-directory --jobs=3 --keep-going --output-sync=target test-nodes-then-processes test-cluster test-others

# Clusters run the image, which is compiled in any case. What is compiled by mypyc has no lines to be covered.
test-compiled: compiled  ## the suite on the compiled build, without clusters; the tree has its sources again afterwards
	status=0; $(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target COVERAGE= test-processes test-others || status=1; \
	$(MAKE) --no-print-directory source; exit $$status

test-nodes-then-processes test-nodes test-cluster test-processes test-others: $(READY)

test-nodes-then-processes:
	status=0; for job in test-nodes test-processes; do $(MAKE) --no-print-directory $$job || status=1; done; exit $$status

test-nodes:
	$(PYTEST) -p no:cacheprovider $(TWO_NODES)

test-cluster:
	nice -n 10 $(PYTEST) -p no:cacheprovider tests/cluster $(TWO_NODES:%=--ignore=%)

test-processes:
	nice -n 10 $(PYTEST) -p no:cacheprovider --numprocesses=$(OWN_NETWORKS) --dist=loadscope -m "process or namespace" $(PROCESSES)

test-others:
	mkdir -p $(dir $(COVERED))
	COVERAGE_FILE=$(COVERED) nice -n 19 $(PYTEST) $(COVERAGE) -m "not process and not namespace and not cluster"

quick: $(READY)  ## at each save: all tests but those of processes, network namespaces and clusters
	$(BIN)/python -m pytest --quiet --numprocesses=auto -m "not process and not namespace and not cluster"

check: $(READY)  ## format, lint, types, layers, our own rules; the lengths of modules; the site of docs/, built strictly
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python source_rules.py
	$(MAKE) --no-print-directory site

docs: $(READY)  ## what of docs/ is made from code: policies, settings, commands, reasons, protocols and metrics
	$(BIN)/python -m nodeproxy.cli.reference docs/policies
	$(BIN)/python -m nodeproxy.cli.pages docs
	$(BIN)/python -m discovery.services.protocols_page docs/protocols.md
	$(BIN)/python -m discovery.observe.metrics_page docs/metrics.md

site: $(READY)  ## the documentation as a site, in build/site: every link, anchor and place in the navigation is checked
	$(BIN)/zensical build --clean --strict
	$(BIN)/python docs_rules.py build/site

bench: $(READY)  ## nodeproxy beside nginx, HAProxy, Envoy and Traefik (loadtest/README.md)
	$(BIN)/python -m loadtest peers
	$(BIN)/python -m loadtest run
	$(BIN)/python -m loadtest tcp
	$(BIN)/python -m loadtest report

interop: $(READY)  ## gRPC clients in Go, Java and JavaScript through a node, traces to a real collector; needs go, javac and mvn, npm
	tests/interop/build.sh build/interop
	$(BIN)/python -m pytest tests/interop/clients.py tests/interop/traces.py

kube:  ## a real Kubernetes for tests/cluster, into a cache outside the repository
	tests/cluster/get.sh

$(READY): pyproject.toml requirements.lock build_hook.py $(TWINS)
	@echo "installing into $(VENV): half a minute, or more without a cache of packages" >&2
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf $(VENV) build dist .cache nodeproxy__mypyc.*.so
	find nodeproxy -name '*.so' -delete
	find nodeproxy discovery tests loadtest -name __pycache__ -prune -exec rm -rf {} +

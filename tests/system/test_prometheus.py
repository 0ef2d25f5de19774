"""Every query of dashboard and rules, in a real Prometheus that scrapes a running node."""

import json
import re
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from tests.fakes.node import Node, policy, server, service, until
from tests.fakes.programs import program, said
from tests.fakes.prometheus import PACKAGE, prometheus

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "manifests" / "observability"
RULES = FOLDER / "rules.yaml"
METRICS_PAGE = (ROOT / "docs" / "metrics.md").read_text()
TRACE = "0af7651916cd43dd8448eb211c80319c"
VARIABLES = {"$__rate_interval": "30s", "$namespace": ".*", "$service": ".*", "$node": ".*"}
QUIET = {"gRPC statuses", "Decisions", "Decisions in shadow mode", "State of policies", "Limit servers"}
"""Panels that have nothing to show here."""
PARTLY_QUIET = {"By protocol", "Retries and ejections", "Lists and errors of watches", "Requests in flight"}
FIRING = {"ErrorRateHigh", "NoUsableEndpoint", "PolicyRefused"}
"""Rules for what is wrong here."""
OF_THE_MACHINE = {"LoopLag", "NodeNotServing"}
"""Rules that a busy machine makes true: a worker does not get its core, or a page does not come within a scrape."""


def panels():
    """The queries of each panel, by its title."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            yield panel["title"], [filled_in(target["expr"]) for target in panel["targets"]]


def filled_in(query):
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return query


def rules():
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return group["rules"]


def queries_of_the_page():
    """Those that the tables of docs/metrics.md answer questions with."""
    rows = re.findall(r"^\| .*\? \| (.*) \|$", METRICS_PAGE, re.MULTILINE)
    found = [query.replace("\\|", "|") for row in rows for query in re.findall(r"`([^`]*)`", row)]
    return [query for query in found if query.startswith(("sum", "histogram", "rate", "nodeproxy"))]


@contextmanager
def observed(folder):
    """A node under a little traffic, with a service that fails, and what scrapes it."""
    program(PACKAGE, "prometheus")
    with ExitStack() as stack:
        port = stack.enter_context(server("one"))
        (folder / "web.yaml").write_text(service("web", port))
        (folder / "down.yaml").write_text(service("down", cluster_ip="10.96.0.10"))
        (folder / "policy.yaml").write_text(policy(down__shop="timeouts: {request: soon}"))
        node = stack.enter_context(Node(folder))
        until(lambda: node.metrics(), "the first report")
        yield node, stack.enter_context(prometheus(node.metrics_port, RULES))


@contextmanager
def traffic(node):
    """Requests for as long as queries are asked: of what has stopped, rates are 0 and their ratios have no value."""
    over = threading.Event()

    def send():
        while not over.wait(0.1):
            for _ in range(5):
                assert node.get("web.shop.mesh", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})[0] == 200
            assert node.get("down.shop.mesh")[0] == 503
            assert node.get("nobody.shop.mesh")[0] == 404

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Prometheus when it has scraped enough for rates, the node's page, and what the queries return."""
    folder = tmp_path_factory.mktemp("observed") / "mesh"
    folder.mkdir()
    with observed(folder) as (node, server_of_metrics), traffic(node):

        def enough():
            return all(server_of_metrics.query(rule["expr"]) for rule in rules() if rule["alert"] in FIRING)

        until(enough, "rates of the node's metrics")
        yield server_of_metrics, node


def test_every_panel_has_data_except_those_for_what_does_not_happen_here(asked):
    observer, _ = asked

    def has_data(queries):
        answers = [observer.query(query) for query in queries]
        return all(answers)

    for title, queries in panels():
        quiet = title in QUIET | PARTLY_QUIET
        until(lambda queries=queries, quiet=quiet: has_data(queries) or quiet, f"data of the panel {title}")


def test_every_rule_is_evaluated_and_those_for_what_is_wrong_here_have_series(asked):
    observer, _ = asked

    def healths():
        (group,) = observer.data("rules")["groups"]
        return {rule["name"]: rule["health"] for rule in group["rules"]}

    until(lambda: "unknown" not in healths().values(), "an evaluation")
    found = {rule["alert"] for rule in rules() if observer.query(rule["expr"])}

    assert set(healths().values()) == {"ok"} and set(healths()) == {rule["alert"] for rule in rules()}
    assert FIRING <= found <= FIRING | OF_THE_MACHINE


def test_the_queries_of_the_documentation_can_be_asked(asked):
    observer, _ = asked
    queries = queries_of_the_page()

    for query in queries:
        observer.query(query)

    assert len(queries) > 15


def test_a_bucket_leads_to_a_trace(asked):
    observer, _ = asked

    found = observer.data("query_exemplars", query="nodeproxy_request_duration_seconds_bucket", start=0, end=2**32)

    exemplars = [each for series in found for each in series["exemplars"]]
    assert exemplars and {each["labels"]["trace_id"] for each in exemplars} == {TRACE}


def test_promtool_has_nothing_to_say_of_rules_and_page(asked):
    _, node = asked
    promtool = program(PACKAGE, "promtool")

    of_rules = said(promtool, "check", "rules", RULES)
    of_page = said(promtool, "check", "metrics", text=node.metrics())

    assert f"SUCCESS: {len(rules())} rules found" in of_rules
    assert of_page == ""


def test_every_rule_says_what_is_wrong_and_leads_to_the_documentation():
    for rule in rules():
        notes = rule["annotations"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert notes["summary"] and notes["description"]
        assert notes["runbook"] == f"docs/metrics.md#{rule['alert'].lower()}"
        assert f"### {rule['alert']}\n" in METRICS_PAGE


def test_the_metrics_of_dashboard_and_rules_exist():
    names = set(re.findall(r"^\| `(\w+)`", METRICS_PAGE, re.MULTILINE))
    queries = [query for _, queries in panels() for query in queries] + [rule["expr"] for rule in rules()]

    used = {name for query in queries for name in re.findall(r"\b(?:nodeproxy|process)_\w+", query)}

    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in used} <= names

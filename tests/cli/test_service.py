"""How the state of an endpoint, and what is in force for a service, are shown to a reader."""

import io

import msgspec
import pytest
from rich.console import Console

from nodeproxy.cli.service import acts_text, explain_shown, state_text
from nodeproxy.mesh.service_view import (
    Explained,
    FieldView,
    InWorker,
    PolicyView,
    PortExplained,
    RequestView,
    RuleView,
)


def endpoint(ejected_s=0.0, ejections=0, unhealthy=False, **seen):
    return InWorker(0, not ejected_s and not unhealthy, ejected_s, ejections, unhealthy, 0, 0, **seen)


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (endpoint(), "usable"),
        (endpoint(ejections=1), "usable (ejected once so far)"),
        (endpoint(weight=0.25), "25% of its share"),
        (endpoint(weight=0.999), "usable"),
        (endpoint(unhealthy=True), "unhealthy by probes"),
        (
            endpoint(ejected_s=29.54, ejections=2, why="consecutive-5xx"),
            "ejected for 29.5 s more (consecutive-5xx) (ejected 2 times so far)",
        ),
    ],
)
def test_the_state_of_an_endpoint_says_what_it_gets_and_why(seen, text):
    assert state_text(seen) == text


POLICIES = tuple(
    PolicyView(name, (FieldView("mode", "enforce", "built-in default", "", ""),), ports)
    for name, ports in (("timeouts", ("80",)), ("loadBalancer", ("80", "5432")), ("retries", ()))
)
DB = Explained(
    "shop",
    "db",
    "127.77.0.9",
    True,
    "all endpoints are followed",
    (
        PortExplained("80", "http", "http", True, 2, "", "name http", "by name and at 127.77.0.9:80"),
        PortExplained("5432", "sql", "tcp", True, 1, "", "port number 5432 (PostgreSQL)", "at 127.77.0.9:5432"),
        PortExplained("2905/sctp", "sig", "sctp", False, 0, "port 2905 speaks SCTP", "protocol SCTP", ""),
    ),
    POLICIES,
    (),
    (),
    (),
)


def test_a_port_of_tcp_is_shown_as_one_of_http_with_what_decided_its_protocol():
    text = io.StringIO()
    console = Console(file=text, width=200)
    for each in explain_shown(msgspec.json.encode(DB)):
        console.print(each)
    lines = [" ".join(line.split()) for line in text.getvalue().splitlines()]

    assert "80 http http name http by name and at 127.77.0.9:80 2" in lines
    assert "5432 sql tcp port number 5432 (PostgreSQL) at 127.77.0.9:5432 1" in lines
    assert "2905/sctp sig sctp protocol SCTP no 0 port 2905 speaks SCTP" in lines
    assert "timeouts 80 mode enforce built-in default" in lines


@pytest.mark.parametrize(("policy", "text"), list(zip(POLICIES, ("80", "80, 5432", "none"), strict=True)))
def test_a_policy_is_shown_with_the_ports_that_it_acts_on(policy, text):
    assert acts_text(policy, DB) == text


def test_a_policy_that_acts_on_all_ports_shown_says_so():
    assert acts_text(POLICIES[1], msgspec.structs.replace(DB, ports=DB.ports[:2])) == "all"


def lines_shown(view):
    text = io.StringIO()
    console = Console(file=text, width=300)
    for each in explain_shown(msgspec.json.encode(view)):
        console.print(each)
    return [" ".join(line.split()) for line in text.getvalue().splitlines()]


def test_a_value_is_shown_with_file_key_and_line():
    field = FieldView("request", "5s", "ConfigMap shop/a", "web", "service web.shop", 3, "a.yaml")
    lines = lines_shown(msgspec.structs.replace(DB, policies=(PolicyView("timeouts", (field,), ("80",)),)))

    assert "timeouts 80 request 5s ConfigMap shop/a in a.yaml, key web line 3 (service web.shop)" in lines


def test_a_request_is_shown_with_why_each_rule_is_not_taken():
    rules = (
        RuleView("internal", "the path is /x, the rule asks for /a", "to the service", "ConfigMap shop/a", "web", 2),
        RuleView("2", "", "answered with status 404", "ConfigMap shop/a", "web", 3),
    )
    own = PolicyView("timeouts", (FieldView("request", "1s", "ConfigMap shop/a", "web, rule 2", "service web.shop"),))
    request = RequestView("GET /x for web.shop.mesh", "", rules, "2", "answered with status 404", (own,))

    lines = lines_shown(msgspec.structs.replace(DB, request=request))

    assert "internal the path is /x, the rule asks for /a to the service ConfigMap shop/a, key web line 2" in lines
    assert "2 it matches answered with status 404 ConfigMap shop/a, key web line 3" in lines
    assert "GET /x for web.shop.mesh: takes rule 2: answered with status 404" in lines
    assert "policies of rule 2, over those of the service" in lines
    assert any("request 1s ConfigMap shop/a, key web, rule 2" in line for line in lines)

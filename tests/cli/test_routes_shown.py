"""`routes` for a reader."""

import msgspec
from rich.console import Console

from nodeproxy.cli.rules import routes_shown
from nodeproxy.mesh.routes_view import CanaryView, PortRoutes, RoutesView, RuleView, TargetView


def shown(capsys, *ports, rollout=""):
    console = Console(width=200)
    for each in routes_shown(msgspec.json.encode(RoutesView("shop", "web", ports, rollout))):
        console.print(each)
    return " ".join(capsys.readouterr().out.split())


def port(*rules, mode="enforce", otherwise=(), requests=0):
    return PortRoutes("80", mode, rules, otherwise, requests, 7, 2)


TARGETS = (TargetView("shop/web:80", 3, 0.75, 30), TargetView("shop/v2:80", 1, 0.25, 10))


def test_rules_targets_and_requests_without_a_rule_are_rows(capsys):
    api = RuleView("api", ("path under /api", "method POST"), 40, TARGETS, None, ("sticky by cookie user",), {})

    text = shown(capsys, port(api, requests=100))

    assert "web.shop port 80, 100 requests, first match wins" in text
    assert "api path under /api or 40 shop/web:80 3 (75%) 30 sticky by cookie user" in text
    assert "shop/v2:80 1 (25%) 10" in text and "- no rule 60 the service" in text


def test_the_state_of_a_canary_and_of_a_rollout_is_said(capsys):
    rule = RuleView("new", (), 9, (), CanaryView("shop/v2:80", 5.0, "cluster"), (), {})

    text = shown(capsys, port(rule), rollout="for 10 % of the requests")

    assert "new every request 9 the service first 5 requests/s of the cluster to shop/v2:80" in text
    assert "to canaries: 7 tries; a canary was not available 2 times" in text
    assert "rollout: these rules are of a changed table, for 10 % of the requests" in text


def test_a_rule_that_answers_itself_goes_to_no_endpoint(capsys):
    rule = RuleView("2", (), 0, (), None, ("answers 403 itself",), {})

    assert "2 every request 0 no endpoint answers 403 itself" in shown(capsys, port(rule))


def test_what_there_is_instead_of_rules_is_said(capsys):
    assert "no rules, which the policy `routes` writes: every request goes to the service itself" in shown(
        capsys, port()
    )
    assert "goes to the targets of its `split`" in shown(capsys, port(otherwise=TARGETS))
    assert "the rules are in shadow mode" in shown(capsys, port(mode="shadow"))
    assert "has no HTTP port" in shown(capsys)

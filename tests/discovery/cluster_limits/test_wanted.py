"""Which limits of the cluster a service asks for: its own, those of its rules, and its canaries."""

from discovery.cluster_limits.wanted import ClusterLimit, limits_of
from nodeproxy.mesh.model import Port, Service
from nodeproxy.policies.canary import most_at_once, pace_name

URL = "redis://limits:6379/0"
GLOBAL = {"requestsPerSecond": 10, "server": URL}


def limits(policies, *ports):
    return list(limits_of(Service("shop", "web", ports=ports or (Port(80),), policies=policies)))


def rule(**written):
    return {"name": "api", "match": {"path": {"prefix": "/api"}}, **written}


def test_a_service_without_limits_asks_for_none():
    assert limits({"retries": {"attempts": 1}, "routes": [rule(split=[{"service": "new"}])]}) == []


def test_each_port_has_the_limit_of_the_service():
    found = limits({"rateLimit": {"global": GLOBAL}}, Port(80), Port(81))

    assert found == [ClusterLimit("shop/web:80", URL, 10, 1.0), ClusterLimit("shop/web:81", URL, 10, 1.0)]


def test_a_canary_of_the_cluster_has_a_lease_under_the_name_by_which_workers_count():
    canary = {"service": "new", "requestsPerSecond": 5, "scope": "cluster", "server": URL}

    found = limits({"routes": [rule(canary=canary)]})

    assert found == [ClusterLimit(pace_name("shop/web:80", "api"), URL, 5, most_at_once(5))]


def test_a_canary_of_the_node_and_rules_in_shadow_mode_ask_for_none():
    node = {"service": "new", "requestsPerSecond": 5}
    cluster = {**node, "scope": "cluster", "server": URL}

    assert limits({"routes": [rule(canary=node)]}) == []
    assert limits({"routes": {"rules": [rule(canary=cluster)], "mode": "shadow"}}) == []


def test_a_rule_with_a_limit_of_its_own_has_its_own_lease_merged_over_that_of_the_service():
    own = rule(policies={"rateLimit": {"global": {"requestsPerSecond": 3}}})

    found = limits({"rateLimit": {"global": GLOBAL}, "routes": [own]})

    assert found == [ClusterLimit("shop/web:80", URL, 10, 1.0), ClusterLimit("shop/web:80 api", URL, 3, 1.0)]


def test_a_rule_with_the_same_limit_shares_that_of_the_service():
    same = rule(policies={"rateLimit": {"global": GLOBAL}})

    assert limits({"rateLimit": {"global": GLOBAL}, "routes": [same]}) == [ClusterLimit("shop/web:80", URL, 10, 1.0)]


def test_a_port_that_takes_no_requests_has_no_limits_of_rules():
    own = rule(policies={"rateLimit": {"global": GLOBAL}})

    assert limits({"routes": [own]}, Port(5432, protocol="tcp")) == []

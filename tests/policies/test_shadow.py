"""`mode: shadow`: a policy is evaluated and counted, and changes nothing."""

import pytest

from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.table import PolicyRefused, settings_of
from tests.fakes.exchanges import exchange, run
from tests.fakes.tables import Mesh, web

ONE = {"requestsPerSecond": 0.5, "burst": 1}


def test_a_policy_in_shadow_mode_rejects_nothing_and_counts_what_it_would_have_rejected():
    mesh = Mesh(Replace((web(policies={"rateLimit": {**ONE, "mode": "shadow"}}),)))
    route = mesh.match(b"web.shop.mesh")
    exchanges = [exchange() for _ in range(3)]

    statuses = [run(route.handler(each)).status for each in exchanges]

    assert statuses == [200, 200, 200]
    assert route.stats.decisions == {("rateLimit", "rejected", "shadow"): 2}
    assert [each.shadowed for each in exchanges] == [(), ("rateLimit:rejected",), ("rateLimit:rejected",)]


def test_decisions_in_force_are_counted_apart():
    mesh = Mesh(Replace((web(policies={"rateLimit": {**ONE, "mode": "shadow"}}),)))
    run(mesh.match(b"web.shop.mesh").handler(exchange()))

    mesh.live.install(Put(web(policies={"rateLimit": ONE})))
    route = mesh.match(b"web.shop.mesh")
    rejected = exchange()

    assert run(route.handler(rejected)).status == 429
    assert route.stats.decisions == {("rateLimit", "rejected", "enforce"): 1}
    assert rejected.shadowed == ()


@pytest.mark.parametrize("policy", ["timeouts", "retries", "loadBalancer", "healthCheck"])
def test_a_policy_that_makes_no_decisions_has_no_shadow_mode(policy):
    written = {"path": "/"} if policy == "healthCheck" else {}
    assert policy in settings_of({policy: {**written, "mode": "enforce"}})

    with pytest.raises(PolicyRefused, match=rf"^{policy}\.mode: this policy makes no decisions"):
        settings_of({policy: {**written, "mode": "shadow"}})

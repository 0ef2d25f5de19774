"""`mode: shadow`: a policy is evaluated and counted, and changes nothing."""

import pytest

from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.chain import CHAIN
from tests.fakes.exchanges import exchange, run
from tests.fakes.tables import Mesh, web

ONE = {"requestsPerSecond": 0.5, "burst": 1}


def test_a_policy_in_shadow_mode_rejects_nothing_and_counts_what_it_would_have_rejected():
    mesh = Mesh(Replace((web(policies={"rateLimit": {**ONE, "mode": "shadow"}}),)))
    route = mesh.match(b"web.shop.mesh")
    exchanges = [exchange() for _ in range(3)]

    statuses = [run(route.handler(each)).status for each in exchanges]

    assert statuses == [200, 200, 200]
    assert route.stats.decisions == {
        ("rateLimit", "rejected", "shadow"): 2,
        ("rateLimit", "by-total", "shadow"): 2,
    }
    assert [each.shadowed for each in exchanges] == [(), ("rateLimit:rejected",), ("rateLimit:rejected",)]


def test_decisions_in_force_are_counted_apart():
    mesh = Mesh(Replace((web(policies={"rateLimit": {**ONE, "mode": "shadow"}}),)))
    run(mesh.match(b"web.shop.mesh").handler(exchange()))

    mesh.live.install(Put(web(policies={"rateLimit": ONE})))
    route = mesh.match(b"web.shop.mesh")
    rejected = exchange()

    assert run(route.handler(rejected)).status == 429
    assert route.stats.decisions == {
        ("rateLimit", "rejected", "enforce"): 1,
        ("rateLimit", "by-total", "enforce"): 1,
    }
    assert rejected.shadowed == ()


# discovery applies `protocol`, before there is a request to decide about
@pytest.mark.parametrize("policy", [each for each in CHAIN if each.name != "protocol"], ids=lambda policy: policy.name)
def test_every_policy_has_decisions_that_can_be_rehearsed(policy):
    assert policy.outcomes and all(policy.outcomes.values())
    assert set(policy.settings.model_fields["mode"].annotation.__args__) == {"enforce", "shadow"}

"""`rateLimit`: a bucket that belongs to the service port, whatever becomes of its endpoints."""

import pytest

from nodeproxy.mesh.model import Endpoint, Port, Service
from nodeproxy.mesh.wire import Drop, Put, Replace
from nodeproxy.policies.table import PolicyRefused, settings_of
from tests.fakes.exchanges import exchange, run
from tests.fakes.tables import Mesh, web

TWO_AT_ONCE = {"rateLimit": {"requestsPerSecond": 0.5, "burst": 2}}


def sent(mesh, times):
    """The statuses of so many requests now."""
    handler = mesh.match(b"web.shop.mesh").handler
    return [run(handler(exchange())).status for _ in range(times)]


def test_a_burst_passes_and_then_so_many_per_second():
    mesh = Mesh(Replace((web(policies=TWO_AT_ONCE),)))

    assert sent(mesh, 3) == [200, 200, 429]
    mesh.world.now += 2
    assert sent(mesh, 2) == [200, 429]
    mesh.world.now += 3600
    assert sent(mesh, 3) == [200, 200, 429]


def test_a_refused_request_says_when_to_come_again():
    mesh = Mesh(Replace((web(policies=TWO_AT_ONCE),)))
    sent(mesh, 2)
    mesh.world.now += 0.5

    response = run(mesh.match(b"web.shop.mesh").handler(exchange()))

    assert response.fields.get(b"retry-after") == b"2"  # 1.5 s, up to whole seconds
    assert (response.reason, response.status) == ("rate-limited", 429)


def test_the_bucket_stays_while_endpoints_come_and_go():
    mesh = Mesh(Replace((web(policies=TWO_AT_ONCE),)))
    passed = 0

    for number in range(100):  # as many changes as a busy second has
        mesh.live.install(Put(web(Endpoint("10.0.0.1", 8000 + number), policies=TWO_AT_ONCE)))
        passed += sent(mesh, 1) == [200]

    assert passed == 2


@pytest.mark.parametrize(
    "update",
    [
        Replace((web(policies=TWO_AT_ONCE),)),
        Put(web(policies={**TWO_AT_ONCE, "retries": {"attempts": 0}})),
        Put(web(policies={"rateLimit": {"requestsPerSecond": 9, "burst": 2}})),
        Put(Service("shop", "other", ports=(Port(80),))),
    ],
    ids=["replace", "another policy", "its own settings", "another service"],
)
def test_no_update_fills_the_bucket(update):
    mesh = Mesh(Replace((web(policies=TWO_AT_ONCE),)))
    sent(mesh, 2)

    mesh.live.install(update)

    assert sent(mesh, 1) == [429]


def test_a_rejected_update_leaves_the_bucket_as_it_is():
    mesh = Mesh(Replace((web(policies=TWO_AT_ONCE),)))
    sent(mesh, 1)

    with pytest.raises(PolicyRefused):
        mesh.live.install(Put(web(policies={"rateLimit": {"requestsPerSecond": 1e3, "burst": 9}, "retries": {"x": 1}})))

    assert sent(mesh, 2) == [200, 429]


def test_a_service_that_went_and_came_back_has_what_was_left():
    mesh = Mesh(Replace((web(policies=TWO_AT_ONCE),)))
    sent(mesh, 2)

    mesh.live.install(Drop("shop/web"))
    mesh.live.install(Put(web(policies=TWO_AT_ONCE)))

    assert sent(mesh, 1) == [429]


def test_each_port_has_a_bucket_and_the_pods_of_a_port_share_it():
    pods = (Endpoint("10.0.0.1", 80, hostname="web-0"),)
    mesh = Mesh(Replace((web(ports=(Port(80, endpoints=pods), Port(81)), policies=TWO_AT_ONCE),)))
    sent(mesh, 1)

    of_pod = [run(mesh.match(b"web-0.web.shop.mesh:80").handler(exchange())).status for _ in range(2)]
    of_other_port = [run(mesh.match(b"web.shop.mesh:81").handler(exchange())).status for _ in range(3)]

    assert (of_pod, of_other_port) == ([200, 429], [200, 200, 429])


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({}, "rateLimit: there is no limit; write requestsPerSecond, total, "),
        ({"requestsPerSecond": 0}, r"^rateLimit\.requestsPerSecond: expected more than 0, got 0$"),
        ({"requestsPerSecond": 1, "burst": 0}, r"^rateLimit\.burst: expected at least 1, got 0$"),
        ({"requestsPerSecond": "many"}, r"^rateLimit\.requestsPerSecond: expected a valid number, got 'many'$"),
    ],
)
def test_what_cannot_be_a_limit_is_refused(written, told):
    with pytest.raises(PolicyRefused, match=told):
        settings_of({"rateLimit": written})

"""`adaptiveConcurrency` around requests: what is measured, what a client reads, what survives."""

import pytest

from nodeproxy.errors import ClientGone, ConnectFailed, DeadlinePassed, NoEndpoints
from nodeproxy.mesh.model import Endpoint
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.adaptive_concurrency import POLICY, AdaptiveConcurrencySettings
from nodeproxy.policies.table import PolicyRefused, settings_of
from nodeproxy.protocol.errors_as_responses import error_response
from tests.fakes.exchanges import Pieces, PolicyWorld, Replies, exchange, run
from tests.fakes.tables import Mesh, web

GET = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
ONE = {"minConcurrency": 1, "maxConcurrency": 1}


class Limited:
    """A service behind the policy."""

    def __init__(self, endpoint, *, shadow=False, **written):
        self.world = PolicyWorld()
        tools = self.world.shadow("adaptiveConcurrency") if shadow else self.world.tools
        settings = AdaptiveConcurrencySettings.model_validate(written)
        self.gradient = POLICY.state(settings, None, tools)
        self.handler = POLICY.wrap(settings, endpoint(self), tools, self.gradient)

    def figures(self):
        return POLICY.numbers(self.gradient)


class Calls:
    """Calls the same service again before it answers, so many times."""

    def __init__(self, limited, times):
        self._limited = limited
        self._times = times
        self.statuses = []

    async def __call__(self, one):
        if self._times:
            self._times -= 1
            self.statuses.append((await self._limited.handler(exchange())).status)
        return await Replies(200)(one)


def replies(*script, taking_s=0.05):
    return lambda limited: Replies(*script, taking_s=taking_s, world=limited.world)


def asked(limited, times, make=exchange):
    for _ in range(times):
        try:
            run(limited.handler(make()))
        except Exception:
            continue


def test_more_at_once_than_the_limit_are_refused_and_told_when_to_come_again():
    limited = Limited(lambda limited: Calls(limited, 1), **ONE)

    assert run(limited.handler(exchange())).status == 200
    assert limited.handler._inner.statuses == [503]
    assert limited.world.stats.decisions == {("policy", "rejected", "enforce"): 1}


def test_a_refusal_is_503_overloaded_with_retry_after():
    limited = Limited(replies(200), **ONE)
    limited.gradient.admit(limited.world.now)

    response = run(limited.handler(exchange()))

    assert (response.status, response.reason, response.fields.get(b"retry-after")) == (503, "overloaded", b"1")


def test_in_shadow_mode_all_are_sent_and_what_would_have_been_refused_is_counted():
    limited, one = Limited(replies(200), shadow=True, **ONE), exchange()
    limited.gradient.admit(limited.world.now)

    assert run(limited.handler(one)).status == 200
    assert one.shadowed == ("adaptiveConcurrency:rejected",)
    assert limited.figures()["in_flight"] == 1


@pytest.mark.parametrize("reply", [200, 404, DeadlinePassed()], ids=str)
def test_answers_and_timeouts_are_measured(reply):
    limited = Limited(replies(reply))

    asked(limited, 20)

    assert limited.figures() == {"limit": 20, "in_flight": 0, "baseline_seconds": pytest.approx(0.05)}


@pytest.mark.parametrize("reply", [429, 500, 503, ConnectFailed(), NoEndpoints()], ids=str)
def test_quick_refusals_are_not_a_fast_service(reply):
    limited = Limited(replies(200))
    asked(limited, 20)
    limited.handler._inner = Replies(reply, taking_s=0.001, world=limited.world)

    asked(limited, 200)

    assert limited.figures()["baseline_seconds"] == pytest.approx(0.05)
    assert limited.figures()["in_flight"] == 0


def test_an_answer_of_another_policy_is_not_the_services():
    limited = Limited(replies(200))

    async def refuses(_exchange):
        return error_response(NoEndpoints("as a policy inside does"))

    limited.handler._inner = refuses
    asked(limited, 50)

    assert limited.figures() == {"limit": 20, "in_flight": 0, "baseline_seconds": 0}


def test_a_body_that_is_still_arriving_is_the_clients_time():
    limited = Limited(replies(200))

    asked(limited, 50, lambda: exchange(b"PUT", Pieces(b"slow")))

    assert limited.figures() == {"limit": 20, "in_flight": 0, "baseline_seconds": 0}


def test_a_client_that_gave_up_has_waited_at_least_so_long():
    limited = Limited(replies(ClientGone()))

    asked(limited, 20)

    assert limited.figures()["baseline_seconds"] == pytest.approx(0.05)


def test_no_change_of_endpoints_or_settings_forgets_what_was_learned():
    mesh = Mesh(Replace((web(policies={"adaptiveConcurrency": {}}),)))
    gradient = mesh.match(b"web.shop.mesh").states["adaptiveConcurrency"]
    for _ in range(20):
        gradient.sample(gradient.admit(mesh.world.now), mesh.world.now, mesh.world.now + 0.05)
        mesh.world.now += 0.05

    mesh.live.install(Put(web(Endpoint("10.0.0.9", 80), policies={"adaptiveConcurrency": {}})))
    assert mesh.match(b"web.shop.mesh").states["adaptiveConcurrency"] is gradient
    mesh.live.install(Put(web(policies={"adaptiveConcurrency": {"maxConcurrency": 9}})))

    numbers = POLICY.numbers(mesh.match(b"web.shop.mesh").states["adaptiveConcurrency"])
    assert (numbers["limit"], numbers["baseline_seconds"]) == (9, pytest.approx(0.05))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"minConcurrency": 5, "maxConcurrency": 4}, "adaptiveConcurrency: maxConcurrency is below minConcurrency"),
        ({"buffer": 25}, r"adaptiveConcurrency\.buffer: expected at most 1, got 25$"),
        ({"minConcurrency": 0}, r"adaptiveConcurrency\.minConcurrency: expected at least 1, got 0$"),
    ],
)
def test_what_cannot_be_a_limit_is_refused(written, told):
    with pytest.raises(PolicyRefused, match=told):
        settings_of({"adaptiveConcurrency": written})


async def test_a_request_is_refused_while_another_is_under_way_and_admitted_behind_it(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"adaptiveConcurrency": ONE})
    first, second = await world.client(), await world.client()
    await first.send(GET)
    peer = await endpoint.accept()
    await peer.head()

    await second.send(GET)
    head = await second.head()
    await second.until(b"nodeproxy why overloaded)\n")
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await first.head()
    await second.send(GET)
    await peer.head()
    await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 1\r\n" in head
    assert b"x-mesh-error: overloaded\r\n" in head
    assert (await second.head()).startswith(b"HTTP/1.1 204 ")
    assert POLICY.numbers(world.route.states["adaptiveConcurrency"])["in_flight"] == 0
    assert [line[2:4] for line in world.log] == [(503, "overloaded"), (200, ""), (204, "")]

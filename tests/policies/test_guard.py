"""What a custom policy that makes a mistake costs: one exchange, and nobody else's."""

from math import inf

import pytest

from nodeproxy.errors import ConnectFailed, DeadlinePassed, PolicyFailed
from nodeproxy.mesh.callers import Callers
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.guard import Guard
from nodeproxy.policies.registry import BUILT_IN
from nodeproxy.table.builder import Live, Makers
from nodeproxy.telemetry.whereabouts import Whereabouts, policy_of
from tests.fakes import own_policies as own
from tests.fakes.exchanges import PolicyWorld, Replies, exchange, run

OFF = {"timeouts": {"responseHead": 0, "idle": 0}, "retries": {"attempts": 0}}


class Mesh:
    """A service whose endpoint is `endpoint` and that has the policy `policy`, guarded."""

    def __init__(self, policy, endpoint=None, mode="enforce", **settings):
        self.world = PolicyWorld()
        self.endpoint = endpoint or Replies(200)
        self.where = Whereabouts()
        guard = Guard(policy, 1, self.where.cell(), clock=lambda: self.world.now)
        self.live = Live(
            Makers(
                lambda *_: self.endpoint,
                lambda *_: None,
                lambda *_: None,
                lambda stats, decisions: self.tools(stats, decisions),
            ),
            lambda: self.world.now,
            "shop",
            Callers(),
            registry=BUILT_IN.with_own((guard.guarded(),)),
        )
        self.table = {**OFF, "stamp": {"mode": mode, **settings}}
        self.live.install(Replace((self.service(),)))

    def service(self, **settings):
        table = {**self.table, "stamp": {**self.table["stamp"], **settings}}
        return Service("shop", "web", ports=(Port(80),), policies=table)

    def tools(self, stats, decisions):
        self.world.stats = stats
        return self.world.tools_of(decisions)

    @property
    def route(self):
        return next(iter(self.live.table))

    def answer(self, one=None):
        return run(self.route.handler(one or exchange()))

    def failure(self):
        with pytest.raises(PolicyFailed) as caught:
            self.answer()
        assert self.where.call_of(0) == 0
        return caught.value

    @property
    def decisions(self):
        return self.route.stats.decisions


def test_a_policy_without_a_mistake_does_what_it_does_without_a_guard():
    mesh = Mesh(own.STAMP, value="hello")

    response = mesh.answer()

    assert (response.status, response.fields.get(b"x-stamp")) == (200, b"hello")
    assert not mesh.decisions


MISTAKES = {
    "on_request (ZeroDivisionError)": own.policy(on_request=own.bug),
    "on_request (SystemExit)": own.policy(on_request=own.leave),
    "on_request (TypeError)": own.policy(on_request=lambda *_: "403"),
    "on_response (ZeroDivisionError)": own.policy(on_response=own.bug),
    "state (ZeroDivisionError)": own.policy(on_request=lambda *_: None, state=own.bug),
    "state (Refused)": own.policy(on_request=lambda *_: None, state=own.refuse),
    "wrap (ZeroDivisionError)": own.policy(wrap=own.bug),
    "wrap (Refused)": own.policy(wrap=own.refuse),
    "wrap (TypeError)": own.policy(wrap=lambda *_: "handler"),
    "wrap_attempt (ZeroDivisionError)": own.policy(wrap_attempt=own.bug),
    "its handler (ZeroDivisionError)": own.around(own.bug_before),
    "its handler (TypeError)": own.around(own.returns_text),
}


@pytest.mark.parametrize("told", MISTAKES)
def test_each_mistake_is_a_500_that_names_the_policy_and_nothing_that_it_said(told):
    failure = Mesh(MISTAKES[told]).failure()

    assert (failure.status, failure.reason) == (500, "policy-failed:stamp")
    assert str(failure) == f"stamp failed in {told}; see the node's log"


@pytest.mark.parametrize("told", MISTAKES)
def test_in_shadow_mode_it_changes_nothing_and_is_counted(told):
    mesh = Mesh(MISTAKES[told], mode="shadow")

    response = mesh.answer()

    assert response.status == 200 and mesh.endpoint.calls == 1
    assert not response.body.abandoned
    if "on_response" not in told:  # which is not called in shadow mode
        assert mesh.decisions["stamp", "failed", "shadow"] == 1


def test_a_coroutine_in_the_place_of_a_response_is_named_and_closed():
    assert str(Mesh(own.policy(on_request=own.never)).failure()).startswith("stamp failed in on_request (TypeError)")


@pytest.mark.parametrize("step", [own.bug_after, own.returns_text])
def test_a_response_that_it_had_is_given_up(step):
    mesh = Mesh(own.around(step))

    mesh.failure()

    (response,) = mesh.endpoint.responses
    assert response.body.abandoned


def test_a_response_that_on_response_failed_with_is_given_up():
    mesh = Mesh(own.policy(on_response=own.bug))

    mesh.failure()

    assert mesh.endpoint.responses[0].body.abandoned


def test_an_error_that_it_means_is_told_as_it_is():
    mesh = Mesh(own.policy(on_request=own.refuse))

    response = mesh.answer()

    assert (response.status, response.reason) == (403, "not-today")
    assert mesh.decisions["stamp", "rejected", "enforce"] == 1


def test_an_error_that_its_handler_means_is_told_as_it_is():
    with pytest.raises(own.Refused):
        Mesh(own.around(own.refuses)).answer()


@pytest.mark.parametrize(
    "policy", [own.policy(on_request=own.refuse), own.around(own.refuses), own.around(own.answers_itself)]
)
def test_in_shadow_mode_what_it_refuses_is_counted_and_goes_on(policy):
    mesh = Mesh(policy, mode="shadow")

    assert mesh.answer().status == 200
    assert mesh.decisions["stamp", "rejected", "shadow"] == 1


def test_an_answer_of_its_own_is_what_the_client_gets():
    mesh = Mesh(own.around(own.answers_itself))

    assert mesh.answer().status == 204
    assert mesh.endpoint.calls == 0


@pytest.mark.parametrize("error", [ConnectFailed("refused"), KeyError("a bug of ours")])
def test_what_fails_inside_of_it_is_not_its_mistake(error):
    mesh = Mesh(own.around(own.passes), Replies(error))

    with pytest.raises(type(error)):
        mesh.answer()
    assert not mesh.decisions


def test_a_wait_for_what_is_not_of_the_mesh_is_a_mistake():
    assert "TypeError" in str(Mesh(own.around(own.waits_for_asyncio)).failure())


def test_one_that_still_waits_when_the_time_is_up_is_named_and_no_endpoint_blamed():
    async def too_long(*_):
        raise DeadlinePassed("the deadline of this request has passed")

    failure = Mesh(own.around(too_long)).failure()

    assert "which still waited when the request's time was up" in str(failure)


def test_the_deadline_of_an_endpoint_is_still_the_endpoints():
    with pytest.raises(DeadlinePassed):
        Mesh(own.around(own.passes), Replies(DeadlinePassed("no head"))).answer()


def test_its_time_is_counted_without_that_of_what_is_inside():
    mesh = Mesh(own.around(own.waits))
    mesh.endpoint._taking_s, mesh.endpoint._world = 50.0, mesh.world

    mesh.answer()

    counted = mesh.route.stats.own_policies["stamp"]
    assert counted.seconds == pytest.approx(3.0)
    assert counted.calls == 2  # wrap, and its handler


def test_where_the_worker_is_is_known_in_each_step():
    seen = []

    async def look(inner, one, _tools):
        seen.append(policy_of(mesh.where.call_of(0)))
        response = await inner(one)
        seen.append(policy_of(mesh.where.call_of(0)))
        return response

    class Endpoint(Replies):
        async def __call__(self, one):
            seen.append(policy_of(mesh.where.call_of(0)))
            return await super().__call__(one)

    mesh = Mesh(own.around(look), Endpoint(200))

    mesh.answer()

    assert seen == [1, 0, 1]
    assert mesh.where.call_of(0) == 0


def test_two_calls_are_told_apart():
    calls = []
    mesh = Mesh(own.policy(on_request=lambda *_: calls.append(mesh.where.call_of(0))))

    mesh.answer()
    mesh.answer()

    assert len(set(calls)) == 2 and all(policy_of(call) == 1 for call in calls)


def test_its_state_survives_an_update_and_follows_its_settings():
    made = []

    def state(settings, before, _tools):
        made.append((settings.value, before))
        return settings.value

    mesh = Mesh(own.policy(on_request=lambda _exchange, own_state: made.append(own_state), state=state), value="a")
    mesh.live.install(Put(mesh.service()))
    mesh.answer()
    mesh.live.install(Put(mesh.service(value="b")))
    mesh.answer()

    assert made == [("a", None), "a", ("b", "a"), "b"]


def test_a_state_that_cannot_be_made_fails_only_its_own_service():
    mesh = Mesh(own.policy(on_request=lambda *_: None, state=own.bug))
    other = Service("shop", "other", ports=(Port(80),), policies=OFF)
    mesh.live.install(Put(other))

    mesh.failure()

    assert run(mesh.live.table.at("shop/other", "80").handler(exchange())).status == 200


@pytest.mark.parametrize(
    ("numbers", "exported"), [(lambda state: {"size": state}, {"size": 7.0}), (own.bug, {}), (lambda _: "7", {})]
)
def test_its_figures_are_exported_and_no_calls(numbers, exported):
    policy = own.policy(on_request=lambda *_: None, state=lambda *_: 7, numbers=numbers)
    mesh = Mesh(policy)
    (calls,) = {each.calls for each in mesh.route.stats.own_policies.values()}

    guarded = mesh.live.registry.by_name["stamp"]

    assert guarded.numbers(mesh.route.states["stamp"]) == exported
    assert mesh.route.stats.own_policies["stamp"].calls == calls


def test_a_connection_without_http_is_refused_by_a_mistake_too():
    mesh = Mesh(own.policy(on_request=own.bug, connections=True))
    mesh.live.install(Put(Service("shop", "db", ports=(Port(5432, protocol="tcp"),), policies=mesh.table)))

    with pytest.raises(PolicyFailed):
        run(mesh.live.table.at("shop/db", "5432").connect(exchange()))


def test_a_policy_that_asks_for_nothing_costs_nothing():
    mesh = Mesh(own.policy(wrap=lambda _settings, inner, _tools, _state: inner))

    assert mesh.route.handler is mesh.endpoint


def test_the_log_has_one_traceback_in_ten_seconds(caplog):
    mesh = Mesh(own.policy(on_request=own.bug))

    for _ in range(5):
        mesh.failure()
    mesh.world.now += 11.0
    mesh.failure()

    first, second = caplog.records
    assert "ZeroDivisionError: a secret of the package" in caplog.text
    assert (first.quiet, second.quiet) == (0, 4)
    assert (first.policy, first.where, first.service_port) == ("stamp", "on_request", "shop/web:80")


def test_no_exchange_is_kept_after_its_end():
    mesh = Mesh(own.around(own.bug_after))

    mesh.failure()

    assert not mesh.route.handler._inside.visits
    assert mesh.route.stats.own_policies["stamp"].seconds < inf

"""What rules keep from one table to the next, and which handler each has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeproxy.mesh.model import Endpoint
from nodeproxy.mesh.wire import Put, Replace
from tests.fakes.exchanges import exchange, run
from tests.fakes.tables import Mesh, web

ONE = Endpoint("10.0.0.1", 8080)
OFF = {"timeouts": {"responseHead": 0, "idle": 0}, "retries": {"attempts": 0}}


def table(*rules, **policies):
    return web(ONE, policies={"routes": list(rules), **policies})


def rule(name, **written):
    return {"name": name, "match": {"path": {"prefix": f"/{name}"}}, **written}


def own(mesh, label):
    """The states that a rule has for itself."""
    return mesh.match(b"web.shop.mesh").rules.by_label[label].own


def test_a_service_without_rules_has_the_handler_that_it_had():
    mesh = Mesh(Replace((web(ONE, policies=OFF),)))

    route = mesh.match(b"web.shop.mesh")

    assert route.rules is None
    assert type(route.handler).__name__ == "Replies"


def test_rules_that_change_no_policy_and_no_target_share_the_handler_of_the_service():
    mesh = Mesh(Replace((table(*(rule(f"r{number}") for number in range(50))),)))

    assert mesh.made == ["shop/web:80"]


def test_the_handler_of_a_port_with_rules_is_no_coroutine_itself():
    mesh = Mesh(Replace((table(rule("a"), **OFF),)))
    handler = mesh.match(b"web.shop.mesh").handler

    coroutine = handler(exchange())

    assert coroutine.cr_code.co_filename.endswith("exchanges.py")  # the endpoint's: there is no frame between
    run(coroutine)


def test_a_rule_shares_the_states_of_policies_that_it_does_not_change():
    changed = rule("a", policies={"rateLimit": {"requestsPerSecond": 5}})
    mesh = Mesh(Replace((table(changed, rateLimit={"requestsPerSecond": 9}, adaptiveConcurrency={}),)))

    assert set(own(mesh, "a")) == {"rateLimit"}


def test_a_rule_that_says_the_same_as_the_service_shares_its_state():
    same = rule("a", policies={"rateLimit": {"requestsPerSecond": 9}})
    mesh = Mesh(Replace((table(same, rateLimit={"requestsPerSecond": 9}),)))

    assert own(mesh, "a") == {}


@pytest.mark.parametrize(
    "beside",
    [
        {"rateLimit": {"requestsPerSecond": 10}},
        {"adaptiveConcurrency": {}},
        {"retries": {"attempts": 1}},
    ],
    ids=lambda policies: next(iter(policies)),
)
@pytest.mark.parametrize("more", [[], [rule("before")]], ids=["the same rules", "another rule before"])
def test_what_a_rule_has_learnt_stays_whatever_changes_beside_it(beside, more):
    kept = rule(
        "a",
        policies={"maxRequestBody": {"limit": 5}},
        split=[{"weight": 9}, {"service": "new"}],
        canary={"service": "new", "requestsPerSecond": 2},
    )
    mesh = Mesh(Replace((table(kept),)))
    before = own(mesh, "a")

    mesh.live.install(Put(table(*more, kept, **beside)))

    after = own(mesh, "a")
    assert set(before) == {"maxRequestBody", "split", "routes"}
    assert {name: after[name] is state for name, state in before.items()} == dict.fromkeys(before, True)


@pytest.mark.parametrize(
    ("policy", "change"),
    [
        ("split", {"split": [{"weight": 8}, {"service": "new"}]}),
        ("routes", {"canary": {"service": "new", "requestsPerSecond": 3}}),
        ("maxRequestBody", {"policies": {"maxRequestBody": {"limit": 6}}}),
    ],
)
def test_a_change_of_a_rule_makes_new_what_it_concerns(policy, change):
    written = {
        "policies": {"maxRequestBody": {"limit": 5}},
        "split": [{"weight": 9}, {"service": "new"}],
        "canary": {"service": "new", "requestsPerSecond": 2},
    }
    mesh = Mesh(Replace((table(rule("a", **written)),)))
    before = own(mesh, "a")

    mesh.live.install(Put(table(rule("a", **{**written, **change}))))

    after = own(mesh, "a")
    assert [name for name, state in before.items() if after[name] is not state] == [policy]


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True), st.randoms())
def test_states_follow_the_names_of_rules_in_any_order(names, random):
    def rules(order):
        return table(*(rule(name, split=[{"weight": 2}, {"service": name}]) for name in order))

    mesh = Mesh(Replace((rules(names),)))
    before = {name: own(mesh, name)["split"] for name in names}

    mesh.live.install(Put(rules(random.sample(names, len(names)))))

    assert all(own(mesh, name)["split"] is before[name] for name in names)


def test_endpoints_that_come_and_go_leave_the_rules_alone():
    mesh = Mesh(Replace((table(rule("a", split=[{"service": "new"}])),)))
    before = mesh.match(b"web.shop.mesh")

    mesh.live.install(Put(web(ONE, Endpoint("10.0.0.2", 80), policies=before.service.policies)))

    assert mesh.match(b"web.shop.mesh").handler is before.handler


def test_compiled_rules_are_kept_while_only_other_policies_change():
    mesh = Mesh(Replace((table(rule("a")),)))
    before = mesh.match(b"web.shop.mesh").rules.compiled

    mesh.live.install(Put(table(rule("a"), retries={"attempts": 1})))

    assert mesh.match(b"web.shop.mesh").rules.compiled is before

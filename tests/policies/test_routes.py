"""`routes`: the rule of a request decides where it goes and which policies it has, over real sockets."""

import pytest

from nodeproxy.mesh.model import Caller, Port, Service
from nodeproxy.mesh.wire import Callers, Drop, Put, Replace
from nodeproxy.policies.table import PolicyRefused, settings_of
from tests.fakes.routed import all_came_to, came_to, get, service

V2 = "version=v2"
TO_NEW = {"split": [{"service": "new"}]}


def routes(*rules, **others):
    return {"routes": list(rules), **others}


def below(path, **rule):
    return {"match": {"path": {"prefix": path}}, **rule}


def decisions(world, policy="routes"):
    counted = world.live.table.at("shop/web", "80").stats.decisions
    return {outcome: count for (name, outcome, _), count in counted.items() if name == policy}


async def test_the_first_rule_that_matches_decides_and_a_request_without_one_goes_to_the_service(world):
    old, new, third = world.endpoint(), world.endpoint(), world.endpoint()
    rules = routes(below("/api/v2", name="v2", **TO_NEW), below("/api", name="api", split=[{"service": "third"}]))
    world.install(Replace((service("web", old, policies=rules), service("new", new), service("third", third))))

    seen = await all_came_to(world, [old, new, third], [get(b"/api/v2/x"), get(b"/api/x"), get(b"/apis"), get(b"/")])

    assert seen == [1, 2, 0, 0]
    assert decisions(world) == {"v2": 1, "api": 1}


async def test_a_rule_without_a_name_is_counted_by_its_number(world):
    old = world.endpoint()
    world.install(Replace((service("web", old, policies=routes(below("/a"), below("/b"))),)))

    await all_came_to(world, [old], [get(b"/b"), get(b"/b"), get(b"/a")])

    assert decisions(world) == {"2": 2, "1": 1}


async def test_the_rule_of_an_exchange_is_known_when_it_ends(world):
    old = world.endpoint()
    world.install(Replace((service("web", old, policies=routes(below("/a", name="a"))),)))

    await all_came_to(world, [old], [get(b"/a"), get(b"/b")])
    await world.settle()

    assert [line[0].rule for line in world.log] == ["a", ""]


async def test_in_shadow_mode_the_rules_are_counted_and_the_service_gets_all_requests(world):
    old, new = world.endpoint(), world.endpoint()
    rules = {"routes": {"rules": [below("/a", name="a", redirect={"host": "elsewhere"})], "mode": "shadow"}}
    world.install(Replace((service("web", old, policies=rules), service("new", new))))

    seen = await all_came_to(world, [old, new], [get(b"/a"), get(b"/b")])

    assert seen == [0, 0]
    assert world.live.table.at("shop/web", "80").stats.decisions == {("routes", "a", "shadow"): 1}
    assert world.log[0][0].shadowed == ("routes:a",)


async def test_a_redirect_and_a_direct_response_ask_no_endpoint(world):
    old = world.endpoint()
    rules = routes(
        below("/old", redirect={"path": {"prefix": "/new"}, "status": 301}),
        below("/health", directResponse={"status": 204}),
    )
    world.install(Replace((service("web", old, policies=rules),)))

    _, _, moved = await came_to(world, [old], get(b"/old/x?y=1"))
    index, _, well = await came_to(world, [old], get(b"/health"))

    assert moved.startswith(b"HTTP/1.1 301 ") and b"Location: http://web.shop.mesh/new/x?y=1\r\n" in moved
    assert index is None and well.startswith(b"HTTP/1.1 204 ")


async def test_request_and_response_are_changed(world):
    old = world.endpoint()
    edits = {
        "request": {"set": {"X-Tier": "one"}, "remove": ["X-Secret"]},
        "response": {"add": {"X-Rule": "api"}},
    }
    rules = routes(below("/api", rewrite={"path": {"prefix": "/v1"}}, headers=edits))
    world.install(Replace((service("web", old, policies=rules),)))

    _, sent, answer = await came_to(world, [old], get(b"/api/x", b"X-Secret: 1\r\n"))

    assert sent.startswith(b"GET /v1/x HTTP/1.1\r\n") and b"X-Tier: one\r\n" in sent and b"X-Secret" not in sent
    assert b"X-Rule: api\r\n" in answer


async def test_an_answer_of_the_mesh_itself_is_changed_too(world):
    rules = routes(below("/", headers={"response": {"set": {"X-Rule": "all"}}}))
    world.install(Replace((service("web", policies=rules),)))

    _, _, answer = await came_to(world, [], get())
    await world.settle()

    assert answer.startswith(b"HTTP/1.1 503 ") and b"X-Rule: all\r\n" in answer
    assert b"x-mesh-error: no-endpoints\r\n" in answer
    assert world.log[0][3] == "no-endpoints"


async def test_weights_of_a_rule_are_exact(world):
    old, new = world.endpoint(), world.endpoint()
    split = [{"weight": 3}, {"service": "new"}]
    world.install(Replace((service("web", old, policies=routes(below("/", split=split))), service("new", new))))

    seen = await all_came_to(world, [old, new], [get()] * 8)

    assert (seen.count(0), seen.count(1)) == (6, 2)
    assert decisions(world, "split") == {"shop/web:80": 6, "shop/new:80": 2}


async def test_a_rule_without_a_split_has_that_of_the_service(world):
    old, new = world.endpoint(), world.endpoint()
    table = routes(below("/"), split=[{"service": "new"}])
    world.install(Replace((service("web", old, policies=table), service("new", new))))

    assert await all_came_to(world, [old, new], [get()]) == [1]


async def test_a_subset_is_the_endpoints_with_its_labels(world):
    old, new, other = world.endpoint(), world.endpoint(), world.endpoint()
    rules = routes(below("/", split=[{"labels": {"version": "v2"}}]))
    world.install(Replace((service("web", old, (new, V2), other, policies=rules),)))

    assert await all_came_to(world, [old, new, other], [get()] * 4) == [1] * 4
    assert decisions(world, "split") == {"shop/web:80 version=v2": 4}


async def test_a_subset_without_an_endpoint_fails_and_says_which_labels_were_asked_for(world):
    old = world.endpoint()
    rules = routes(below("/", split=[{"labels": {"version": "v2", "tier": "a"}}]))
    world.install(Replace((service("web", old, policies=rules),)))
    client = await world.client()

    await client.send(get())

    assert (await client.head()).startswith(b"HTTP/1.1 503 ")
    assert b"no ready endpoint has the labels tier=a,version=v2; check them in the policy and at the pods" in (
        await client.until(b"have others (see: nodeproxy why no-endpoints)\n")
    )


async def test_an_endpoint_that_gets_the_labels_is_used_from_then_on(world):
    old, new = world.endpoint(), world.endpoint()
    rules = routes(below("/", split=[{"labels": {"version": "v2"}}]))
    world.install(Replace((service("web", (old, V2), new, policies=rules),)))
    assert await all_came_to(world, [old, new], [get()]) == [0]

    world.install(Put(service("web", old, (new, V2), policies=rules)))

    assert await all_came_to(world, [old, new], [get()] * 2) == [1, 1]


async def test_the_caller_decides(world):
    old, new = world.endpoint(), world.endpoint()
    rules = routes({"match": {"caller": {"namespace": "shop", "workload": "cart"}}, **TO_NEW})
    world.install(Replace((service("web", old, policies=rules), service("new", new))))
    assert await all_came_to(world, [old, new], [get()]) == [0]

    world.install(Callers((Caller("127.0.0.1", "shop", "cart"),)))

    assert await all_came_to(world, [old, new], [get()]) == [1]


async def test_sticky_requests_with_one_value_go_to_one_target_and_others_by_weight(world):
    old, new = world.endpoint(), world.endpoint()
    rules = routes(below("/", split=[{}, {"service": "new"}], sticky={"header": "x-user"}))
    world.install(Replace((service("web", old, policies=rules), service("new", new))))

    of_each = [
        set(await all_came_to(world, [old, new], [get(lines=b"X-User: %d\r\n" % user)] * 3)) for user in range(12)
    ]
    without = await all_came_to(world, [old, new], [get()] * 4)

    assert all(len(targets) == 1 for targets in of_each) and {0} in of_each and {1} in of_each
    assert sorted(without) == [0, 0, 1, 1]


async def test_a_canary_gets_its_rate_and_the_others_go_on(world):
    old, new = world.endpoint(), world.endpoint()
    rules = routes(below("/", canary={"service": "new", "requestsPerSecond": 1}))
    world.install(Replace((service("web", old, policies=rules), service("new", new))))

    seen = []
    for _ in range(20):
        seen += await all_came_to(world, [old, new], [get()])
        world.advance(0.25)

    assert seen == [1, 0, 0, 0] * 5
    assert decisions(world) == {"1": 20, "to-canary": 5}


@pytest.mark.parametrize("gone", ["never there", "left", "no endpoint", "unsubscribed", "no subset"])
async def test_a_canary_that_cannot_serve_breaks_nothing(gone, world):
    old, new = world.endpoint(), world.endpoint()
    canary = {"labels": {"version": "v9"}} if gone == "no subset" else {"service": "new"}
    rules = routes(below("/", canary={**canary, "requestsPerSecond": 1000}, split=[{"labels": {"version": "v1"}}]))
    web = service("web", (old, "version=v1"), policies=rules)
    others = {
        "left": service("new", new),
        "no endpoint": service("new"),
        "unsubscribed": Service("shop", "new", "", (Port(80),), unsubscribed=True),
    }
    world.install(Replace((web, *filter(None, [others.get(gone)])), on_demand=True))
    if gone == "left":
        world.install(Drop("shop/new"))

    seen = await all_came_to(world, [old, new], [get()] * 3)

    assert seen == [0, 0, 0]
    assert decisions(world) == {"1": 3, "canary-unavailable": 3}
    assert gone != "unsubscribed" or "shop/new" in world.live.subscriptions


async def test_a_request_that_failed_at_the_canary_is_not_sent_there_again(world):
    old, new = world.endpoint(), world.endpoint()
    rules = routes(
        below("/", canary={"service": "new", "requestsPerSecond": 1000}), retries={"attempts": 2, "retryOn": ["5xx"]}
    )
    world.install(Replace((service("web", old, policies=rules), service("new", new))))
    client = await world.client()

    await client.send(get())
    peer = await new.accept()
    await peer.head()
    await peer.send(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    peer = await old.accept()
    await peer.head()
    await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert (await client.head()).startswith(b"HTTP/1.1 204 ")


async def test_a_rule_has_policies_of_its_own_merged_over_those_of_the_service(world):
    old = world.endpoint()
    own = {"rateLimit": {"requestsPerSecond": 0.001}}
    table = routes(below("/slow", name="slow", policies=own), rateLimit={"requestsPerSecond": 1000, "burst": 2})
    world.install(Replace((service("web", old, policies=table),)))

    slow = [(await came_to(world, [old], get(b"/slow")))[2][9:12] for _ in range(3)]
    fast = [(await came_to(world, [old], get(b"/")))[2][9:12] for _ in range(3)]

    assert slow == [b"204", b"204", b"429"]  # the burst is that of the service, counted for the rule alone
    assert fast == [b"204", b"204", b"429"]


async def test_a_request_to_a_single_pod_follows_the_rules_but_for_where_it_goes(world):
    old, new = world.endpoint(), world.endpoint()
    rule = below("/", split=[{"service": "new"}], headers={"response": {"set": {"X-Rule": "yes"}}})
    web = service("web", old, policies=routes(rule))
    endpoint = type(web.ports[0].endpoints[0])("127.0.0.1", old.port, hostname="web-0")
    web = Service("shop", "web", "", (Port(80, "http", "http", (endpoint,)),), web.policies)
    world.install(Replace((web, service("new", new))))

    index, _, answer = await came_to(world, [old, new], get(host=b"web-0.web.shop.mesh"))

    assert index == 0 and b"X-Rule: yes\r\n" in answer


async def test_a_connection_without_http_passes_by_the_rules(world):
    old = world.endpoint()
    table = routes(below("/", directResponse={"status": 404}))
    world.serve(old, policies=table, protocol="detect")

    assert world.route.connect is not None
    assert world.route.handler is not world.route.connect


def problems(table):
    with pytest.raises(PolicyRefused) as refused:
        settings_of(table)
    return refused.value.problems


@pytest.mark.parametrize(
    ("policies", "told"),
    [
        ({"retrys": {}}, "routes[0].policies.retrys: no such policy; did you mean retries? there are "),
        ({"retries": {"attempts": "x"}}, "routes[0].policies.retries.attempts: expected a valid integer"),
        ({"retries": {"nope": 1}}, "routes[0].policies.retries.nope: no such field"),
        ({"connectionPool": {}}, "routes[0].policies.connectionPool: connectionPool acts on endpoints or"),
        ({"split": {}}, "routes[0].policies.split: a rule has no split among its policies: the field split of"),
        ({"routes": []}, "routes[0].policies.routes: a rule has no routes among its policies: rules do not nest"),
    ],
)
def test_policies_that_cannot_be_those_of_a_rule_are_refused_with_their_place(policies, told):
    (problem,) = problems(routes(below("/", policies=policies)))

    assert problem.startswith(told), problem


def test_what_is_wrong_with_the_service_is_not_told_for_each_rule_again():
    own = {"retries": {"attempts": 3}}

    assert len(problems(routes(below("/", policies=own), below("/b", policies=own), retries={"attempts": "x"}))) == 1


def test_two_rules_with_one_name_are_refused():
    (problem,) = problems(routes(below("/a", name="2"), below("/b")))

    assert "two rules are named 2; a rule without a name has its number from 1" in problem


def test_a_canary_of_the_cluster_needs_a_server():
    canary = {"service": "new", "requestsPerSecond": 1, "scope": "cluster"}

    (problem,) = problems(routes(below("/", canary=canary)))

    assert "a cluster counts in the server" in problem


async def test_a_header_that_is_absent_does_not_equal_anything(world):
    old, new = world.endpoint(), world.endpoint()
    rules = routes({"match": {"headers": [{"name": "x-beta", "exact": "1"}]}, **TO_NEW})
    world.install(Replace((service("web", old, policies=rules), service("new", new))))

    seen = await all_came_to(world, [old, new], [get(), get(lines=b"X-Beta: 1\r\n"), get(lines=b"X-Beta: 2\r\n")])

    assert seen == [0, 1, 0]


async def test_counts_of_rules_that_are_gone_are_dropped_and_others_stay(world):
    old = world.endpoint()
    world.install(Replace((service("web", old, policies=routes(below("/a", name="a"), below("/b", name="b"))),)))
    await all_came_to(world, [old], [get(b"/a"), get(b"/b"), get(b"/b")])

    world.install(Put(service("web", old, policies=routes(below("/b", name="b"), below("/c", name="c")))))

    assert decisions(world) == {"b": 2}


def test_a_canary_among_the_pods_of_the_service_needs_to_know_the_others():
    canary = {"labels": {"version": "v2"}, "requestsPerSecond": 1}

    (problem,) = problems(routes(below("/", canary=canary)))

    assert "needs a split that names the others" in problem
    settings_of(routes(below("/", canary=canary, split=[{"labels": {"version": "v1"}}])))

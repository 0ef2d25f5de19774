"""`rateLimit` by caller, header field, method and path; what a client is told; all limits of a request together."""

import pytest

from nodeproxy.mesh.callers import Known
from nodeproxy.mesh.wire import Put, Replace
from nodeproxy.policies.limit_parts import plain_path
from nodeproxy.policies.table import PolicyRefused, settings_of
from tests.fakes.exchanges import exchange, request, run
from tests.fakes.tables import Mesh, web

ONE = {"requestsPerSecond": 0.1, "burst": 1}
CART, BATCH = Known("shop", ("shop", "cart")), Known("jobs", ("jobs", "batch"))


def mesh(**limits):
    return Mesh(Replace((web(policies={"rateLimit": limits}),)))


def asked(mesh, caller=CART, client="10.0.0.9", **parts):
    """The response to one request."""
    one = exchange()
    one.request = request(**parts)
    one.caller, one.client = caller, client
    return run(mesh.match(b"web.shop.mesh").handler(one))


def statuses(mesh, *callers):
    return [asked(mesh, caller).status for caller in callers]


def decisions(mesh):
    return {outcome: number for (_, outcome, _), number in mesh.match(b"web.shop.mesh").stats.decisions.items()}


def test_each_calling_workload_has_the_limit_alone():
    limited = mesh(perCaller=ONE)

    assert statuses(limited, CART, CART, BATCH, BATCH) == [200, 429, 200, 429]
    assert decisions(limited) == {"by-caller": 2, "rejected": 2}


def test_a_client_that_is_no_known_pod_counts_by_its_address_whatever_it_says():
    limited = mesh(perCaller=ONE)
    unknown = exchange().caller
    lies = b"X-Forwarded-For: 10.9.9.9\r\nX-Real-IP: 10.9.9.9\r\n"

    answers = [
        asked(limited, unknown, "10.0.0.1").status,
        asked(limited, unknown, "10.0.0.1", block=lies).status,
        asked(limited, unknown, "10.0.0.2").status,
    ]

    assert answers == [200, 429, 200]


def test_the_limit_of_one_workload_wins_over_that_of_its_namespace_and_that_over_all():
    limited = mesh(
        perCaller=ONE,
        overrides=[
            {"namespace": "jobs", "requestsPerSecond": 0.1, "burst": 2},
            {"namespace": "jobs", "workload": "batch", "requestsPerSecond": 0.1, "burst": 3},
        ],
    )
    nightly = Known("jobs", ("jobs", "nightly"))

    assert statuses(limited, *[CART] * 2) == [200, 429]
    assert statuses(limited, *[nightly] * 3) == [200, 200, 429]
    assert statuses(limited, *[BATCH] * 4) == [200, 200, 200, 429]
    assert decisions(limited) == {"by-caller": 1, "by-override": 2, "rejected": 3}


def test_an_override_alone_limits_whom_it_names():
    limited = mesh(overrides=[{"namespace": "jobs", **ONE}])

    assert statuses(limited, BATCH, BATCH, CART, CART) == [200, 429, 200, 200]


def test_an_override_that_is_added_keeps_what_its_caller_has_taken():
    limited = mesh(perCaller=ONE)
    statuses(limited, CART)

    override = {"namespace": "shop", "workload": "cart", "requestsPerSecond": 0.1, "burst": 2}
    limited.live.install(Put(web(policies={"rateLimit": {"perCaller": ONE, "overrides": [override]}})))

    assert statuses(limited, CART, CART) == [200, 429]


def test_each_value_of_a_field_has_the_limit_and_requests_without_it_none():
    limited = mesh(byHeader={"name": "X-Tenant", **ONE})
    blocks = [b"X-Tenant: a\r\n", b"x-tenant: a\r\n", b"X-Tenant: b\r\n", b"", b""]

    assert [asked(limited, block=block).status for block in blocks] == [200, 429, 200, 200, 200]


def test_new_values_are_no_way_around_the_limit():
    limited = mesh(byHeader={"name": "X-Tenant", "maxValues": 2, **ONE})

    passed = sum(asked(limited, block=b"X-Tenant: %d\r\n" % number).status == 200 for number in range(50))

    assert passed == 3  # two values, and one bucket for all others


def test_a_value_that_was_silent_makes_room_for_another():
    limited = mesh(byHeader={"name": "X-Tenant", "maxValues": 1, **ONE})
    assert [asked(limited, block=b"X-Tenant: %b\r\n" % value).status for value in (b"a", b"b", b"c")] == [200, 200, 429]

    limited.world.now += 10

    assert [asked(limited, block=b"X-Tenant: %b\r\n" % value).status for value in (b"c", b"d", b"e")] == [200, 200, 429]


def test_a_rule_counts_its_methods_below_its_path():
    limited = mesh(rules=[{"methods": ["POST"], "pathPrefix": "/orders", **ONE}])
    asking = [(b"POST", b"/orders"), (b"POST", b"/orders/7?x=1"), (b"POST", b"/ordersheet"), (b"GET", b"/orders")]

    assert [asked(limited, method=method, path=path).status for method, path in asking] == [200, 429, 200, 200]


@pytest.mark.parametrize("path", [b"/%6Frders", b"/x/../orders", b"//orders", b"/./orders/a", b"/orders/?a=b"])
def test_another_spelling_of_a_path_is_no_way_around_its_rule(path):
    limited = mesh(rules=[{"pathPrefix": "/orders", **ONE}])

    assert [asked(limited, path=each).status for each in (b"/orders", path)] == [200, 429]


def test_a_plain_path_is_as_it_was_sent():
    assert [plain_path(path) for path in (b"/a/b?c=/../d", b"*", b"/")] == [b"/a/b", b"*", b"/"]


def test_a_request_that_one_limit_refuses_takes_from_no_other():
    limited = mesh(total={"requestsPerSecond": 0.1, "burst": 3}, perCaller=ONE)

    answers = statuses(limited, CART, *[CART] * 10, BATCH, Known("a", ("a", "b")), Known("a", ("a", "c")))

    assert answers == [200, *[429] * 10, 200, 200, 429]
    assert decisions(limited) == {"by-caller": 10, "by-total": 1, "rejected": 11}


def test_a_refusal_names_the_limit_and_when_to_come_again():
    limited = mesh(total={"requestsPerSecond": 100, "burst": 50}, perCaller={"requestsPerSecond": 0.5, "burst": 2})
    statuses(limited, CART, CART)

    refused = asked(limited)

    assert refused.fields.get(b"retry-after") == b"2"
    assert refused.fields.get(b"ratelimit-policy") == b'"total";q=100;w=1, "perCaller";q=2;w=4'
    assert refused.fields.get(b"ratelimit") == b'"total";r=48;t=1, "perCaller";r=0;t=2'
    assert b"rateLimit.perCaller of shop/web:80 has no token left; see Retry-After" in refused.first


def test_a_success_has_the_fields_only_where_the_settings_ask_for_them():
    silent, telling = mesh(total=ONE), mesh(total={"requestsPerSecond": 0.5, "burst": 3}, headers=True)

    assert asked(silent).fields.get(b"ratelimit") is None
    assert asked(telling).fields.get(b"ratelimit") == b'"total";r=2;t=2'
    assert asked(telling).fields.get(b"ratelimit-policy") == b'"total";q=3;w=6'


def test_rules_that_count_the_same_request_have_names_of_their_own():
    half, whole = {"requestsPerSecond": 0.5, "burst": 3}, {"requestsPerSecond": 1, "burst": 3}
    limited = mesh(rules=[{"pathPrefix": "/orders", **half}, {"methods": ["GET"], **whole}], headers=True)

    assert asked(limited, path=b"/orders").fields.get(b"ratelimit") == b'"rules";r=2;t=2, "rules-2";r=2;t=1'


def test_in_shadow_mode_nothing_is_refused_or_told_and_each_limit_counts():
    limited = mesh(perCaller=ONE, headers=True, mode="shadow")

    answers = [asked(limited) for _ in range(3)]

    assert [answer.status for answer in answers] == [200] * 3
    assert [answer.fields.get(b"ratelimit") for answer in answers] == [None] * 3
    assert decisions(limited) == {"by-caller": 2, "rejected": 2}


async def test_a_client_is_refused_on_its_connection_and_served_when_it_comes_again(world):
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"rateLimit": {"total": {"requestsPerSecond": 0.5, "burst": 1}}})
    client = await world.client()
    ask = b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n"
    await client.send(ask)
    server = await endpoint.accept()
    await server.head()
    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")
    first = await client.head()

    await client.send(ask)
    refused = await client.head()
    await client.until(b"\n")
    world.advance(2)
    await client.send(ask)
    await server.head()
    await server.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert first.startswith(b"HTTP/1.1 204") and refused.startswith(b"HTTP/1.1 429")
    assert b"Retry-After: 2\r\n" in refused and b'RateLimit: "total";r=0;t=2\r\n' in refused
    assert (await client.head()).startswith(b"HTTP/1.1 204")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"requestsPerSecond": 1, "total": ONE}, "requestsPerSecond is short for total.requestsPerSecond"),
        ({"burst": 2}, "burst belongs to requestsPerSecond"),
        ({"total": {"burst": 2}}, r"^rateLimit\.total\.requestsPerSecond: has to be written, and is missing$"),
        (
            {"perCaller": {"requestsPerSecond": 0}},
            r"^rateLimit\.perCaller\.requestsPerSecond: expected more than 0, got 0$",
        ),
        (
            {"overrides": [{"workload": "x", **ONE}]},
            r"^rateLimit\.overrides\[0\]\.namespace: has to be written, and is missing$",
        ),
        (
            {"byHeader": {"name": "a b", **ONE}},
            r"^rateLimit\.byHeader\.name: expected a name as HTTP has it, .*, got 'a b'$",
        ),
        (
            {"rules": [{"pathPrefix": "orders", **ONE}]},
            r"^rateLimit\.rules\[0\]\.pathPrefix: expected a path that begins with / and has no spaces, got 'orders'$",
        ),
        ({"global": {"server": "http://x", **ONE}}, "rateLimit.global.server: expected redis://HOST:PORT/DATABASE"),
        ({"global": {"server": "redis://x/db", **ONE}}, "rateLimit.global.server: the path is the number"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(written, told):
    with pytest.raises(PolicyRefused, match=told):
        settings_of({"rateLimit": written})


def test_a_password_in_a_policy_is_refused_and_not_repeated():
    with pytest.raises(PolicyRefused, match="put it into a Secret") as refused:
        settings_of({"rateLimit": {"global": {"server": "redis://me:hunter2@limits:6379/0", **ONE}}})

    assert "hunter2" not in str(refused.value)

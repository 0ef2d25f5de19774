"""The rules of a service as an operator sees them: in words, in order, with how often each was chosen."""

import json

import pytest

from discovery.observe.routes import RoutesPage, routes_of
from discovery.observe.rule_words import action_words, match_words
from discovery.observe.server import Asked
from discovery.workers.publish import Publisher
from nodeproxy.mesh.model import Port, Service
from nodeproxy.mesh.reports import Decision, Introduction, PortCounters, PortKey, PortReport, RequestKind
from nodeproxy.policies.table import settings_of

pytestmark = pytest.mark.anyio
RULES = [
    {
        "name": "api",
        "match": {"path": {"prefix": "/api"}},
        "split": [{"service": "web"}, {"service": "v2", "weight": 3}],
    },
    {"match": {"method": "POST"}, "directResponse": {"status": 403}},
    {"name": "new", "canary": {"service": "v2", "requestsPerSecond": 5.0}},
]


def web(**policies):
    return Service("shop", "web", "127.77.0.1", (Port(80),), policies)


def counted(requests=10, **decisions):
    found = tuple((Decision(*key.split("__"), "enforce"), count) for key, count in decisions.items())
    return PortCounters(((RequestKind(200, "", "shop", "cart"), requests),), decisions=found)


def rule(**written):
    return settings_of({"routes": [written]})["routes"].rules[0]


def test_rules_are_in_their_order_with_what_was_chosen():
    counters = counted(routes__api=6, **{"routes__2": 1, "split__shop/v2:80": 4, "routes__to-canary": 3})

    seen = routes_of(web(routes=RULES), Port(80), counters)

    assert [(each.rule, each.match, each.matched) for each in seen.rules] == [
        ("api", ("path under /api",), 6),
        ("2", ("method POST",), 1),
        ("new", (), 0),
    ]
    assert [(each.target, each.share, each.chosen) for each in seen.rules[0].targets] == [
        ("shop/web:80", 0.25, 0),
        ("shop/v2:80", 0.75, 4),
    ]
    assert seen.rules[1].actions == ("answers 403 itself",)
    assert (seen.rules[2].canary.target, seen.rules[2].canary.requests_per_second) == ("shop/v2:80", 5.0)
    assert (seen.requests, seen.to_canary, seen.canary_unavailable, seen.mode) == (10, 3, 0, "enforce")


def test_a_service_without_rules_has_the_targets_of_its_split():
    split = [{"service": "web", "weight": 0}, {"service": "v2"}]

    plain, shared = routes_of(web(), Port(80), counted()), routes_of(web(split=split), Port(80), counted())

    assert (plain.rules, plain.otherwise) == ((), ())
    assert [(each.target, each.weight) for each in shared.otherwise] == [("shop/web:80", 0), ("shop/v2:80", 1)]


async def test_the_page_has_the_counts_of_all_workers_and_only_the_port_asked_for():
    publisher = Publisher()
    service = Service("shop", "web", "", (Port(80), Port(81), Port(82, "tcp", "tcp")), {"routes": RULES})
    publisher.publish({"shop/web": service}, in_sync=True)
    for number in range(2):
        publisher.reports.note(number, Introduction(number, number))
        publisher.reports.note(number, PortReport(PortKey("shop", "web", "80"), counted(routes__api=2)))

    whole = await RoutesPage(publisher)(Asked({"service": "web.shop"}))
    one = await RoutesPage(publisher)(Asked({"service": "shop/web:81"}))
    none = await RoutesPage(publisher)(Asked({"service": "wep.shop"}))

    assert [each["port"] for each in json.loads(whole.body)["ports"]] == ["80", "81"]
    assert json.loads(whole.body)["ports"][0]["rules"][0]["matched"] == 4
    assert [each["port"] for each in json.loads(one.body)["ports"]] == ["81"]
    assert none.status == 404 and b"close to it: web.shop" in none.body


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"path": {"exact": "/a"}, "method": ["GET", "HEAD"]}, "path = /a, method GET or HEAD"),
        ({"path": {"regex": "/a+"}}, "path ~ /a+"),
        ({"headers": [{"name": "x-a", "exact": "1"}, {"name": "x-b"}]}, "header x-a = 1, header x-b present"),
        ({"headers": [{"name": "x-a", "present": False}]}, "header x-a absent"),
        ({"queryParams": [{"name": "q", "prefix": "a"}]}, "query parameter q begins with a"),
        ({"cookies": [{"name": "c", "regex": "a|b"}]}, "cookie c ~ a|b"),
        ({"caller": [{"namespace": "shop", "workload": "cart"}, {"namespace": "till"}]}, "from shop/cart or till"),
        ({}, "every request"),
    ],
)
def test_what_a_rule_matches_is_said_in_words(written, words):
    (match,) = rule(match=[written]).match

    assert match_words(match) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"redirect": {"scheme": "https", "port": 8443}}, ["redirect 302 to scheme https, port 8443"]),
        ({"redirect": {"path": {"full": "/new"}, "status": 301}}, ["redirect 301 to path /new"]),
        (
            {"rewrite": {"path": {"prefix": "/v2"}, "host": "v2"}},
            ["rewrites the path to /v2…", "rewrites the host to v2"],
        ),
        ({"split": [{"service": "v2"}], "sticky": {"cookie": "user"}}, ["sticky by cookie user"]),
        (
            {"headers": {"request": {"set": {"x-a": "1"}, "remove": ["x-b"]}, "response": {"add": {"x-c": "2"}}}},
            ["request headers: set x-a; remove x-b", "response headers: add x-c"],
        ),
        ({"policies": {"timeouts": {"request": "1s"}}}, ["policies of its own: timeouts"]),
        ({}, []),
    ],
)
def test_what_a_rule_does_is_said_in_words(written, words):
    assert list(action_words(rule(**written))) == words

"""Who calls whom: by the counters of all workers, bounded, and made once for all readers."""

import json

import pytest

from discovery.observe.page.edges import EDGES_MOST, STEP_S, MapApi, calls_of, map_now
from discovery.observe.page.history import History
from discovery.observe.page.live import Live
from discovery.observe.server import Asked
from discovery.workers.reports import Reports
from nodeproxy.mesh.reports import (
    UNROUTED,
    ConnectionCounters,
    EndKind,
    Introduction,
    PortCounters,
    PortKey,
    PortReport,
    RequestKind,
)
from tests.fakes.reports import API, WEB, process

pytestmark = pytest.mark.anyio


def calls(key, *by_caller, status=200):
    kinds = tuple((RequestKind(status, "", *caller), number) for caller, number in by_caller)
    return PortReport(key, PortCounters(kinds))


def reports_of(*messages):
    reports = Reports()
    for message in (Introduction(0, 1), *messages, process()):
        reports.note("w", message)
    return reports


def edges(made):
    return {(each["from"], each["to"]): each["requests_per_s"] for each in json.loads(made)["edges"]}


def test_each_caller_of_each_port_is_an_edge_with_its_rate():
    cart, node = ("shop", "cart"), ("", "node")
    before = calls_of(reports_of(calls(WEB, (cart, 10), (node, 4))).numbers())
    now = reports_of(calls(WEB, (cart, 30), (node, 4)), calls(API, (cart, 6), status=503), calls(UNROUTED, (node, 9)))

    _, made = map_now(now.numbers(), before, 2.0, {})

    assert edges(made) == {("shop/cart", "web.shop"): 10.0, ("node", "web.shop"): 0.0, ("shop/cart", "api.shop"): 3.0}
    assert json.loads(made)["edges"][0] == {
        "from": "shop/cart", "to": "web.shop", "port": "80", "requests_per_s": 10.0, "errors_per_s": 0.0, "p99_s": None,
    }  # fmt: skip
    assert json.loads(made)["edges"][1]["errors_per_s"] == 3.0


def web_answered(**numbers):
    """The report of a port whose caller has got so many answers of these statuses, written `s200=1`."""
    kinds = tuple((RequestKind(int(status[1:]), "", "shop", "cart"), number) for status, number in numbers.items())
    return reports_of(PortReport(WEB, PortCounters(kinds)))


def rates_of(before, now):
    _, made = map_now(now.numbers(), calls_of(before.numbers()), 2.0, {})
    (edge,) = json.loads(made)["edges"]
    return edge["requests_per_s"], edge["errors_per_s"]


def test_errors_are_answers_of_500_and_above_since_the_look_before():
    before, now = web_answered(s200=8, s503=4), web_answered(s200=10, s499=2, s500=6, s503=8)

    assert rates_of(before, now) == (7.0, 5.0)


def test_counters_that_went_back_with_a_worker_count_from_their_beginning():
    assert rates_of(web_answered(s200=100, s503=4), web_answered(s200=4, s503=2)) == (3.0, 1.0)


def test_connections_that_carry_no_http_are_edges_when_they_have_ended():
    ended = ((EndKind("", "shop", "cart"), 3), (EndKind("connect-failed", "shop", "cart"), 1))
    port = PortReport(PortKey("shop", "db", "5432"), PortCounters(connections=ConnectionCounters(3, ended)))

    _, made = map_now(reports_of(port).numbers(), {}, 2.0, {})

    (edge,) = json.loads(made)["edges"]
    assert (edge["from"], edge["to"], edge["requests_per_s"], edge["errors_per_s"]) == (
        "shop/cart",
        "db.shop",
        2.0,
        0.5,
    )


def test_the_busiest_are_shown_and_the_others_counted():
    callers = [(("shop", f"pod{number}"), number) for number in range(EDGES_MOST + 20)]

    _, made = map_now(reports_of(calls(WEB, *callers)).numbers(), {}, 1.0, {})

    found = json.loads(made)
    assert (len(found["edges"]), found["others"]) == (EDGES_MOST, 20)
    assert found["edges"][0]["from"] == f"shop/pod{EDGES_MOST + 19}"
    assert found["edges"][-1]["requests_per_s"] == 20.0


def test_without_a_look_before_no_rate_is_claimed():
    _, made = map_now(reports_of(calls(WEB, (("shop", "cart"), 9000))).numbers(), None, 1.0, {})

    assert set(edges(made).values()) == {0.0}


async def test_a_single_answer_compares_two_looks_and_readers_share_them():
    reports, now, slept = reports_of(calls(WEB, (("shop", "cart"), 10))), [100.0], []

    async def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds
        reports.note("w", calls(WEB, (("shop", "cart"), 30)))

    page = MapApi(reports, Live(reports, History(reports)), sleep, lambda: now[0])
    first = await page(Asked())
    second = await page(Asked())

    assert edges(first.body) == {("shop/cart", "web.shop"): 10.0}
    assert (slept, second.body) == ([STEP_S], first.body)

"""How large /metrics can become: services, callers and statuses of any number, from whoever means harm too."""

from prometheus_client.parser import text_string_to_metric_families

from discovery.observe.bounds import KINDS_MOST, OTHERS, REQUESTS_MOST, Bounds, used
from discovery.observe.metrics import NodeMetrics
from discovery.observe.node_families import MAPS_MOST
from discovery.observe.ports import Port, ports_of
from discovery.observe.view import View
from discovery.workers.reports import Reports
from nodeproxy.mesh.reports import (
    UNROUTED,
    ConnectionCounters,
    Decision,
    EndKind,
    Introduction,
    PortCounters,
    PortGone,
    PortKey,
    PortReport,
    PortState,
    RequestKind,
)
from nodeproxy.mesh.wire import PolicyMap
from tests.fakes.reports import counters, process

ISTIO_SERIES = 557


def key(number):
    return PortKey("shop", f"service-{number}", "80")


def numbers_of(*messages):
    reports = Reports(now=lambda: 100.0)
    for message in (Introduction(0, 1), *messages, process()):
        reports.note("worker", message)
    return reports.numbers()


def samples_of(page):
    return [sample for family in text_string_to_metric_families(page.decode()) for sample in family.samples]


def requests_of(ports):
    return {port.key.service: sum(number for _, number in port.counters.requests) for port in ports}


def busy(*kinds):
    return PortCounters(tuple((RequestKind(*kind), 1) for kind in kinds), counters(1).durations)


def test_5000_services_with_50_in_use_have_fewer_series_than_istio():
    state = PortState(endpoints=3, usable=3)
    reported = [PortReport(key(n), counters(1 if n < 50 else 0), state) for n in range(5000)]

    page = NodeMetrics().text(View(numbers_of(*reported)))

    assert 400 < len(samples_of(page)) < ISTIO_SERIES


def test_a_service_that_was_never_used_has_series_only_while_something_is_wrong_with_it():
    fit, sick = PortState(endpoints=2, usable=2), PortState(endpoints=2, usable=1, unhealthy=1)
    decided = PortCounters(decisions=((Decision("healthCheck", "unhealthy", "enforce"), 1),))

    assert not used(counters(0), fit)
    assert used(counters(0), sick) and used(decided, fit)


def test_services_beyond_the_bound_are_one():
    numbers = numbers_of(*(PortReport(key(n), counters(2), PortState(endpoints=1, usable=1)) for n in range(5)))
    bounds = Bounds(ports_most=3)

    found = requests_of(bounds.bounded(ports_of(numbers)))

    assert found == {"service-0": 2, "service-1": 2, "service-2": 2, "other": 4}
    assert bounds.merged == 2


def test_no_series_goes_backwards_when_services_leave_and_others_come():
    bounds = Bounds(ports_most=1)
    one, two, three = (PortReport(key(n), counters(n)) for n in (1, 2, 3))

    pages = [
        requests_of(bounds.bounded(ports_of(numbers_of(*reported))))
        for reported in ((one, two), (one, two, three), (one, three), (one, PortGone(key(3))), (three,), (one, three))
    ]

    assert pages == [
        {"service-1": 1, "other": 2},
        {"service-1": 1, "other": 5},
        {"service-1": 1, "other": 5},
        {"service-1": 1, "other": 5},
        {"service-3": 3, "other": 5},
        {"service-3": 3, "other": 6},
    ]


def test_requests_without_a_service_are_not_among_the_others():
    numbers = numbers_of(PortReport(key(1), counters(1)), PortReport(UNROUTED, counters(7)))

    found = requests_of(Bounds(ports_most=0).bounded(ports_of(numbers)))

    assert found == {"other": 1, "": 7}


def test_invented_statuses_are_one_for_each_class():
    every = busy(*((status, "", "shop", "cart") for status in range(100, 600)), (200, "", "shop", "desk"))
    many = busy(*((status, "", "shop", f"w{n}") for status in range(400, 600) for n in range(6)))

    (few,) = Bounds().bounded([Port(key(1), every, PortState())])
    (port,) = Bounds().bounded([Port(key(1), many, PortState())])

    assert len(few.counters.requests) == 501
    assert {kind.status for kind, _ in port.counters.requests} >= {400, 404, 500, 503}
    assert {kind.status for kind, _ in port.counters.requests}.isdisjoint({432, 599})
    assert len(port.counters.requests) <= KINDS_MOST
    assert sum(number for _, number in port.counters.requests) == 1200


def test_callers_are_left_out_where_they_are_too_many_and_stay_so():
    ended = tuple((EndKind("", "shop", f"w{n}"), 1) for n in range(3))
    crowded = busy(*((200, "", "shop", f"w{n}") for n in range(KINDS_MOST + 1)))
    port = Port(key(1), PortCounters(crowded.requests, crowded.durations), PortState())
    bounds = Bounds()

    (first,) = bounds.bounded([port])
    (then,) = bounds.bounded([Port(key(1), busy((200, "", "shop", "w1")), PortState())])
    (tcp,) = Bounds(requests_most=2).bounded(
        [Port(key(2), PortCounters(connections=ConnectionCounters(3, ended)), PortState())]
    )

    assert first.counters.requests == ((RequestKind(200, "", "", "other"), KINDS_MOST + 1),)
    assert then.counters.requests == ((RequestKind(200, "", "", "other"), 1),)
    assert tcp.counters.connections.ended == ((EndKind("", "", "other"), 3),)


def test_reasons_are_left_out_where_they_are_too_many_even_without_callers():
    reasons = [(503, f"reason-{n}", "shop", "cart") for n in range(KINDS_MOST + 1)]
    every = busy(*reasons, (200, "", "shop", "cart"), (404, "", "shop", "cart"))

    (port,) = Bounds().bounded([Port(key(1), every, PortState())])

    assert dict(port.counters.requests) == {
        RequestKind(500, "other", "", "other"): KINDS_MOST + 1,
        RequestKind(200, "", "", "other"): 1,
        RequestKind(400, "", "", "other"): 1,
    }


def test_the_state_of_the_others_is_the_sum_of_each_number():
    numbers = [name for name in PortState.__struct_fields__ if name != "figures"]  # which have names of their own
    state = PortState(**{name: 10**place for place, name in enumerate(numbers)})
    ports = [Port(key(1), counters(1), state), Port(key(2), counters(1), state)]

    (others,) = Bounds(ports_most=0).bounded(ports)

    assert {name: getattr(others.state, name) for name in numbers} == {
        name: 2 * 10**place for place, name in enumerate(numbers)
    }


def test_a_page_of_hostile_services_is_bounded():
    kinds = [(status, "", "shop", f"w{n}") for status in range(100, 600) for n in range(4)]
    hostile = [Port(key(n), busy(*kinds), PortState(endpoints=1, usable=1)) for n in range(60)]
    bounds = Bounds(ports_most=40)

    found = bounds.bounded(hostile)

    assert bounds.step == 2
    assert sum(len(port.counters.requests) for port in found) <= REQUESTS_MOST
    assert sum(number for port in found for _, number in port.counters.requests) == 60 * 2000
    assert {port.key for port in found} >= {OTHERS}


def test_policy_maps_beyond_the_bound_are_only_counted_and_rejected_ones_come_first():
    maps = tuple(PolicyMap("shop", f"map-{n}", n != 4000) for n in range(5000))

    found = samples_of(NodeMetrics().text(View(numbers_of(), maps)))

    of_maps = {sample.labels["configmap"]: sample.value for sample in found if "configmap" in sample.labels}
    assert len(of_maps) == MAPS_MOST and of_maps["map-4000"] == 0
    assert {s.labels["accepted"]: s.value for s in found if s.name == "nodeproxy_policy_maps"} == {
        "true": 4999,
        "false": 1,
    }

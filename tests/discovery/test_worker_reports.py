"""What the control process remembers of the workers' reports."""

import pytest

from discovery.observe.ports import ports_of
from discovery.workers.reports import START_S, Reports, state_of_all
from nodeproxy.mesh.reports import Introduction, PortGone, PortState
from tests.fakes.reports import API, WEB, port, process


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reports(clock):
    return Reports(expected=2, now=clock)


def tell(reports, connection, *messages, number=0, pid=10):
    for message in (Introduction(number, pid), *messages):
        reports.note(connection, message)


def requests(reports):
    return {p.key: sum(number for _, number in p.counters.requests) for p in ports_of(reports.numbers())}


def state(reports, key=WEB):
    return next(p.state for p in ports_of(reports.numbers()) if p.key == key)


def test_a_newer_report_replaces_the_older_one(reports):
    tell(reports, "a", port(requests=3), process(), port(requests=5), process())

    assert requests(reports) == {WEB: 5}


def test_two_workers_are_added(reports):
    tell(reports, "a", port(requests=3, retries=1), process())
    tell(reports, "b", port(requests=4, status=503), port(API, requests=1), process(), number=1, pid=11)

    (web,) = (p for p in ports_of(reports.numbers()) if p.key == WEB)

    assert requests(reports) == {WEB: 7, API: 1}
    assert {kind.status: number for kind, number in web.counters.requests} == {200: 3, 503: 4}
    assert (web.counters.durations[0], web.counters.seconds, web.counters.retries) == (7, 1.75, 1)


def test_the_counters_of_a_worker_that_was_replaced_stay(reports):
    tell(reports, "a", port(requests=3), process(accepted=2), pid=10)
    reports.gone("a")
    between = requests(reports)
    tell(reports, "b", pid=11)
    before_its_first = requests(reports)
    tell(reports, "b", port(requests=1), process(accepted=1), pid=11)

    assert (between, before_its_first, requests(reports)) == ({WEB: 3}, {WEB: 3}, {WEB: 4})
    assert reports.numbers().past_process.accepted == 2


def test_a_successor_may_come_before_the_end_of_its_predecessor_is_seen(reports):
    tell(reports, "a", port(requests=3), process(), pid=10)
    tell(reports, "b", port(requests=1), process(), pid=11)
    reports.note("a", port(requests=99))
    reports.gone("a")

    assert requests(reports) == {WEB: 4}


def test_a_worker_that_connects_again_is_not_counted_twice(reports):
    tell(reports, "a", port(requests=3), port(API, requests=1), process())
    reports.gone("a")
    tell(reports, "b", port(requests=4))
    meanwhile = requests(reports)
    reports.note("b", process())

    assert meanwhile == {WEB: 4, API: 1}
    assert requests(reports) == {WEB: 4}


def test_what_a_worker_has_now_does_not_count_when_it_is_gone(reports):
    full = {"state": PortState(active=2, endpoints=3, usable=3)}
    tell(reports, "a", port(requests=3, **full), process(connections=5))
    tell(reports, "b", port(requests=3, **full), process(connections=1), number=1, pid=11)
    reports.gone("a")

    assert state(reports).active == 2
    assert state_of_all(reports.numbers()).connections == 1


def test_endpoints_are_those_of_the_worker_that_has_most_and_fewest_usable(reports):
    tell(reports, "a", port(state=PortState(1, 3, 3)), process())
    tell(reports, "b", port(state=PortState(2, 3, 1)), process(), number=1, pid=11)
    tell(reports, "c", port(state=PortState(0, 0, 0)), process(), number=2, pid=12)

    assert state(reports) == PortState(3, 3, 1)


def test_a_port_that_a_worker_no_longer_has_is_dropped(reports):
    tell(reports, "a", port(requests=3), port(API, requests=1), process(), PortGone(API))

    assert requests(reports) == {WEB: 3}


@pytest.mark.parametrize("ports", [(), ("8080",)])
def test_the_counters_of_gone_workers_go_with_their_service_port(reports, ports):
    tell(reports, "a", port(requests=3), port(API, requests=1), process(), pid=10)
    tell(reports, "b", port(requests=4), process(), pid=11)
    reports.gone("b")

    reports.follow("shop/web", ports)

    assert requests(reports) == {API: 1}


def test_a_port_that_stays_in_its_service_keeps_its_counters(reports):
    tell(reports, "a", port(requests=3), process())
    reports.gone("a")

    reports.follow("shop/web", {"80", "8080"})

    assert requests(reports) == {WEB: 3}


def test_a_report_without_an_introduction_is_ignored(reports):
    reports.note("a", port(requests=3))
    reports.gone("a")

    assert requests(reports) == {}


def test_the_reports_are_complete_when_every_worker_has_told_all(reports):
    tell(reports, "a", port(), process())
    tell(reports, "b", port(), number=1, pid=11)
    one_and_a_half = reports.complete
    reports.note("b", process())

    assert (one_and_a_half, reports.complete) == (False, True)


def test_a_worker_that_never_comes_is_not_waited_for_longer(reports, clock):
    tell(reports, "a", port(), process())
    clock.now += START_S

    assert reports.complete


@pytest.mark.parametrize(("ages", "told"), [((1.0, 5.0), 7.0), ((1.0, None), None)])
def test_the_age_of_the_table_is_the_oldest_and_grows_while_nothing_is_heard(reports, clock, ages, told):
    for number, age_s in enumerate(ages):
        tell(reports, number, process(age_s), number=number, pid=number)
    clock.now += 2

    assert state_of_all(reports.numbers()).table_age_s == told


def test_a_copy_does_not_change_with_the_next_report(reports):
    tell(reports, "a", port(requests=3), process())
    copy = reports.numbers()
    tell(reports, "a", port(requests=5), process())

    assert sum(number for _, number in next(ports_of(copy)).counters.requests) == 3

"""The history of rates: steps of ports with traffic, bounded, and right across restarts of either side."""

import math

import pytest

from discovery.observe.page.history import POINTS, STEP_S, History
from discovery.workers.reports import Reports
from nodeproxy.mesh.reports import Introduction, PortGone
from tests.fakes.reports import API, WEB, port, process


class Mesh:
    """Workers whose reports a test writes, and a history with a clock of its own."""

    def __init__(self):
        self.now = 100.0
        self.reports = Reports(1, self.clock)
        self.history = History(self.reports, self.clock)

    def clock(self):
        return self.now

    def begin(self, *messages, pid=10):
        for message in (Introduction(0, pid), *messages, process()):
            self.reports.note(pid, message)

    def step(self, *messages, pid=10):
        for message in messages:
            self.reports.note(pid, message)
        self.now += STEP_S
        self.history.step()

    def requests(self, key=WEB):
        return self.history.series([key])[key].requests


@pytest.fixture
def mesh():
    mesh = Mesh()
    mesh.begin()
    mesh.step()
    return mesh


def test_a_step_has_what_happened_in_it_per_second(mesh):
    mesh.step(port(requests=50))
    mesh.step(port(requests=60, status=503))

    series = mesh.history.series([WEB])[WEB]
    assert (series.requests[-2:], series.errors[-2:], len(series.requests)) == ([10.0, 2.0], [0.0, 12.0], POINTS)
    assert series.p99[-1] == pytest.approx(0.0005, rel=0.02)
    assert math.isnan(series.p99[0])


def test_ports_without_traffic_have_no_history_and_a_pause_is_zero(mesh):
    mesh.step(port(requests=50), port(API))
    mesh.step()
    mesh.step(port(requests=100))

    assert mesh.requests()[-3:] == [10.0, 0.0, 10.0]
    assert mesh.history.series([API]) == {}


def test_the_oldest_points_make_way(mesh):
    mesh.step(port(requests=5))
    for _ in range(POINTS - 1):
        mesh.step()
    before = mesh.requests()
    mesh.step(port(requests=10))

    assert (before[0], sum(before)) == (1.0, 1.0)
    assert (mesh.requests()[-1], sum(mesh.requests())) == (1.0, 1.0)


@pytest.mark.parametrize("pause", [3, POINTS + 10])
def test_a_pause_is_zero_where_older_points_were_too(mesh, pause):
    for step in range(1, POINTS + 1):
        mesh.step(port(requests=5 * step))
    for _ in range(pause):
        mesh.step()

    mesh.step(port(requests=5 * POINTS + 5))

    kept = max(0, POINTS - pause - 1)
    assert mesh.requests() == [1.0] * kept + [0.0] * (POINTS - kept - 1) + [1.0]


def test_a_port_that_comes_back_after_a_long_silence_has_no_peak(mesh):
    mesh.step(port(requests=5000))
    for _ in range(2 * POINTS):
        mesh.step()
    forgotten = mesh.history.series([WEB])
    mesh.step(port(requests=5005))

    assert forgotten == {}
    assert mesh.requests()[-1] == 1.0


def test_counters_that_are_older_than_this_process_are_no_traffic():
    mesh = Mesh()
    mesh.begin(port(requests=5000))
    mesh.step()
    first = mesh.history.series([WEB])
    mesh.step(port(requests=5010))

    assert first == {}
    assert mesh.requests()[-1] == 2.0


def test_a_worker_that_was_replaced_is_no_traffic(mesh):
    mesh.step(port(requests=50))
    mesh.begin(port(requests=5), pid=11)
    mesh.step()

    assert mesh.requests()[-2:] == [10.0, 1.0]


def test_a_port_that_has_left_the_mesh_begins_anew(mesh):
    mesh.step(port(requests=50))
    mesh.step(PortGone(WEB))
    mesh.step(port(requests=10))

    assert mesh.requests()[-1] == 2.0


def test_what_it_holds_is_bounded_by_the_ports_with_traffic(mesh):
    mesh.step(port(requests=50))
    mesh.step(PortGone(WEB))
    for _ in range(2 * POINTS):
        mesh.step()

    assert mesh.history.totals == {}
    assert mesh.history.series([WEB]) == {}


def test_the_node_as_a_whole_has_the_rate_of_the_last_step(mesh):
    mesh.step(port(requests=50), port(API, requests=10, status=500))
    busy = mesh.history.requests_per_s, mesh.history.errors_per_s
    mesh.step()

    assert busy == (12.0, 2.0)
    assert (mesh.history.requests_per_s, mesh.history.errors_per_s) == (0.0, 0.0)

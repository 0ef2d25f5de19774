"""The relays of TCP and UDP: their configurations, the addresses of their services, and the tables of their records."""

import pytest

from discovery.services.catalogue import POLICY_MAP, Catalogue, Scope
from discovery.sources.folder.folder import Folder
from loadtest.machine import Commit, Machine
from loadtest.peer import NODEPROXY, write_configuration
from loadtest.procstat import Cpu
from loadtest.record import Missing
from loadtest.record_file import load, save
from loadtest.relay import datagrams_report, report
from loadtest.relay.datagrams import MANY, ONE
from loadtest.relay.peers import TCP, UDP, Relay
from loadtest.relay.record import Idle, Run, Sessions, TcpRecord, UdpRecord, faults
from loadtest.relay.run import turns
from loadtest.relay.work import BESIDE, DOWNLOAD, ROUND_TRIP, Counted
from loadtest.summary import GIB

PORTS = {"echo": 8001, "bulk": 8002, "dns": 8003}
VALUES = {
    **{"dir": "/tmp/d", "program": "/bin/p", "user_line": "", "port": "1", "admin_port": "2"},
    **{f"{service}_port": str(port) for service, port in PORTS.items()},
    **{f"{service}_backend_port": str(port + 10) for service, port in PORTS.items()},
    "connections_most": "100",
}
COMMIT, MACHINE = Commit("0123456789abcdef", dirty=False), Machine("A Processor", 2, "6.1", "3.11.7", 0.1)
KIB = 1024


@pytest.mark.parametrize("kind", [TCP, UDP], ids=lambda kind: kind.name)
def test_the_files_of_each_peer_have_all_ports(kind, tmp_path):
    for peer in kind.peers:
        write_configuration(f"{kind.name}-{peer}", tmp_path / peer, VALUES)

        text = "".join(path.read_text() for path in (tmp_path / peer).iterdir())
        assert "@" not in text.replace('"@type"', "")
        assert all(str(PORTS[service] + more) in text for service in kind.services for more in (0, 10))


@pytest.mark.parametrize("kind", [TCP, UDP], ids=lambda kind: kind.name)
def test_nodeproxy_serves_each_service_at_the_address_that_is_called(kind, tmp_path):
    write_configuration(f"{kind.name}-{NODEPROXY}", tmp_path / "it", VALUES)
    catalogue = Catalogue(Scope())
    catalogue.apply(Folder(tmp_path / "it", POLICY_MAP).read())

    for service, address in kind.services.items():
        seen = catalogue.services[f"bench/{service}"]
        assert seen.virtual_address == address
        assert [(port.number, port.protocol, port.transport) for port in seen.ports] == [
            (PORTS[service], kind.name, kind.name)
        ]


def test_rounds_begin_with_different_relays():
    relays = tuple(Relay(name, {}) for name in "ab")

    assert [(number, relay.name) for number, relay in turns(2, relays)] == [(1, "a"), (1, "b"), (2, "b"), (2, "a")]


def run(peer, work, cpu_s, number=1, units=1000, moved=0, **other):
    errors = other.pop("errors", {"failed": 0, "lost": 0})
    counted = Counted(1.0, units, moved, 0.0001, other.pop("p99_s", 0.0004), errors)
    return Run(peer, work, number, counted, Cpu(cpu_s, 0.0), Cpu(cpu_s * 2, 0.0), Cpu(0.9, 0.9), 0.0)


def idle(peer, size):
    return Idle(peer, 1000, 10.0, size, size * 1000, size * 2000, 16 * KIB * 1000, 0.002, 0.005)


def tcp_record(**other):
    values = {"schema": 1, "date": "2026-11-21T03:00:00+00:00", "quick": False, "commit": COMMIT, "machine": MACHINE}
    values |= {"cache_step_s": (30e-9, 31e-9), "versions": {"haproxy": "2.6"}, "missing": (), "idle": (), "runs": ()}
    return TcpRecord(**{**values, **other})


def test_the_ratio_is_the_median_of_the_ratios_within_the_rounds():
    own, other = (0.012, 0.030, 0.014), (0.010, 0.010, 0.020)
    runs = [run(NODEPROXY, ROUND_TRIP.name, cpu_s, number + 1) for number, cpu_s in enumerate(own)]
    runs += [run("haproxy", ROUND_TRIP.name, cpu_s, number + 1) for number, cpu_s in enumerate(other)]
    runs.append(run("no proxy", ROUND_TRIP.name, 0.0))

    lines = report.summary(tcp_record(runs=tuple(runs))).splitlines()

    head = (
        "|  | nodeproxy | … with supervisor and discovery | haproxy | no proxy | nodeproxy / haproxy | goal: at most |"
    )
    assert lines[0] == head
    assert "| round trip of 100 bytes, CPU µs | 14.0 | 28.0 | 10.0 | - | 1.20 | 1.2 |" in lines
    assert "| … of the whole machine | 1,800.0 |  | 1,800.0 | 1,800.0 | 1.00 |  |" in lines


def test_bulk_is_counted_per_gibibyte_and_latency_beside_it_per_message():
    runs = [run(peer, DOWNLOAD.name, 1.0, units=0, moved=2 * GIB) for peer in (NODEPROXY, "haproxy")]
    runs += [run(NODEPROXY, BESIDE.name, 1.0, moved=GIB, p99_s=0.003), run("haproxy", BESIDE.name, 1.0, p99_s=0.002)]

    text = report.summary(tcp_record(runs=tuple(runs)))

    assert "| GiB to the client, CPU s | 0.500 | 1.000 | 0.500 | 1.00 | 1.1 |" in text
    assert "| … p99 ms | 3.000 |  | 2.000 | 1.50 | 1.5 |" in text
    assert "GiB to the server" not in text


def test_idle_connections_have_their_own_lines():
    text = report.summary(tcp_record(idle=(idle(NODEPROXY, 6 * KIB), idle("haproxy", 3 * KIB), idle("no proxy", 0))))

    assert "| 1,000 idle connections, KiB each | 6.0 | 12.0 | 3.0 | - | 2.00 | 8 KiB |" in text
    assert "| … KiB each in the kernel, both ends | 16.0 |  | 16.0 | 16.0 | 1.00 |  |" in text
    assert "| … CPU ms in 10 s | 2.0 | 5.0 | 2.0 | - | - |  |" in text


def test_a_peer_that_was_not_measured_is_named():
    assert "**Not measured: envoy** (gone)" in report.markdown(tcp_record(missing=(Missing("envoy", "gone"),)))


def test_what_was_lost_or_changed_is_a_fault_told_in_a_sentence():
    good, bad = run("haproxy", "connect", 0.1), run(NODEPROXY, "connect", 0.1, 2, errors={"failed": 3, "wrong": 0})

    assert faults((good, bad)) == ("nodeproxy, connect, round 2: 3 x failed",)


def test_a_record_is_read_as_it_was_saved(tmp_path):
    seen = tcp_record(runs=(run(NODEPROXY, DOWNLOAD.name, 0.1),), idle=(idle("haproxy", 1),))

    save(seen, tmp_path / "results" / "tcp.json")

    assert load(tmp_path / "results" / "tcp.json", TcpRecord) == seen


def test_udp_has_a_line_for_each_kind_of_client_and_one_for_memory():
    runs = tuple(
        run(peer, work, 0.01, number, units=998, errors={"lost": 2, "wrong": 0})
        for work in (ONE, MANY)
        for peer in (NODEPROXY, "no proxy")
        for number in (1, 2)
    )
    sizes = tuple(Sessions(NODEPROXY, number, 30 * 2**20, (30 + number) * 2**20, 31 * 2**20) for number in (1, 2))
    record = UdpRecord(1, "2026-11-21T03:00:00+00:00", False, 1000, COMMIT, MACHINE, {}, (), runs, sizes)

    text = datagrams_report.markdown(record)

    assert "| one client socket | nodeproxy | 998 | 4 of 2,000 | 0.10 | 0.40 | 10.0 | 1803.6 |" in text
    assert "| a new source port for each query | no proxy | 998 | 4 of 2,000 | 0.10 | 0.40 | - | 1803.6 |" in text
    assert "| nodeproxy | 30.0 | 32.0 | 31.0 |" in text

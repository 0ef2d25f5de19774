"""One run: memory at three sizes of the mesh, changes, outages."""

import http.client
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from loadtest.cluster.churn import PROBE, PROBE_PODS, Churn, measure
from loadtest.cluster.load import Load
from loadtest.cluster.record import ClusterRecord, Outage, Weight
from loadtest.cluster.world import (
    LISTEN,
    NAMESPACE,
    Node,
    Writer,
    address,
    ask,
    node,
    populate,
    serve_pods,
    until,
)
from loadtest.machine import this_commit, this_machine
from loadtest.toolbox import REPOSITORY
from tests.cluster.control_plane import ControlPlane

SIZES = (0, 100, 1000)  # services of ten endpoints each
CALLED = 20
RATE = 100.0
SETTLE_S = 3.0

Say = Callable[[str], None]


def run(probes: int, say: Say) -> ClusterRecord:
    """Measure everything; what was started is ended, whatever happens."""
    began = datetime.now(UTC).isoformat(timespec="seconds")
    machine, commit = this_machine(), this_commit(REPOSITORY)
    pods = multiprocessing.get_context("spawn").Process(target=serve_pods, daemon=True)
    pods.start()
    try:
        with tempfile.TemporaryDirectory(prefix="nodeproxy-bench-") as text, ControlPlane(Path(text)) as plane:
            folder, writer = Path(text), Writer(plane)
            writer.write("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            version = plane.kubectl("version", "--output=yaml").stdout.rpartition("gitVersion: ")[2].split()[0]
            weights, services = [], 0
            for size in SIZES:
                populate(plane, range(services, size))
                services = size
                weights += [_weight(plane, folder, size, on_demand, say) for on_demand in (True, False)]
            writer.service(PROBE)
            writer.endpoints(PROBE, [PROBE_PODS[0]], new=True)
            churns = [_churn(plane, folder, services, probes, on_demand, say) for on_demand in (True, False)]
            outages = _outages(plane, folder, say)
            return ClusterRecord(began, commit, machine, version, tuple(weights), tuple(churns), tuple(outages))
    finally:
        pods.terminate()
        pods.join()


def _settings(on_demand: bool) -> dict[str, str]:
    return {"NODEPROXY_ON_DEMAND": str(on_demand).lower(), "NODEPROXY_VIRTUAL_ADDRESSES": "true"}


def _weight(plane: ControlPlane, folder: Path, services: int, on_demand: bool, say: Say) -> Weight:
    with node(plane, folder, **_settings(on_demand)) as running:
        connection = http.client.HTTPConnection(*LISTEN, timeout=20)
        for number in range(min(services, CALLED)):
            status, text = ask(connection, f"s{number}")
            if status != 200:
                raise RuntimeError(f"s{number}: {status} {text}")
        time.sleep(SETTLE_S)
        running = Node(running.family[0])
        sizes = running.memory_bytes()
        watches = plane.watches("endpointslices")
    say(f"{services * 10} endpoints, {'on demand' if on_demand else 'all'}: {sizes[0] / 2**20:.1f} MiB")
    return Weight(services * 10, on_demand, *sizes, watches)


def _churn(plane: ControlPlane, folder: Path, services: int, probes: int, on_demand: bool, say: Say) -> Churn:
    with node(plane, folder, **_settings(on_demand)) as running:
        seen = measure(plane, running, services=services, rate=RATE, probes=probes, on_demand=on_demand)
    say(
        f"changes, {'on demand' if on_demand else 'all'}: "
        f"slowest {max(seen.to_traffic_s) * 1e3:.0f} ms, {seen.failures or 'no failure'}"
    )
    return seen


def _outages(plane: ControlPlane, folder: Path, say: Say) -> list[Outage]:
    def restarted() -> None:
        plane.kill("kube-apiserver")
        time.sleep(2.0)
        plane.start("kube-apiserver")

    def compacted() -> None:
        plane.kill("kube-apiserver")
        plane.compact()
        plane.start("kube-apiserver")

    def without_etcd() -> None:
        plane.kill("etcd")
        time.sleep(2.0)
        plane.start("etcd")

    seen = []
    with node(plane, folder, **_settings(True)):
        for what, happen in (
            ("killed, back after 2 s", restarted),
            ("killed, and etcd compacted: what was followed is gone (410)", compacted),
            ("its etcd killed, back after 2 s", without_etcd),
        ):
            seen.append(_outage(plane, what, happen))
            say(f"{what}: {seen[-1].failures or 'no failure'} of {seen[-1].requests}")
    return seen


def _outage(plane: ControlPlane, what: str, happen: Callable[[], None]) -> Outage:
    called = [f"s{number}" for number in range(CALLED)]
    connection = http.client.HTTPConnection(*LISTEN, timeout=20)
    before = ask(connection, PROBE)[1]
    wanted = next(pod for pod in PROBE_PODS if address(pod) != before)
    with Load(called) as load:
        time.sleep(1.0)
        happen()
        ready = time.monotonic()
        _write(plane, wanted)
        until(lambda: ask(connection, PROBE)[1] == address(wanted), "the change behind the outage")
        in_force_s = time.monotonic() - ready
        time.sleep(1.0)
    return Outage(what, load.requests, dict(load.failures), in_force_s)


def _write(plane: ControlPlane, pod: int) -> None:
    Writer(plane).endpoints(PROBE, [pod])

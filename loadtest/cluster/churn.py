"""How soon a change at the API server is in force, while many other endpoints change."""

import http.client
import random
import threading
import time
from dataclasses import dataclass

from loadtest.cluster.load import Load
from loadtest.cluster.world import LISTEN, Node, Writer, address, ask
from loadtest.procstat import cpu_of
from tests.cluster.control_plane import ControlPlane

PROBE = "probe"
PROBE_PODS = (60_000, 60_001)  # two addresses that no other service has
OWN = range(50_000, 50_010)


@dataclass(frozen=True, slots=True)
class Churn:
    """One run: seconds from just before the write until the first answer of the new endpoint, per probe."""

    on_demand: bool
    endpoints: int
    changes: int
    duration_s: float
    to_traffic_s: tuple[float, ...]
    requests: int
    failures: dict[str, int]
    discovery_cpu_s: float
    worker_cpu_s: float
    resting_cpu_s: float  # of discovery and worker, in as long a time without changes


class Storm:
    """Changes endpoints of services s0, s1, … at a steady rate, by several hands."""

    def __init__(self, plane: ControlPlane, services: int, rate: float, hands: int = 2) -> None:
        self._services = services
        self._stop = threading.Event()
        self._every_s = hands / rate
        self.changes = 0
        self._hands = [threading.Thread(target=self._run, args=(Writer(plane), hand, hands)) for hand in range(hands)]

    def __enter__(self) -> "Storm":
        for hand in self._hands:
            hand.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for hand in self._hands:
            hand.join()

    def _run(self, writer: Writer, hand: int, hands: int) -> None:
        chance = random.Random(hand)
        due = time.monotonic()
        while not self._stop.is_set():
            number = chance.randrange(self._services // hands) * hands + hand  # no two hands at one slice
            pods = [number * 10 + offset for offset in range(10)]
            pods.pop(chance.randrange(10))  # one of ten is not ready, ever another
            writer.endpoints(f"s{number}", pods)
            self.changes += 1
            due += self._every_s
            time.sleep(max(0.0, due - time.monotonic()))


def measure(plane: ControlPlane, node: Node, *, services: int, rate: float, probes: int, on_demand: bool) -> Churn:
    """Change `rate` endpoints a second; beside them the probe's only endpoint becomes another, again and again."""
    writer = Writer(plane)
    called = [f"s{number}" for number in range(20)]
    connection = http.client.HTTPConnection(*LISTEN, timeout=20)
    for service in (*called, PROBE):
        ask(connection, service)
    resting = cpu_of((*node.discovery, *node.worker))
    time.sleep(probes / 10)
    resting_cpu_s = (cpu_of((*node.discovery, *node.worker)) - resting).total_s
    delays: list[float] = []
    with Storm(plane, services, rate) as storm, Load(called) as load:
        time.sleep(2.0)
        began, changes = time.monotonic(), storm.changes
        discovery, worker = cpu_of(node.discovery), cpu_of(node.worker)
        for number in range(probes):
            wanted = PROBE_PODS[(number + 1) % 2]
            written = time.monotonic()
            writer.endpoints(PROBE, [wanted])
            while ask(connection, PROBE)[1] != address(wanted):
                pass
            delays.append(time.monotonic() - written)
            time.sleep(max(0.0, written + 0.1 - time.monotonic()))
        duration_s = time.monotonic() - began
        discovery_cpu_s = (cpu_of(node.discovery) - discovery).total_s
        worker_cpu_s = (cpu_of(node.worker) - worker).total_s
        changes = storm.changes - changes
    return Churn(
        on_demand, services * 10, changes, duration_s, tuple(delays), load.requests, dict(load.failures),
        discovery_cpu_s, worker_cpu_s, resting_cpu_s * duration_s / (probes / 10),
    )  # fmt: skip

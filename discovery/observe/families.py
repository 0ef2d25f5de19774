"""What a metric family is: its name, type, unit, labels and meaning, as /metrics and docs/metrics.md have them."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Kind = Literal["counter", "gauge", "histogram"]
UNITS = ("seconds", "bytes")


class Declared(NamedTuple):
    """One family."""

    kind: Kind
    name: str
    """Without the `_total` of a counter."""
    text: str
    """Its meaning."""
    labels: tuple[str, ...] = ()

    @property
    def exposed(self) -> str:
        """Its name in queries."""
        return self.name + ("_total" if self.kind == "counter" else "")


def unit_of(name: str) -> str:
    """The unit that ends a name, "" for a number without one."""
    last = name.rpartition("_")[2]
    return last if last in UNITS else ""


def declared(family: Declared, samples: Iterable[tuple[Sequence[str], float]] = ()) -> Metric:
    """The family with these samples: the values of its labels, and the number."""
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    found = kind(family.name, family.text, labels=family.labels, unit=unit_of(family.name))
    for values, number in samples:
        found.add_metric(list(values), number)
    return found

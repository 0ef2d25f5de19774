"""The lines of metrics that have series for every service port.

prometheus_client declares the families and writes their heads. Its own lines cost 9 us each, which is most of a second
of CPU for 2,000 services; here the names and labels of a line are formatted once, as a template for all service ports.
"""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from discovery.observe.families import Declared, Kind, declared, unit_of
from nodeproxy.mesh.reports import PortKey

SERVICE = ("namespace", "service", "port")
TEMPLATES_MOST = 16_384  # of one family: 4 MB; statuses, reasons and callers are bounded, their combinations are not
Place = tuple[str, str, str]
"""The labels of a service port in a template: namespace, port, service, escaped."""
_SLOTS = dict.fromkeys(SERVICE, "%s")


class PortFamily:
    """A metric family with one series per service port, or several told apart by further labels.

    Its numbers are whole unless they may be `fractions`.
    """

    def __init__(
        self, kind: Kind, name: str, text: str, labels: Sequence[str] = (), *, fractions: bool = False
    ) -> None:
        self.declared = Declared(kind, name, text, (*SERVICE, *labels))
        family = _empty_histogram(name, text) if kind == "histogram" else declared(self.declared)
        self.heads = (
            rendered([family], openmetrics=False).decode(),
            rendered([family], openmetrics=True).decode().removesuffix("# EOF\n"),
        )
        """In the text format of Prometheus, and in OpenMetrics."""
        self._labels = tuple(labels)
        self._name = self.declared.exposed
        self._ending = " %s\n" if fractions else " %d.0\n"
        self._templates: dict[tuple[object, ...], str] = {}

    def lines(self, place: Place, series: Sequence[tuple[tuple[object, ...], int | str]]) -> list[str]:
        """The lines of one service port: for each series the values of the further labels, and its number.

        Numbers that may be fractions come as `value_text` writes them.
        """
        templates, made = self._templates, self._made
        return [(templates.get(values) or made(values)) % (*place, count) for values, count in series]

    def counts(self, place: Place, counts: Mapping[str, int]) -> list[str]:
        """The lines of one service port in a family with one further label: its values with their numbers."""
        return self.lines(place, [((value,), number) for value, number in sorted(counts.items())])

    def line(self, place: Place, count: int | str) -> str:
        """The only line of one service port."""
        return (self._templates.get(()) or self._made(())) % (*place, count)

    def _made(self, values: tuple[object, ...]) -> str:
        if len(self._templates) >= TEMPLATES_MOST:
            self._templates.clear()
        labels = dict(zip(self._labels, map(str, values), strict=True))
        return self._templates.setdefault(values, template(self._name, labels) + self._ending)


class PortHistogram(PortFamily):
    """A histogram for each service port."""

    def __init__(self, name: str, text: str, bounds: Sequence[float]) -> None:
        super().__init__("histogram", name, text)
        self._buckets = [template(f"{name}_bucket", {"le": value_text(bound)}) + " %d.0" for bound in bounds]
        self._ends = template(f"{name}_count", {}) + " %d.0\n" + template(f"{name}_sum", {}) + " %s\n"

    def histogram(
        self, place: Place, cumulative: Sequence[int], total: float, exemplars: Mapping[int, str]
    ) -> list[str]:
        """The lines of one service port: a number for each bound, and the sum of what was observed.

        `exemplars` has what `exemplar_text` makes of those of some buckets, by index.
        """
        found = [
            each % (*place, count) + exemplars.get(index, "\n")
            for index, (each, count) in enumerate(zip(self._buckets, cumulative, strict=True))
        ]
        found.append(self._ends % (*place, cumulative[-1], *place, value_text(total)))
        return found


def exemplar_text(trace_id: str, value: float, at: float) -> str:
    """The end of a bucket's line in OpenMetrics: one request in it, `at` Unix time in seconds."""
    return f' # {{trace_id="{trace_id}"}} {value_text(value)} {at:.3f}\n'


def template(name: str, labels: dict[str, str]) -> str:
    """`name` with these labels and those of a service port, sorted by name as prometheus_client sorts them."""
    known = {label: escaped(value).replace("%", "%%") for label, value in labels.items()} | _SLOTS
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in sorted(known.items())) + "}"


def place_of(key: PortKey) -> Place:
    """The labels of a service port, as templates have them."""
    return escaped(key.namespace), escaped(key.port), escaped(key.service)


def value_text(value: float) -> str:
    """A number that may be infinite or a fraction, as prometheus_client writes it."""
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
    return text


def escaped(value: str) -> str:
    """The value of a label, as both formats write it."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def rendered(families: Sequence[Metric], *, openmetrics: bool) -> bytes:
    """Whole families as prometheus_client writes them; OpenMetrics ends with its line `# EOF`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    text: bytes = generate_openmetrics(registry) if openmetrics else generate_latest(registry)  # type: ignore[no-untyped-call]
    return text


def _empty_histogram(name: str, text: str) -> Metric:
    return HistogramMetricFamily(name, text, labels=SERVICE, unit=unit_of(name))


class _Families(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families

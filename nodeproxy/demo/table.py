"""The demo's result: statuses and latencies per service and endpoint."""

from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from rich.box import SIMPLE_HEAD
from rich.table import Table

from nodeproxy.demo.traffic import Answer


def retries(metrics: str) -> dict[str, int]:
    """Retries by service, from a metrics page."""
    return {sample.labels["service"]: int(sample.value) for sample in _samples(metrics, "nodeproxy_retries_total")}


def requests(metrics: str) -> int:
    """All completed requests, from a metrics page."""
    return sum(int(sample.value) for sample in _samples(metrics, "nodeproxy_requests_total"))


def _samples(metrics: str, name: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(metrics):
        yield from (sample for sample in family.samples if sample.name == name)


def quantile_ms(seconds: Sequence[float], ratio: float) -> float:
    """The duration that `ratio` of `seconds` do not exceed, in milliseconds."""
    return sorted(seconds)[min(len(seconds) - 1, int(ratio * len(seconds)))] * 1000


def rendered(answers: Sequence[Answer], retried: dict[str, int]) -> Table:
    """The table: one row per endpoint; retries are counted per service and shown in its first row."""
    table = Table(title="what the mesh did", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)  # fits 80 columns
    for title in ("service", "endpoint", "requests", "status", "p50 ms", "p99 ms", "retries"):
        table.add_column(title, justify="left" if title in ("service", "endpoint", "status") else "right")
    before = ""
    for service, endpoint in sorted({(answer.service, answer.endpoint) for answer in answers}):
        own = [answer for answer in answers if (answer.service, answer.endpoint) == (service, endpoint)]
        statuses = Counter(answer.status for answer in own)
        seconds = [answer.seconds for answer in own]
        table.add_row(
            f"{service}.shop.mesh",
            endpoint or "(the mesh itself)",
            str(len(own)),
            ", ".join(f"{status}: {number}" for status, number in sorted(statuses.items())),
            f"{quantile_ms(seconds, 0.5):.2f}",
            f"{quantile_ms(seconds, 0.99):.2f}",
            str(retried.get(service, 0)) if service != before else "",
        )
        before = service
    return table

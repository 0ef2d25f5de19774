"""The metrics of the export of traces."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric

from discovery.observe.traces.queue import SpanCounters


def span_metrics(counters: SpanCounters) -> Iterator[Metric]:
    """What became of spans; all are 0 without a collector."""
    yield CounterMetricFamily("nodeproxy_spans_exported", "Spans that the collector has taken.", counters.exported)
    dropped = CounterMetricFamily(
        "nodeproxy_spans_dropped",
        "Spans dropped: the queue was full, the collector rejected them, or it did not take them in time.",
        labels=["reason"],
    )
    for reason, number in counters.dropped.items():
        dropped.add_metric([reason], number)
    yield dropped

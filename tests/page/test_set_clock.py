"""The page while the clock of its node is set: nothing stands still, and no chart takes for ever."""

import json

import pytest

BEFORE = 1_800_000_000.0
NO_HISTORY = {"step_s": 5.0, "requests": [], "errors": [], "p99": []}
PORT = {
    "port": "80", "protocol": "http", "address": "", "endpoints": 1, "usable": 1, "active": 0, "connections": 0,
    "subscribed": True, "requests_per_s": 0, "errors_per_s": 0, "retries_per_s": 0, "p50_s": None, "p99_s": None,
    "history": NO_HISTORY,
}  # fmt: skip
WEB = {"name": "web.shop", "namespace": "shop", "ports": [PORT]}


def events(*rates):
    """The stream of the services: all of them at BEFORE, then the requests per second at these times."""
    parts = [f"event: services\ndata: {json.dumps({'at': BEFORE, 'services': [WEB], 'hidden': 0})}\n\n"]
    for at, requests in rates:
        row = ["web.shop", "80", requests, 0, 0, None, None, 1, 1, 0]
        parts.append(f"event: rates\ndata: {json.dumps({'at': at, 'ports': [row]})}\n\n")
    return "".join(parts)


def charted(reader, *rates):
    """The last three points of the chart of requests, after these events."""
    page, last_at = reader.page, rates[-1][0]
    page.route(
        "**/api/services?stream=1", lambda route: route.fulfill(content_type="text/event-stream", body=events(*rates))
    )
    reader.open()
    page.wait_for_function("async (at) => (await import('./service_rates.js')).heading.at === at", arg=last_at)
    return page.evaluate(
        "async () => [...(await import('./service_rates.js')).ports.values()][0].history.requests.values.slice(-3)"
    )


@pytest.mark.parametrize("at", [BEFORE + 1e9, BEFORE - 3600])
def test_charts_go_on_after_the_clock_was_set(reader, at):
    points = charted(reader, (at, 1), (at + 5, 2), (at + 10, 3))

    assert points == [2, 3, 3]  # the newest one is that of now, which has just begun


@pytest.mark.parametrize("at", [BEFORE + 1e9, BEFORE - 3600, BEFORE - 1])
def test_calls_of_before_have_no_rate_after_the_clock_was_set(reader, at):
    page = reader.open()

    rates = page.evaluate(
        """async ([before, at]) => {
            const { CallGraph } = await import('./call_graph.js');
            const graph = new CallGraph();
            const edge = { from: 'shop/a', to: 'b.shop', port: '80', requests_per_s: 7, errors_per_s: 0, p99_s: null };
            graph.take({ at: before, edges: [edge], others: 0 });
            graph.take({ at, edges: [], others: 0 });
            return graph.list().map((call) => call.requests_per_s);
        }""",
        [BEFORE, at],
    )

    assert rates in ([], [0])

"""`timeouts`: limits on the duration of a request, of a connect and of idleness."""

from math import inf

from nodeproxy.exchange.exchange import Exchange, Handler, Tools
from nodeproxy.policies.block import Duration, Policy, PolicySettings
from nodeproxy.protocol.message import Response


class TimeoutsSettings(PolicySettings):
    """Seconds; 0 switches one off.

    `responseHead` runs from the last byte of the request to the head of the response, retries included: a download or a
    stream of events may last longer. `request` runs from the same moment to the response's last byte. `idle` ends an
    exchange in which no byte has moved for that long. `connect` bounds one attempt to connect to an endpoint.
    """

    response_head_s: Duration = 15.0  # Envoy's route timeout, which counts the body too
    request_s: Duration = 0.0
    idle_s: Duration = 300.0  # Envoy's stream_idle_timeout
    connect_s: Duration = 5.0  # Envoy's and Consul's connect timeout


class Timeouts:
    """Sets the exchange's deadlines; the reactor interrupts the task when one passes."""

    def __init__(self, settings: TimeoutsSettings, inner: Handler) -> None:
        self._request_s = settings.request_s or inf
        self._head_s = min(settings.response_head_s or inf, self._request_s)
        self._body_s = self._request_s - self._head_s if self._request_s < inf else inf
        self._idle_s = settings.idle_s or inf
        self._inner = inner

    async def __call__(self, exchange: Exchange) -> Response:
        """Pass `exchange` on with its limits set."""
        scope = exchange.scope
        scope.idle_s = self._idle_s
        if exchange.body.streamed:
            exchange.allowance_s = self._head_s
        else:
            scope.until = exchange.started + self._head_s
        scope.moved(exchange.started)
        response = await self._inner(exchange)
        exchange.allowance_s = self._request_s  # a request whose body is still being sent
        scope.extend(scope.until + self._body_s, exchange.started)
        return response


def wrap(settings: TimeoutsSettings, inner: Handler, _tools: Tools, _state: object = None) -> Handler:
    """`inner` with deadlines for head, request and idleness; the upstream applies `connect`."""
    return Timeouts(settings, inner) if settings.response_head_s or settings.request_s or settings.idle_s else inner


POLICY = Policy("timeouts", TimeoutsSettings, wrap, default=True)

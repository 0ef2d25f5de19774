"""`timeouts`: how long a request, a connect and a silence may last."""

from math import inf

from nodeproxy.policies.block import Block, Duration, Policy
from nodeproxy.policies.exchange import Exchange, Handler, Response, Tools


class TimeoutsSettings(Block):
    """Seconds; 0 switches one off.

    `request` runs from the last byte of the request until the last byte of the response, retries included. `idle`
    ends an exchange in which no byte has moved for so long. `connect` bounds one attempt to reach an endpoint.
    """

    request_s: Duration = 15.0  # Envoy's route timeout, Kuma's requestTimeout
    idle_s: Duration = 300.0  # Envoy's stream_idle_timeout
    connect_s: Duration = 5.0  # Envoy's and Consul's connect timeout


class Timeouts:
    """Sets the exchange's limits; the reactor ends whatever waits when one passes."""

    def __init__(self, settings: TimeoutsSettings, inner: Handler) -> None:
        self._request_s = settings.request_s or inf
        self._idle_s = settings.idle_s or inf
        self._inner = inner

    async def __call__(self, exchange: Exchange) -> Response:
        """Pass `exchange` on with its limits set."""
        exchange.idle_s = self._idle_s
        if exchange.body.streamed:
            exchange.allowance_s = self._request_s
        else:
            exchange.until = exchange.started + self._request_s
        exchange.moved(exchange.started)
        return await self._inner(exchange)


def wrap(settings: TimeoutsSettings, inner: Handler, _tools: Tools) -> Handler:
    """`inner` within the limits on request and silence; `connect` is the upstream's to keep."""
    return Timeouts(settings, inner) if settings.request_s or settings.idle_s else inner


POLICY = Policy("timeouts", TimeoutsSettings, wrap, default=True)

"""Questions of the control process to a worker, and the answers: what is too much, or too rarely wanted, for reports.

A question goes down the connection between updates, its answer up between reports. Every answer is bounded, and says
how much it leaves out. A further kind of question is a struct here, one for its answer and a method of
`wiring.answers`. `CountersNow` is answered by the reports themselves, `control.reports`.
"""

import msgspec

ENDPOINTS_MOST = 500  # in one answer: 0.2 ms of the worker, as long as four requests; 1 ms to choose them of 10,000
SUBSCRIPTIONS_MOST = 500  # in one answer, by name


class EndpointsOf(msgspec.Struct, frozen=True, tag="endpoints-of"):
    """Which endpoints does this service have, and in which state?"""

    service: str
    """Its key, `<namespace>/<name>`."""
    port: int = 0
    """One of its ports; 0 for all."""


class SubscriptionsNow(msgspec.Struct, frozen=True, tag="subscriptions-now"):
    """Which services does this worker subscribe to, and since when?"""

    service: str = ""
    """The key of one, "" for all."""


class CountersNow(msgspec.Struct, frozen=True, tag="counters-now"):
    """Report now what has changed, and answer when it has been sent."""


class EndpointState(msgspec.Struct, frozen=True, omit_defaults=True):
    """One endpoint in one worker now."""

    address: str
    port: int
    distance: int = 0
    """See `model.Endpoint.distance`."""
    active: int = 0
    """Exchanges under way."""
    idle: int = 0
    """Connections in the pool."""
    ejected_s: float = 0.0
    """Until its ejection ends; 0 when it is not ejected."""
    ejections: int = 0
    """So far."""
    unhealthy: bool = False
    """Whether its health probes fail."""
    why: str = ""
    """Why outlierDetection has ejected it, one of the policy's outcomes; "" if it is not ejected by that."""
    errors: int = 0
    """Consecutive errors, as counted by outlierDetection."""
    success_rate: float | None = None
    """In the last interval of outlierDetection, 0 to 1; None without one."""
    weight: float = 1.0
    """Its share of requests beside other endpoints, below 1 while it warms up or sheds load."""
    latency_s: float | None = None
    """Expected latency, as measured by PEAK_EWMA."""

    @property
    def usable(self) -> bool:
        """Whether the balancer may choose it."""
        return not self.unhealthy and not self.ejected_s


class PortEndpoints(msgspec.Struct, frozen=True, omit_defaults=True):
    """The endpoints of one service port, by its key; those out of use first where some are left out."""

    port: str
    endpoints: tuple[EndpointState, ...] = ()
    left_out: int = 0


class Endpoints(msgspec.Struct, frozen=True, tag="endpoints", omit_defaults=True):
    """The answer to `EndpointsOf`. It has no port when the worker's table does not have the service."""

    ports: tuple[PortEndpoints, ...] = ()


class SubscriptionAge(msgspec.Struct, frozen=True):
    """One subscription of a worker: since when it is, and when it was last seen in use, seconds ago."""

    service: str
    since_s: float
    unused_s: float


class Subscriptions(msgspec.Struct, frozen=True, tag="subscriptions", omit_defaults=True):
    """The answer to `SubscriptionsNow`."""

    subscriptions: tuple[SubscriptionAge, ...] = ()
    left_out: int = 0


class CountersSent(msgspec.Struct, frozen=True, tag="counters-sent"):
    """The answer to `CountersNow`: a round of reports that began after the question is complete."""


Question = EndpointsOf | SubscriptionsNow | CountersNow
AnswerTo = Endpoints | Subscriptions | CountersSent


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """A question, numbered by the one who asks."""

    number: int
    question: Question


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """The answer to the question of this number."""

    number: int
    answer: AnswerTo

"""What the control process answers about one service: its endpoints, and what is in force for it."""

from typing import Any

import msgspec


class InWorker(msgspec.Struct, frozen=True):
    """One endpoint as one worker sees it; see `questions.EndpointState`."""

    worker: int
    usable: bool
    ejected_s: float
    """Until its ejection ends; 0 when it is not ejected."""
    ejections: int
    unhealthy: bool
    active: int
    idle: int
    why: str = ""
    errors: int = 0
    success_rate: float | None = None
    weight: float = 1.0
    latency_s: float | None = None


class EndpointView(msgspec.Struct, frozen=True):
    """One endpoint, summed over the workers."""

    address: str
    """With its port."""
    node: str
    zone: str
    distance: int
    """From this node: 0 is the nearest."""
    usable: bool
    """In every worker."""
    active: int
    idle: int
    workers: tuple[InWorker, ...]
    subsets: tuple[str, ...] = ()
    """Those that policies ask for and its pod is in."""


class PortEndpointsView(msgspec.Struct, frozen=True):
    """The endpoints of one service port."""

    port: str
    requests: int
    """Completed so far, by any endpoint of it."""
    endpoints: tuple[EndpointView, ...]
    left_out: int
    """How many of them are not among `endpoints`."""
    note: str = ""
    """Why there is none, "" if there is one."""
    connections: int = 0
    """TCP connections that carry no HTTP and have ended so far."""


class EndpointsView(msgspec.Struct, frozen=True):
    """The endpoints of a service."""

    namespace: str
    service: str
    subscribed: bool
    """Whether its endpoints are followed."""
    ports: tuple[PortEndpointsView, ...]
    workers: tuple[int, ...]
    """That have answered."""
    silent: tuple[int, ...]
    """That have not answered in time: their numbers are missing here."""


class FieldView(msgspec.Struct, frozen=True):
    """One field of a policy in force."""

    field: str
    """As it is written, with dots between levels."""
    value: Any
    origin: str
    """`built-in default`, `ConfigMap <namespace>/<name>`, or `last good state`."""
    key: str
    """Of the ConfigMap, "" for other origins."""
    layer: str
    """What that key is for: the mesh, a namespace, or this service; "" for other origins."""
    line: int | None = None
    """Where it is written in the text of that key, from 1; None where there is no text."""
    file: str = ""
    """With the ConfigMap, "" for one of an API server."""


class PolicyView(msgspec.Struct, frozen=True):
    """One policy in force."""

    name: str
    fields: tuple[FieldView, ...]
    ports: tuple[str, ...] = ()
    """The keys of the ports of the service that it acts on."""


class LayerView(msgspec.Struct, frozen=True):
    """One table that the policies are merged from."""

    configmap: str
    key: str
    layer: str


class RefusedView(msgspec.Struct, frozen=True):
    """What is refused of a ConfigMap that would apply."""

    configmap: str
    problem: str
    instead: str
    """What is in force in its place."""


class PortExplained(msgspec.Struct, frozen=True):
    """One port of the service."""

    port: str
    name: str
    protocol: str
    served: bool
    endpoints: int
    note: str
    """Why it is not served, or has no endpoint."""
    origin: str = ""
    """What has decided its protocol: a field of the Service, a policy, the port's number, or the default."""
    where: str = ""
    """Where clients reach it: by name, at the virtual address; "" if it is not served."""


class RuleView(msgspec.Struct, frozen=True):
    """One rule of `routes` beside a request."""

    label: str
    failed: str
    """The first condition that the request fails, "" for the rule that it takes."""
    becomes: str
    """What becomes of requests that take it."""
    origin: str
    """The ConfigMap that it is written in, "" where it is not known."""
    key: str
    line: int | None
    """In the text of that key."""


class RequestView(msgspec.Struct, frozen=True):
    """What would become of a request."""

    request: str
    remark: str
    """On its caller, "" for none."""
    rules: tuple[RuleView, ...]
    """In their order, up to the one that the request takes."""
    taken: str
    """The label of that rule, "" for none."""
    becomes: str
    policies: tuple[PolicyView, ...] = ()
    """Those that this rule has of its own, as they are in force for it: merged over the service's."""


class Explained(msgspec.Struct, frozen=True):
    """What is in force for a service."""

    namespace: str
    service: str
    virtual_address: str
    subscribed: bool
    subscription: str
    """Why its endpoints are followed, or why not."""
    ports: tuple[PortExplained, ...]
    policies: tuple[PolicyView, ...]
    """In the order in which they act on a request."""
    layers: tuple[LayerView, ...]
    """Later ones override earlier ones."""
    refused: tuple[RefusedView, ...]
    problems: tuple[str, ...]
    """Of the Service, its slices, and the policies written for it alone."""
    request: RequestView | None = None
    """Of a request that was asked about."""
    rollout: str = ""
    """How much of `policies` is in force where a changed table is on trial; "" without one."""

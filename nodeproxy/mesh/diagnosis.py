"""What `nodeproxy diagnose` learns from the control process, and what it concludes."""

from typing import Literal

import msgspec

from nodeproxy.mesh.service_view import EndpointView, RefusedView


class PortFacts(msgspec.Struct, frozen=True):
    """The service port that a name means."""

    key: str
    number: int
    protocol: str
    transport: str
    takes_requests: bool
    """Whether HTTP requests may be for it."""
    unserved: str
    """Why the mesh does not serve it, and the cure; "" if it does."""
    not_http: str
    """Why it takes no HTTP by name, and how to call it; "" if it takes it."""
    written: int
    """Endpoints in the EndpointSlices of the service, ready or not."""
    without_port: int
    """Of them, those in slices that do not have this port."""
    ready: int
    """Endpoints that may be called."""
    in_table: bool
    """Whether every worker that has answered has the port in its table."""
    endpoints: tuple[EndpointView, ...]
    """As the workers see them."""


class CallerFacts(msgspec.Struct, frozen=True):
    """A calling workload of this node, and what has become of its requests to the service port."""

    namespace: str
    workload: str
    requests: int
    refused: dict[str, int]
    """Refused by the mesh so far, by reason."""
    limit: str
    """The limit of `rateLimit` that is for it, in words; "" for none."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the control process has found for a name."""

    restored: bool
    """Whether the last good state is in force, because the source has not been in sync since the start."""
    watch_errors: tuple[str, ...]
    """Of the watches that fail now."""
    workers: int
    """That are connected."""
    silent: tuple[int, ...]
    """Workers that were asked and did not answer in time."""
    listeners_missing: int
    """Virtual addresses without a listener, of the worker that lacks most."""
    problem: str = ""
    """Why the name means no service port; "" if it means one."""
    cure: str = ""
    namespace: str = ""
    service: str = ""
    virtual_address: str = ""
    subscribed: bool = True
    slices: int = 0
    only_local: bool = False
    port: PortFacts | None = None
    refused: tuple[RefusedView, ...] = ()
    returned: str = ""
    """Why a changed table of it was taken back; "" if none was."""
    wrong_targets: tuple[str, ...] = ()
    """Places that its policies send requests to and that cannot take them, with the field that names each, and why."""
    cluster_dns: str = ""
    """Address and port of the cluster DNS, as its Service has them; "" if there is none."""
    caller: CallerFacts | None = None
    caller_problem: str = ""
    """Why `--from` means no caller; "" if it means one, or nothing was asked."""


StepState = Literal["ok", "broken", "skipped"]


class Step(msgspec.Struct, frozen=True):
    """One step of the walk."""

    name: str
    state: StepState
    text: str
    """What was found."""
    cure: str = ""
    """What to do, if it is broken."""
    part: bool = False
    """Whether requests get through in spite of it: it is the sentence only if nothing worse is broken."""


class Diagnosis(msgspec.Struct, frozen=True):
    """The walk and its conclusion."""

    name: str
    healthy: bool
    sentence: str
    steps: tuple[Step, ...]

"""What the control process answers about the rules of a service."""

from typing import Any

import msgspec


class TargetView(msgspec.Struct, frozen=True):
    """One place where the requests of a rule go."""

    target: str
    """`<namespace>/<service>:<port>`, and the labels of a subset."""
    weight: int
    share: float
    """Of the requests of the rule, 0 to 1, as the weights say."""
    chosen: int
    """Tries that were sent there so far, by any rule of the port."""


class CanaryView(msgspec.Struct, frozen=True):
    """The canary of a rule."""

    target: str
    requests_per_second: float
    scope: str
    """`node` or `cluster`."""


class RuleView(msgspec.Struct, frozen=True):
    """One rule. Without targets, the requests go to the service itself."""

    rule: str
    """Its name, or its number from 1."""
    match: tuple[str, ...]
    """In words, one for each alternative; none matches every request."""
    matched: int
    """Requests so far."""
    targets: tuple[TargetView, ...]
    canary: CanaryView | None
    actions: tuple[str, ...]
    """What else becomes of the requests: redirect, rewrite, headers, and policies of the rule."""
    written: dict[str, Any]
    """As the policy table has it."""


class PortRoutes(msgspec.Struct, frozen=True):
    """The rules of one service port, in their order."""

    port: str
    mode: str
    """`enforce`, or `shadow` where rules are only counted."""
    rules: tuple[RuleView, ...]
    otherwise: tuple[TargetView, ...]
    """Where requests go that no rule matches, by the policy `split`; none: to the service itself."""
    requests: int
    """Of the port so far, matched by a rule or not."""
    to_canary: int
    """Tries sent to a canary so far, of all rules of the port."""
    canary_unavailable: int


class RoutesView(msgspec.Struct, frozen=True):
    """The rules of a service."""

    namespace: str
    service: str
    ports: tuple[PortRoutes, ...]
    rollout: str = ""
    """How much of the table is in force where a changed one is on trial; "" without one."""

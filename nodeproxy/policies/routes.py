"""`routes`: rules by path, method, header field, query, cookie and caller decide what becomes of a request."""

from typing import Annotated, ClassVar

from pydantic import Field

from nodeproxy.policies.block import PolicySettings
from nodeproxy.policies.route_rules import Rule


class RoutesSettings(PolicySettings):
    """The first rule that matches a request decides. A request that no rule matches goes to the service itself."""

    of_list: ClassVar[str] = "rules"

    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=1000)]
    """The rules, in their order. A bare list under `routes` means these."""

"""`routes`: rules by path, method, header field, query, cookie and caller decide what becomes of a request."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from nodeproxy.policies.block import PolicySettings
from nodeproxy.policies.route_rules import Rule


def _some(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    # Not `min_length`, which does not count rules that are refused themselves, and would be a second problem.
    if not rules:
        raise ValueError("there is at least one rule")
    return rules


class RoutesSettings(PolicySettings):
    """The first rule that matches a request decides. A request that no rule matches goes to the service itself."""

    of_list: ClassVar[str] = "rules"

    rules: Annotated[tuple[Rule, ...], AfterValidator(_some), Field(max_length=1000, json_schema_extra={"minItems": 1})]
    """The rules, in their order. A bare list under `routes` means these."""

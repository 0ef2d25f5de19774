"""`routes`: rules by path, method, header field, query, cookie and caller decide what becomes of a request."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from nodeproxy.policies.block import Policy, PolicySettings
from nodeproxy.policies.route_rules import Rule


def _some(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    # Not `min_length`, which does not count rules that are refused themselves, and would be a second problem.
    if not rules:
        raise ValueError("there is at least one rule")
    return rules


class RoutesSettings(PolicySettings):
    """The first rule that matches a request decides. A request that no rule matches goes to the service itself.

    A rule without `split` has the service's policy `split`, if there is one. A request to a single pod by its name,
    `<pod>.<service>.<namespace>.mesh`, follows the rules too, save `split`, `sticky` and `canary`: it goes to that pod.
    TCP connections and datagrams have no rules. In shadow mode the rule of each request is counted, and the request is
    served as if there were no rules.

    The weights of a rule, and what its own policies have learnt, stay while the rule does not change, whatever changes
    beside it. A rule is known by its name; without one by its number, so name rules that are to keep both when others
    are put before them.
    """

    of_list: ClassVar[str] = "rules"

    rules: Annotated[tuple[Rule, ...], Field(max_length=1000, json_schema_extra={"minItems": 1}), AfterValidator(_some)]
    """The rules, in their order. A bare list under `routes` means these."""

    @model_validator(mode="after")
    def _told_apart(self) -> "RoutesSettings":
        seen = set[str]()
        for number, rule in enumerate(self.rules):
            label = label_of(rule, number)
            if label in seen:
                raise ValueError(f"two rules are named {label}; a rule without a name has its number from 1")
            seen.add(label)
        return self


def label_of(rule: Rule, number: int) -> str:
    """The name of a rule in metrics, logs and `explain`; `number` counts from 0."""
    return rule.name or str(number + 1)


def rule_port(service_port: str, label: str) -> str:
    """The name under which the policies of a rule keep what counts for the whole node or cluster."""
    return f"{service_port} {label}"


POLICY: Policy = Policy(
    "routes",
    RoutesSettings,
    acts="on the request, before all other policies but `protocol`",
    outcomes={
        "<rule>": "this rule matched: its name, or its number from 1; in shadow mode it would have decided",
        "to-canary": "a try was sent to the canary of a rule",
        "canary-unavailable": "the canary of a rule was not in the mesh, or had no endpoint, or none known yet:"
        " the request went where the others go",
    },
)

"""The policies that a process has, in their order: built-in ones, and custom ones that the operator has named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from nodeproxy.policies import timeouts
from nodeproxy.policies.block import Policy
from nodeproxy.policies.chain import CHAIN


@dataclass(frozen=True, slots=True)
class Registry:
    """Made once, at the start of a process, and handed down from there."""

    chain: tuple[Policy, ...]
    """All of them, outermost first."""
    connections: tuple[Policy, ...]
    """Of them, those that act on connections that carry no HTTP."""
    by_name: Mapping[str, Policy]
    own: tuple[str, ...] = ()
    """The names of those that are not ours, outermost first."""

    @property
    def lists(self) -> Mapping[str, str]:
        """By policy, the field that a bare list in its place means; "" where there is none."""
        return {name: policy.settings.of_list for name, policy in self.by_name.items()}

    @classmethod
    def of(cls, chain: Sequence[Policy], own: Sequence[str] = ()) -> "Registry":
        """The registry of these policies."""
        connections = tuple(policy for policy in chain if policy.connections)
        return cls(tuple(chain), connections, MappingProxyType({policy.name: policy for policy in chain}), tuple(own))

    def with_own(self, own: Sequence[Policy]) -> "Registry":
        """These, and `own` directly inside of `timeouts`, in their order.

        So none of them runs for a request that a limit refuses, `timeouts` bounds their waits, and each runs once for a
        request, however often that is sent.
        """
        if not own:
            return self
        at = self.chain.index(timeouts.POLICY) + 1
        chain = (*self.chain[:at], *own, *self.chain[at:])
        return Registry.of(chain, tuple(policy.name for policy in own))


BUILT_IN = Registry.of(CHAIN)
"""Without custom policies."""

"""The states of policies from one table to the next: of a service port, and of the rules of its routes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nodeproxy.table.chains import Chains, Part
from nodeproxy.table.makers import Settings, States

_NONE: Mapping[str, Any] = {}


def states_of(part: Part, chains: Chains, before: Settings, kept: States, shared: States = _NONE) -> States:
    """The states for the settings of `part`.

    They are those in `shared`, which belong to the service; else those in `kept`, which were made for the settings
    `before`, where these are the same; else new ones.
    """
    states: dict[str, Any] = {}
    stateless = replace(part, states=_NONE)
    for policy in chains.registry.chain:
        name = policy.name
        if policy.state is None or name not in part.settings:
            continue
        state = shared[name] if name in shared else kept.get(name)
        if name not in shared and (state is None or before.get(name) != part.settings[name]):
            state = policy.state(part.settings[name], state, chains.tools(stateless, name))
        if state is not None:
            states[name] = state
    return states

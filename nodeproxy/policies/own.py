"""Finds the custom policies that the operator has named: entry points of installed packages.

A package that the settings do not name is not even imported.
"""

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points

from nodeproxy.policies.block import Policy, PolicySettings
from nodeproxy.policies.registry import BUILT_IN, Registry

GROUP = "nodeproxy.policies"
_DOES = ("on_request", "on_response", "wrap", "wrap_attempt")
_GUIDE = "docs/write-a-policy.md"


class OwnPolicyUnusable(Exception):
    """A policy that the setting own_policies names cannot be used; the text has the reason and the cure."""


Installed = Callable[[], Iterable[EntryPoint]]
"""The entry points of the group, of all installed packages."""


def installed_policies() -> Iterable[EntryPoint]:
    """Those of this environment."""
    return entry_points(group=GROUP)


def registry_of(names: Sequence[str]) -> Registry:
    """The policies of a process whose setting own_policies has these names, in their order.

    Raises:
        OwnPolicyUnusable: see `own_policies`.
    """
    return BUILT_IN.with_own(own_policies(names))


def own_policies(names: Sequence[str], installed: Installed = installed_policies) -> tuple[Policy, ...]:
    """The policies with these names, each from the package that is installed for it.

    Raises:
        OwnPolicyUnusable: one is not installed, cannot be imported, or is not a policy; or its name is taken.
    """
    for name in names:
        if name in BUILT_IN.by_name:
            raise _unusable(name, "is the name of a policy of nodeproxy; give yours another name")
        if names.count(name) > 1:
            raise _unusable(name, "is named twice; a policy has one place in the order")
    return tuple(_loaded(_entry(name, installed)) for name in names)


def _loaded(entry: EntryPoint) -> Policy:
    name = entry.name
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value
    try:
        found = entry.load()
    except (Exception, SystemExit) as error:  # whatever a foreign module raises when it is imported
        reason = f"{type(error).__name__}: {error}"
        raise _unusable(name, f"{entry.value} of the package {package} cannot be imported: {reason}") from error
    problem = _problem(name, found)
    if problem:
        raise _unusable(name, f"{entry.value} of the package {package} {problem}")
    assert isinstance(found, Policy)
    return found


def _entry(name: str, installed: Installed) -> EntryPoint:
    everything = tuple(installed())
    found = {entry.value: entry for entry in everything if entry.name == name}
    if not found:
        there = ", ".join(sorted({entry.name for entry in everything})) or "none"
        raise _unusable(
            name, f"no installed package has it (installed: {there}); install it where nodeproxy is: {_GUIDE}"
        )
    if len(found) > 1:
        raise _unusable(name, f"several packages have it: {', '.join(sorted(found))}; uninstall all but one")
    return next(iter(found.values()))


def _problem(name: str, found: object) -> str:
    """What is wrong with the object of an entry point, "" if nothing."""
    if not isinstance(found, Policy):
        return f"is a {type(found).__name__}; it must be a nodeproxy.policies.block.Policy"
    if found.name != name:
        return f"is the policy {found.name}; the entry point must have that name"
    settings: object = found.settings
    if not (isinstance(settings, type) and issubclass(settings, PolicySettings)):
        return "has settings that are no class of nodeproxy.policies.block.PolicySettings"
    if not any(getattr(found, function) for function in _DOES):
        return f"would do nothing; it must have one of {', '.join(_DOES)}"
    if "datagrams" in found.touches:
        return "touches datagrams; a custom policy acts on requests and connections"
    try:
        found.settings.model_json_schema()
        if found.default:
            found.settings()
    except (Exception, SystemExit) as error:
        without = "its defaults" if found.default else "its schema"
        return f"has settings that cannot be used: {without}: {type(error).__name__}: {error}"
    return ""


def _unusable(name: str, reason: str) -> OwnPolicyUnusable:
    return OwnPolicyUnusable(f"own_policies: {name}: {' '.join(reason.split())}")

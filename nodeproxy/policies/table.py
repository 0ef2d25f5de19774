"""A service's policy table: validates the operator's mapping and converts it to settings."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from pydantic import ValidationError

from nodeproxy.policies.block import PolicySettings
from nodeproxy.policies.merge import merged
from nodeproxy.policies.registry import BUILT_IN, Registry
from nodeproxy.policies.routes import RoutesSettings
from nodeproxy.policies.rule_policies import ROUTES, refusal
from nodeproxy.policies.table_faults import Fault, Path, faults_of, unknown

SHARED_MOST = 1024  # different tables that are cached for sharing
SHARED_MOST_BYTES = (
    1024 * 1024
)  # of their texts as JSON; settings take thirty times as much, and tables may change for ever


class PolicyRefused(ValueError):
    """The policy table is not valid. Each of `problems` names the place, the error and the value.

    `places` are the paths of the problems in the table, in the same order, () for one of the table as a whole.
    """

    def __init__(self, problems: tuple[str, ...], places: tuple[Path, ...] = ()) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        self.places = places + ((),) * (len(problems) - len(places))


def refused(faults: Iterable[Fault]) -> PolicyRefused:
    """The refusal for these faults."""
    found = tuple(faults)
    return PolicyRefused(tuple(map(str, found)), tuple(fault.path for fault in found))


def settings_of(policies: Mapping[str, Any], registry: Registry = BUILT_IN) -> dict[str, PolicySettings]:
    """The settings of every policy in force for a service, by name: those written, and the defaults.

    Raises:
        PolicyRefused: an unknown policy or field, or a value that does not fit; all problems at once.
    """
    known = registry.by_name
    settings, faults = {}, [_unknown(name, registry) for name in policies if name not in known]
    for name, policy in known.items():
        if policies.get(name) is not None or policy.default:  # null overrides nothing, so it asks for nothing
            read = _read(name, policies.get(name), (name,), registry)
            if isinstance(read, list):
                faults += read
            else:
                settings[name] = read
    routes = settings.get(ROUTES)
    if isinstance(routes, RoutesSettings):
        faults += rule_faults(policies, routes, registry)
    if faults:
        raise refused(faults)
    return settings


def rule_faults(policies: Mapping[str, Any], routes: RoutesSettings, registry: Registry = BUILT_IN) -> Iterator[Fault]:
    """What is wrong with the policies of each rule of `routes`, which are those of a service with the table `policies`.

    What is wrong with the service's own table is not repeated.
    """
    bare = not isinstance(policies.get(ROUTES), Mapping)
    for number, rule in enumerate(routes.rules):
        within: Path = (ROUTES, number, "policies") if bare else (ROUTES, "rules", number, "policies")
        for name, written in rule.policies.items():
            if name not in registry.by_name:
                yield _unknown(name, registry, within)
            elif cure := refusal(registry.by_name[name]):
                yield Fault((*within, name), cure)
            else:
                own = merged({name: policies.get(name)}, {name: written})[name]
                read = _read(name, own, (*within, name), registry)
                if isinstance(read, list) and not isinstance(_read(name, policies.get(name), (), registry), list):
                    yield from read


class SharedSettings:
    """Equal policy tables as one object: a mesh has thousands of services and few different tables."""

    def __init__(self, registry: Registry = BUILT_IN) -> None:
        self._registry = registry
        self._known: dict[bytes, tuple[dict[str, Any], dict[str, PolicySettings]]] = {}
        self._bytes = 0

    def of(self, policies: dict[str, Any]) -> tuple[dict[str, Any], dict[str, PolicySettings]]:
        """`policies`, and their settings.

        Raises:
            PolicyRefused: see `settings_of`.
        """
        text = msgspec.json.encode(policies, order="deterministic")
        if text not in self._known:
            settings = settings_of(policies, self._registry)
            self._bytes += len(text)
            if len(self._known) >= SHARED_MOST or self._bytes > SHARED_MOST_BYTES:
                self._known.clear()  # services keep their references
                self._bytes = len(text)
            self._known[text] = policies, settings
        return self._known[text]


def _unknown(name: str, registry: Registry, within: Path = ()) -> Fault:
    return Fault((*within, name), unknown("policy", str(name), registry.by_name))


def _read(name: str, written: object, place: Path, registry: Registry) -> PolicySettings | list[Fault]:
    """The settings `written` for the policy of this name, or the faults of them, which are at `place`."""
    settings = registry.by_name[name].settings
    try:
        # As in pydantic's JSON mode, a YAML list is accepted as a tuple; everything else stays strict.
        return settings.model_validate(_tuples({} if written is None else written))
    except ValidationError as error:
        return list(faults_of(place, settings, written, error))
    except Exception as error:  # of a custom policy's validator: a mistake of its package, which ends no process
        if name not in registry.own:
            raise
        return [Fault(place, f"its settings cannot be checked: {type(error).__name__}: {error}")]


def _tuples(value: Any) -> Any:  # noqa: ANN401  the YAML edge
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return value

"""A service's policy table: validates the operator's mapping and converts it to settings."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from pydantic import ValidationError

from nodeproxy.policies import CHAIN
from nodeproxy.policies.block import PolicySettings
from nodeproxy.policies.faults import Fault, Path, faults_of, unknown

SHARED_MOST = 1024  # different tables that are cached for sharing
_KNOWN = {policy.name: policy for policy in CHAIN}


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


def settings_of(policies: Mapping[str, Any]) -> dict[str, PolicySettings]:
    """The settings of every policy in force for a service, by name: those written, and the defaults.

    Raises:
        PolicyRefused: an unknown policy or field, or a value that does not fit; all problems at once.
    """
    faults = [Fault((name,), unknown("policy", str(name), _KNOWN)) for name in policies if name not in _KNOWN]
    settings = {}
    for name, policy in _KNOWN.items():
        if name not in policies and not policy.default:
            continue
        try:
            # As in pydantic's JSON mode, a YAML list is accepted as a tuple; everything else stays strict.
            settings[name] = policy.settings.model_validate(
                _tuples({} if policies.get(name) is None else policies[name])
            )
        except ValidationError as error:
            faults += faults_of(name, policy.settings, policies.get(name), error)
    if faults:
        raise refused(faults)
    return settings


class SharedSettings:
    """Equal policy tables as one object: a mesh has thousands of services and few different tables."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[dict[str, Any], dict[str, PolicySettings]]] = {}

    def of(self, policies: dict[str, Any]) -> tuple[dict[str, Any], dict[str, PolicySettings]]:
        """`policies`, and their settings.

        Raises:
            PolicyRefused: see `settings_of`.
        """
        text = msgspec.json.encode(policies, order="deterministic")
        if text not in self._known:
            if len(self._known) >= SHARED_MOST:
                self._known.clear()  # services keep their references
            self._known[text] = policies, settings_of(policies)
        return self._known[text]


def _tuples(value: Any) -> Any:  # noqa: ANN401  the YAML edge
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return value

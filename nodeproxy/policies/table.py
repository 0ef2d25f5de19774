"""A service's policy table: validates the operator's mapping and converts it to settings."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import ValidationError

from nodeproxy.policies.block import PolicySettings
from nodeproxy.policies.registry import BUILT_IN, Registry

SHARED_MOST = 1024  # different tables that are cached for sharing
_PASSWORD = re.compile(r"//[^/@\s]*@")  # of a URL: problems are logged


class PolicyRefused(ValueError):
    """The policy table is not valid. Each of `problems` names the place, the error and the value."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def settings_of(policies: Mapping[str, Any], registry: Registry = BUILT_IN) -> dict[str, PolicySettings]:
    """The settings of every policy in force for a service, by name: those written, and the defaults.

    Raises:
        PolicyRefused: an unknown policy or field, or a value that does not fit; all problems at once.
    """
    known = registry.by_name
    problems = [
        f"{name}: no such policy; there are {', '.join(sorted(known))}" for name in policies if name not in known
    ]
    settings = {}
    for name, policy in known.items():
        if name not in policies and not policy.default:
            continue
        try:
            # As in pydantic's JSON mode, a YAML list is accepted as a tuple; everything else stays strict.
            settings[name] = policy.settings.model_validate(
                _tuples({} if policies.get(name) is None else policies[name])
            )
        except ValidationError as error:
            problems += (_problem(name, detail) for detail in error.errors(include_url=False))
        except Exception as error:  # of a validator of one's own: a mistake of its package, which ends no process
            if name not in registry.own:
                raise
            problems.append(f"{name}: its settings cannot be checked: {type(error).__name__}: {error}")
    if problems:
        raise PolicyRefused(tuple(problems))
    return settings


class SharedSettings:
    """Equal policy tables as one object: a mesh has thousands of services and few different tables."""

    def __init__(self, registry: Registry = BUILT_IN) -> None:
        self._registry = registry
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
            self._known[text] = policies, settings_of(policies, self._registry)
        return self._known[text]


def _tuples(value: Any) -> Any:  # noqa: ANN401  the YAML edge
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return value


def _problem(name: str, detail: Any) -> str:  # noqa: ANN401  pydantic's ErrorDetails
    place = ".".join((name, *(str(part) for part in detail["loc"])))
    if detail["type"] == "extra_forbidden":
        return f"{place}: no such field"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{place}: {message[0].lower()}{message[1:]}, got {_PASSWORD.sub('//***@', repr(detail['input']))}"

"""A service's policy table: validates the operator's mapping and converts it to settings."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from pydantic import ValidationError

from nodeproxy.policies import CHAIN
from nodeproxy.policies.block import PolicySettings
from nodeproxy.policies.merge import merged
from nodeproxy.policies.routes import RoutesSettings
from nodeproxy.policies.rule_policies import ROUTES, refusal

SHARED_MOST = 1024  # different tables that are cached for sharing
_PASSWORD = re.compile(r"//[^/@\s]*@")  # of a URL: problems are logged
_KNOWN = {policy.name: policy for policy in CHAIN}


class PolicyRefused(ValueError):
    """The policy table is not valid. Each of `problems` names the place, the error and the value."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def settings_of(policies: Mapping[str, Any]) -> dict[str, PolicySettings]:
    """The settings of every policy in force for a service, by name: those written, and the defaults.

    Raises:
        PolicyRefused: an unknown policy or field, or a value that does not fit; all problems at once.
    """
    settings, problems = {}, [_unknown(name) for name in policies if name not in _KNOWN]
    for name, policy in _KNOWN.items():
        if name in policies or policy.default:
            read = _read(name, policies.get(name), name)
            if isinstance(read, list):
                problems += read
            else:
                settings[name] = read
    routes = settings.get(ROUTES)
    if isinstance(routes, RoutesSettings):
        problems += rule_problems(policies, routes)
    if problems:
        raise PolicyRefused(tuple(problems))
    return settings


def rule_problems(policies: Mapping[str, Any], routes: RoutesSettings) -> Iterator[str]:
    """What is wrong with the policies of each rule of `routes`, which are those of a service with the table `policies`.

    What is wrong with the service's own table is not repeated.
    """
    for number, rule in enumerate(routes.rules):
        for name, written in rule.policies.items():
            place = f"{ROUTES}.rules.{number}.policies.{name}"
            if name not in _KNOWN:
                yield _unknown(name, f"{ROUTES}.rules.{number}.policies.")
            elif cure := refusal(_KNOWN[name]):
                yield f"{place}: {cure}"
            else:
                own = merged({name: policies.get(name)}, {name: written})[name]
                read = _read(name, own, place)
                if isinstance(read, list) and not isinstance(_read(name, policies.get(name), place), list):
                    yield from read


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


def _unknown(name: str, within: str = "") -> str:
    return f"{within}{name}: no such policy; there are {', '.join(sorted(_KNOWN))}"


def _read(name: str, written: object, place: str) -> PolicySettings | list[str]:
    """The settings `written` for the policy of this name, or the problems with them, which are at `place`."""
    try:
        # As in pydantic's JSON mode, a YAML list is accepted as a tuple; everything else stays strict.
        return _KNOWN[name].settings.model_validate(_tuples({} if written is None else written))
    except ValidationError as error:
        return [_problem(place, detail) for detail in error.errors(include_url=False)]


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

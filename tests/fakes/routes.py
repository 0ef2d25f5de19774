"""Settings of `routes` as a table has them, requests for them, and callers."""

from nodeproxy.mesh.callers import Known
from nodeproxy.policies.routes import RoutesSettings
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Request

FRONTEND = Known("shop", ("shop", "frontend"))


def routes(*rules):
    """The settings of these rules, written as in YAML."""
    return RoutesSettings.model_validate({"rules": _tuples(list(rules))})


def matches(*rules):
    """What the rules match."""
    return [rule.match for rule in routes(*rules).rules]


def asking(path="/", method="GET", host="web.shop.mesh", **fields):
    """A request with these fields, whose names have dashes in place of underscores."""
    lines = [("Host", host), *((name.replace("_", "-"), value) for name, value in fields.items())]
    block = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return Request(method.encode(), host.encode(), path.encode(), Fields(block.encode()))


def _tuples(value):
    if isinstance(value, list):
        return tuple(_tuples(each) for each in value)
    return {key: _tuples(each) for key, each in value.items()} if isinstance(value, dict) else value

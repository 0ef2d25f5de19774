"""The names of the services of policy sets."""

NAMESPACE = "bench"


def service_of(name: str) -> str:
    """The name of a set's service: `rateLimit` is `rate-limit`, because a Service has a DNS label."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)


def host_of(name: str) -> str:
    """The Host of requests to a set's service."""
    return f"{service_of(name)}.{NAMESPACE}.mesh"

"""What a rule may ask of a request, as routing reads it. The settings of `routes` are of this form."""

from collections.abc import Sequence
from typing import Protocol


class PathMatch(Protocol):
    """Exactly one of the three is set."""

    @property
    def exact(self) -> str | None: ...

    @property
    def prefix(self) -> str | None: ...

    @property
    def regex(self) -> str | None: ...


class NamedMatch(Protocol):
    """At most one is set beside the name; with none of them the value has to be there."""

    @property
    def name(self) -> str: ...

    @property
    def exact(self) -> str | None: ...

    @property
    def prefix(self) -> str | None: ...

    @property
    def regex(self) -> str | None: ...

    @property
    def present(self) -> bool | None: ...


class CallerMatch(Protocol):
    """A namespace, and a workload in it or any."""

    @property
    def namespace(self) -> str: ...

    @property
    def workload(self) -> str | None: ...


class Match(Protocol):
    """All that is set has to be true."""

    @property
    def path(self) -> PathMatch | None: ...

    @property
    def method(self) -> Sequence[str]: ...

    @property
    def headers(self) -> Sequence[NamedMatch]: ...

    @property
    def query_params(self) -> Sequence[NamedMatch]: ...

    @property
    def cookies(self) -> Sequence[NamedMatch]: ...

    @property
    def caller(self) -> Sequence[CallerMatch]: ...

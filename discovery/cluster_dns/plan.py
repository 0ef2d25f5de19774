"""The changes of ConfigMaps that add the mesh to the cluster's DNS, or remove it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from discovery.cluster_dns import coredns, custom, kube_dns
from discovery.cluster_dns.coredns import NotWritten
from discovery.cluster_dns.marks import is_marked
from discovery.cluster_dns.texts import Upstream
from discovery.problem import Path, Problem, Severity

Style = Literal["coredns", "coredns-custom", "kube-dns"]
"""The kind of DNS configuration; also the name of the ConfigMap."""

STYLES: tuple[Style, ...] = ("coredns", "coredns-custom", "kube-dns")
NAMESPACE = "kube-system"
COREFILE = "Corefile"

Data = Mapping[str, str]
Maps = Mapping[str, Data | None]
"""The ConfigMaps by name; None for one that does not exist."""


@dataclass(frozen=True, slots=True)
class Change:
    """Keys of a ConfigMap and their new texts, None to remove the key."""

    name: str
    data: Mapping[str, str | None]
    create: bool = False
    """Whether the ConfigMap does not exist yet."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes, in order of writing, and the problems to report."""

    style: Style | None = None
    """None if the style cannot be detected."""
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()


def names_read(style: Style | Literal["auto"]) -> tuple[str, ...]:
    """The ConfigMaps that a plan for `style` depends on."""
    if style == "auto":
        return STYLES
    return ("coredns", "coredns-custom") if style == "coredns-custom" else (style,)


def to_have(maps: Maps, style: Style | Literal["auto"], upstream: Upstream) -> Plan:
    """The plan to add the mesh to the cluster's DNS."""
    found = _style(maps) if style == "auto" else style
    if found is None:
        text = f"there is none of the ConfigMaps {', '.join(STYLES)}: set the cluster's DNS by --style"
        return Plan(None, (), (Problem(text, subject=f"Namespace {NAMESPACE}"),))
    try:
        if found == "coredns":
            return _coredns(maps, upstream)
        return _custom(maps, upstream) if found == "coredns-custom" else _kube_dns(maps, upstream)
    except _InMap as error:
        return Plan(found, (), (error.problem,))


def not_to_have(maps: Maps, upstream: Upstream) -> Plan:
    """The plan to remove the mesh from the cluster's DNS, for every style."""
    changes, problems = [], []
    for name, data in maps.items():
        try:
            left = dict(_without(name, data or {}, upstream))
        except _InMap as error:
            problems.append(error.problem)
        else:
            if left:
                changes.append(Change(name, left))
    return Plan(None, tuple(changes), tuple(problems))


class _InMap(Exception):
    """`NotWritten`, with its place."""

    def __init__(self, name: str, key: str, error: NotWritten) -> None:
        super().__init__(str(error))
        self.problem = _problem(f"left as it is: {error}", name, key, line=error.line)


def _style(maps: Maps) -> Style | None:
    corefile = (maps.get("coredns") or {}).get(COREFILE)
    if maps.get("coredns-custom") is not None and (corefile is None or custom.imported(corefile)):
        return "coredns-custom"
    if maps.get("coredns") is not None:
        return "coredns"
    return "kube-dns" if maps.get("kube-dns") is not None else None


def _coredns(maps: Maps, upstream: Upstream) -> Plan:
    data = maps.get("coredns")
    if data is None or COREFILE not in data:
        return Plan("coredns", (), (_missing("coredns", "" if data is None else COREFILE),))
    if any(key in (maps.get("coredns-custom") or {}) for key in (custom.SERVER, custom.OVERRIDE)):
        # CoreDNS does not load the same block twice
        return Plan("coredns", not_to_have({"coredns-custom": maps["coredns-custom"]}, upstream).changes)
    try:
        text = coredns.with_mesh(data[COREFILE], upstream)
        warnings = coredns.warnings(data[COREFILE], upstream)
    except NotWritten as error:
        raise _InMap("coredns", COREFILE, error) from error
    problems = tuple(_problem(warning, "coredns", COREFILE, severity="warning") for warning in warnings)
    return Plan("coredns", _change("coredns", data, {COREFILE: text}), problems)


def _custom(maps: Maps, upstream: Upstream) -> Plan:
    data = maps.get("coredns-custom")
    corefile = (maps.get("coredns") or {}).get(COREFILE, "")
    if is_marked(corefile):
        # CoreDNS does not load the same block twice
        return Plan("coredns-custom", not_to_have({"coredns": maps["coredns"]}, upstream).changes)
    try:
        custom.refuse_others(data or {}, corefile)
    except NotWritten as error:
        raise _InMap("coredns-custom", "", error) from error
    problems: tuple[Problem, ...] = ()
    if corefile and not custom.imported(corefile):
        text = "nothing in it imports *.server and *.override of coredns-custom, so what is written there has no effect"
        problems = (_problem(text, "coredns", COREFILE, severity="warning"),)
    elsewhere = custom.zones_elsewhere(data or {}, corefile, upstream)
    problems += tuple(
        _problem(
            coredns.zone_taken(zone), *(("coredns-custom", key) if key else ("coredns", COREFILE)), severity="warning"
        )
        for zone, key in elsewhere.items()
    )
    wanted = custom.keys(upstream, corefile, elsewhere)
    if data is None:
        return Plan("coredns-custom", (Change("coredns-custom", wanted, create=True),), problems)
    return Plan("coredns-custom", _change("coredns-custom", data, wanted), problems)


def _kube_dns(maps: Maps, upstream: Upstream) -> Plan:
    data = maps.get("kube-dns")
    if data is None:
        return Plan("kube-dns", (), (_missing("kube-dns"),))
    try:
        text = kube_dns.with_mesh(data.get(kube_dns.KEY, ""), upstream)
    except NotWritten as error:
        raise _InMap("kube-dns", kube_dns.KEY, error) from error
    problems = tuple(
        _problem(warning, "kube-dns", kube_dns.KEY, severity="warning") for warning in kube_dns.warnings(text, upstream)
    )
    return Plan("kube-dns", _change("kube-dns", data, {kube_dns.KEY: text}), problems)


def _without(name: str, data: Data, upstream: Upstream) -> Iterator[tuple[str, str | None]]:
    """The keys of one ConfigMap that have nodeproxy's lines, and their texts without them."""
    key = {"coredns": COREFILE, "kube-dns": kube_dns.KEY}.get(name)
    if key is None:
        yield from ((ours, None) for ours in (custom.SERVER, custom.OVERRIDE) if ours in data)
    elif key in data:
        try:
            text = coredns.without_mesh(data[key]) if key == COREFILE else kube_dns.without_mesh(data[key], upstream)
        except NotWritten as error:
            raise _InMap(name, key, error) from error
        if text != data[key]:
            yield key, None if key == kube_dns.KEY and not text else text


def _change(name: str, data: Data, wanted: Data) -> tuple[Change, ...]:
    different = {key: text for key, text in wanted.items() if data.get(key) != text}
    return (Change(name, different),) if different else ()


def _missing(name: str, key: str = "") -> Problem:
    what = f"there is no {key} in it" if key else "there is no such ConfigMap"
    return _problem(f"{what}: set the cluster's DNS by --style", name)


def _problem(message: str, name: str, key: str = "", *, line: int = 0, severity: Severity = "error") -> Problem:
    path: Path = ("data", key) if key else ()
    return Problem(message, subject=f"ConfigMap {NAMESPACE}/{name}", path=path, line=line or None, severity=severity)

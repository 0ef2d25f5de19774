"""kube-dns, as on GKE: adds an entry per zone to the JSON object `stubDomains` of its ConfigMap.

kube-dns cannot resolve `<service>.mesh` in the caller's namespace: the node resolves it in its default namespace.
"""

import json

import msgspec

from discovery.cluster_dns.coredns import NotWritten
from discovery.cluster_dns.texts import Upstream
from nodeproxy.mesh.names import ZONE

KEY = "stubDomains"


def with_mesh(text: str, upstream: Upstream) -> str:
    """The value `text` of the key with nodeproxy's entries; all other bytes stay unchanged.

    Raises:
        NotWritten: it is not a JSON object, or has another entry for the zone.
    """
    entries = _entries(text)
    if ZONE in entries:
        _refuse_others(entries[ZONE], upstream)
    zones = upstream.zones()
    for stale in [zone for zone in entries if _is_ours(entries, zone, upstream) and zone not in zones]:
        text = _cut(text, stale, upstream)
    new = ", ".join(_entry(zone, upstream) for zone in zones if zone not in entries)
    if not new:
        return text
    if not text.strip():
        return f"{{{new}}}"
    start = text.index("{") + 1
    return f"{text[:start]}{new}{', ' if _entries(text) else ''}{text[start:]}"


def warnings(text: str, upstream: Upstream) -> list[str]:
    """Warnings about a value that `with_mesh` returned: further zones with the servers of another author."""
    entries = _entries(text)
    return [
        f"its entry for {zone} is {entries[zone]}, not nodeproxy's {upstream.address}, such as Traefik Mesh's, which "
        f"goes on answering; take it out (uninstall Traefik Mesh), then the mesh answers"
        for zone in upstream.also_zones
        if zone in entries and not _is_ours(entries, zone, upstream)
    ]


def without_mesh(text: str, upstream: Upstream) -> str:
    """The value `text` without nodeproxy's entries, "" if there is no other.

    Raises:
        NotWritten: it is not a JSON object.
    """
    entries = _entries(text)
    for zone in [zone for zone in entries if _is_ours(entries, zone, upstream)]:
        text = _cut(text, zone, upstream)
    return text


def _cut(text: str, zone: str, upstream: Upstream) -> str:
    """`text` without the entry for a zone, "" if there is no other."""
    entries = _entries(text)
    del entries[zone]
    if not entries:
        return ""
    cut = text.replace(f"{_entry(zone, upstream)}, ", "", 1)
    # nodeproxy's entry, since reformatted by another writer
    return cut if cut != text and _entries(cut) == entries else json.dumps(entries)


def _is_ours(entries: dict[str, object], zone: str, upstream: Upstream) -> bool:
    """Whether an entry is nodeproxy's: no other server has the node's address."""
    return entries[zone] == [upstream.address]


def _entry(zone: str, upstream: Upstream) -> str:
    return f'"{zone}": ["{upstream.address}"]'


def _refuse_others(value: object, upstream: Upstream) -> None:
    if value != [upstream.address]:
        raise NotWritten(f"its entry for {ZONE} is {value}, not nodeproxy's {upstream.address}: take it out")


def _entries(text: str) -> dict[str, object]:
    try:
        return msgspec.json.decode(text, type=dict[str, object]) if text.strip() else {}
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotWritten(f"not a JSON object: {error}; mend it") from error

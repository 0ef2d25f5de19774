"""kube-dns, as on GKE: adds an entry to the JSON object `stubDomains` of its ConfigMap.

kube-dns cannot resolve `<service>.mesh` in the caller's namespace: the node resolves it in its default namespace.
"""

import json

import msgspec

from discovery.cluster_dns.coredns import NotWritten
from discovery.cluster_dns.texts import Upstream
from nodeproxy.mesh.names import ZONE

KEY = "stubDomains"


def with_mesh(text: str, upstream: Upstream) -> str:
    """The value `text` of the key with nodeproxy's entry; all other bytes stay unchanged.

    Raises:
        NotWritten: it is not a JSON object, or has another entry for the zone.
    """
    entries = _entries(text)
    if ZONE in entries:
        _refuse_others(entries[ZONE], upstream)
        return text
    entry = _entry(upstream)
    if not text.strip():
        return f"{{{entry}}}"
    start = text.index("{") + 1
    return f"{text[:start]}{entry}{', ' if entries else ''}{text[start:]}"


def without_mesh(text: str, upstream: Upstream) -> str:
    """The value `text` without nodeproxy's entry, "" if there is no other.

    Raises:
        NotWritten: it is not a JSON object.
    """
    entries = _entries(text)
    if entries.get(ZONE) != [upstream.address]:
        return text
    del entries[ZONE]
    if not entries:
        return ""
    cut = text.replace(f"{_entry(upstream)}, ", "", 1)
    # nodeproxy's entry, since reformatted by another writer
    return cut if cut != text and _entries(cut) == entries else json.dumps(entries)


def _entry(upstream: Upstream) -> str:
    return f'"{ZONE}": ["{upstream.address}"]'


def _refuse_others(value: object, upstream: Upstream) -> None:
    if value != [upstream.address]:
        raise NotWritten(f"its entry for {ZONE} is {value}, not nodeproxy's {upstream.address}: take it out")


def _entries(text: str) -> dict[str, object]:
    try:
        return msgspec.json.decode(text, type=dict[str, object]) if text.strip() else {}
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotWritten(f"not a JSON object: {error}; mend it") from error

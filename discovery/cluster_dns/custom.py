"""The ConfigMap `coredns-custom`, as AKS and k3s have it: files that the provider's own Corefile imports.

Keys that end in `.server` are server blocks, those that end in `.override` are directives of the block of the cluster's
names. nodeproxy writes its own keys and only reads the others.
"""

from collections.abc import Container, Mapping

from discovery.cluster_dns.coredns import NotWritten, domains_of, ports_of, refuse_own_zone, taken
from discovery.cluster_dns.corefile import Block, NotACorefile, parse
from discovery.cluster_dns.marks import marked
from discovery.cluster_dns.texts import Upstream, own_namespace, server_block

SERVER, OVERRIDE = "nodeproxy.server", "nodeproxy.override"


def keys(upstream: Upstream, corefile: str, elsewhere: Container[str] = ()) -> dict[str, str]:
    """nodeproxy's keys and texts; domain and port are read from `corefile`, which imports them ("" if unknown).

    Zones in `elsewhere` have a block of another author, see `zones_elsewhere`.
    """
    blocks = [block for block in _blocks(corefile) if block.having("kubernetes")]
    domains = dict.fromkeys(domain for block in blocks for domain in domains_of(block)) or {
        upstream.cluster_domain: None
    }
    return {
        SERVER: marked(server_block(upstream, ports_of(blocks) or ["53"], [], elsewhere)),
        OVERRIDE: marked([line for domain in domains for line in own_namespace(domain)]),
    }


def imported(corefile: str) -> bool:
    """Whether a Corefile imports both kinds of keys of `coredns-custom`."""
    paths = [
        path for block in _blocks(corefile) for directive in block.having("import") for path in directive.arguments
    ]
    return all(any(path.endswith(end) for path in paths) for end in (".server", ".override"))


def refuse_others(data: Mapping[str, str], corefile: str) -> None:
    """Refuses server blocks for the mesh's zone in other keys.

    Raises:
        NotWritten: there is one.
    """
    refuse_own_zone(_blocks(corefile))
    for key, text in data.items():
        if key.endswith(".server") and key != SERVER:
            try:
                refuse_own_zone(_blocks(text))
            except NotWritten as error:
                raise NotWritten(f"{key}: {error}", error.line) from error


def zones_elsewhere(data: Mapping[str, str], corefile: str, upstream: Upstream) -> dict[str, str]:
    """The further zones that have a server block of another author, with the key of each ("" for the Corefile)."""
    texts = {key: text for key, text in data.items() if key.endswith(".server") and key != SERVER}
    return {zone: key for key, text in {"": corefile, **texts}.items() for zone in taken(_blocks(text), upstream)}


def _blocks(text: str) -> tuple[Block, ...]:
    """The blocks of a text of another author; none if it cannot be parsed."""
    try:
        return parse(text)
    except NotACorefile:
        return ()

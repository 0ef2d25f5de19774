"""The mesh's part of the Corefile in CoreDNS' own ConfigMap.

Inserts the zone's server block at the beginning and, before the directive `kubernetes`, the lines that resolve
`<service>.mesh` in the caller's namespace. All other bytes stay unchanged; a Corefile that cannot be parsed is not
changed.
"""

import re
from collections.abc import Sequence

from discovery.cluster_dns.corefile import Block, NotACorefile, Word, parse, zones_of
from discovery.cluster_dns.marks import Damaged, marked, without_marked
from discovery.cluster_dns.texts import Upstream, own_namespace, server_block
from nodeproxy.mesh.names import ZONE

_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")


class NotWritten(ValueError):
    """The text is left unchanged: the reason, the cure and the line (0: unknown)."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def with_mesh(text: str, upstream: Upstream) -> str:
    """The Corefile `text` with the mesh's part in place of an earlier one.

    Raises:
        NotWritten: it cannot be parsed, or has another server block for the zone.
    """
    base = without_mesh(text)
    blocks = _parsed(base)
    refuse_own_zone(blocks)
    if base.startswith("\ufeff"):
        raise NotWritten("it begins with a byte order mark: save it without", 1)
    new = _inserted(base, blocks, upstream)
    if len(_parsed(new)) != len(blocks) + 1:  # no known case leads here; a broken Corefile would stop the cluster's DNS
        raise NotWritten("the mesh's part does not fit into it: please report this Corefile")
    return new


def without_mesh(text: str) -> str:
    """The Corefile `text` without the mesh's part.

    Raises:
        NotWritten: the part's begin or end cannot be found.
    """
    try:
        return without_marked(text)
    except Damaged as error:
        raise NotWritten(f"{error}: take the lines of nodeproxy out by hand", error.line) from error


def taken(blocks: Sequence[Block], upstream: Upstream) -> list[str]:
    """The further zones that have a server block of another author: CoreDNS does not load a second one."""
    return [zone for zone in upstream.also_zones if any(zone == other for other, _ in zones_of(blocks))]


def zone_taken(zone: str) -> str:
    """The warning about a zone in `taken`."""
    return (
        f"it has a server block for {zone} that is not nodeproxy's, such as Traefik Mesh's: its author goes on "
        f"answering for {zone}; take it out (uninstall Traefik Mesh), then the mesh answers"
    )


def warnings(text: str, upstream: Upstream) -> list[str]:
    """Warnings about a Corefile that has the mesh's part or will have it."""
    blocks = _parsed(without_mesh(text))
    names = {directive.name for block in blocks for directive in block.directives}
    found = [zone_taken(zone) for zone in taken(blocks, upstream)]
    if "kubernetes" not in names:
        found.append(
            f"no `kubernetes` in it, unless it is imported: <service>.{ZONE} does not mean the caller's namespace; "
            f"write that directive into this Corefile"
        )
    if not names & {"reload", "import"}:
        found.append(
            "without `reload` in it CoreDNS does not notice a change: add it, or "
            "kubectl --namespace=kube-system rollout restart deployment coredns"
        )
    return found


def refuse_own_zone(blocks: Sequence[Block]) -> None:
    """Refuses a server block or a cluster domain that is the mesh's zone.

    Raises:
        NotWritten: there is one; CoreDNS does not load a second.
    """
    cure = f"take it out, then the mesh answers for {ZONE}."
    for zone, line in zones_of(blocks):
        if zone == ZONE:
            raise NotWritten(f"it has a server block for {ZONE} that is not nodeproxy's: {cure}", line)
    for block in blocks:
        for directive in block.having("kubernetes"):
            if any(zone.rstrip(".").lower() == ZONE for zone in directive.arguments):
                raise NotWritten(f"{ZONE} is the domain of the cluster itself", directive.words[0].line)


def domains_of(block: Block) -> list[str]:
    """The cluster domains, without reverse zones, that the directives `kubernetes` of a block serve."""
    found: dict[str, None] = {}
    for directive in block.having("kubernetes"):
        zones = directive.arguments or [key.zone for key in block.keys]
        names = (zone.rstrip(".").lower() for zone in zones)
        found |= dict.fromkeys(name for name in names if _DOMAIN.fullmatch(name) and not name.endswith(".arpa"))
    return list(found)


def ports_of(blocks: Sequence[Block]) -> list[str]:
    """The ports at which these blocks serve plain DNS; "" for CoreDNS' default."""
    return list(dict.fromkeys(key.port for block in blocks for key in block.keys if key.scheme == "dns"))


def _parsed(text: str) -> tuple[Block, ...]:
    try:
        return parse(text)
    except NotACorefile as error:
        raise NotWritten(f"{error}: mend it, CoreDNS would not load it or it cannot be added to", error.line) from error


def _inserted(text: str, blocks: Sequence[Block], upstream: Upstream) -> str:
    serving = [block for block in blocks if block.having("kubernetes")]
    binds = [_source(text, bind.words) for block in serving[:1] for bind in block.having("bind")]
    new = text
    for block in reversed(serving):
        if domains := domains_of(block):
            start, indent = _line_of(text, block.having("kubernetes")[0].words[0])
            lines = [line for domain in domains for line in own_namespace(domain)]
            new = new[:start] + marked(lines, indent) + new[start:]
    # a snippet has no port: then the ports of the blocks that may import it
    ports = ports_of(serving) or ports_of(blocks) or [""]
    return marked(server_block(upstream, ports, binds, taken(blocks, upstream))) + new


def _line_of(text: str, word: Word) -> tuple[int, str]:
    """The start of the line of `word`, and its indentation."""
    start = text.rfind("\n", 0, word.start) + 1
    indent = text[start : word.start]
    if indent.strip():
        raise NotWritten(f"{word.text} shares its line with something else: give it a line of its own", word.line)
    return start, indent


def _source(text: str, words: Sequence[Word]) -> str:
    """A directive as written in the text."""
    return text[words[0].start : words[-1].end]

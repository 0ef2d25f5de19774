"""CoreDNS' own ConfigMap: the mesh's part of a Corefile that belongs to somebody else.

Put before everything else: the server block of the zone; before the directive `kubernetes`: what makes `<service>.mesh`
mean the caller's namespace. All other bytes stay as they are, and a Corefile that is not understood is left alone.
"""

import re
from collections.abc import Sequence

from discovery.cluster_dns.corefile import Block, NotACorefile, Word, parse, zones_of
from discovery.cluster_dns.marks import Damaged, marked, without_marked
from discovery.cluster_dns.texts import Upstream, own_namespace, server_block
from nodeproxy.mesh.names import ZONE

_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")


class NotWritten(ValueError):
    """The text is left as it is: why, what to do, and in which line (0: nowhere in particular)."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def with_mesh(text: str, upstream: Upstream) -> str:
    """The Corefile `text` with the mesh's part, and nothing of an earlier one.

    Raises:
        NotWritten: it is not understood, or has a block for the zone already.
    """
    base = without_mesh(text)
    blocks = _parsed(base)
    refuse_own_zone(blocks)
    if base.startswith("\ufeff"):
        raise NotWritten("it begins with a byte order mark: save it without", 1)
    new = _inserted(base, blocks, upstream)
    if len(_parsed(new)) != len(blocks) + 1:  # nothing known leads here; a broken Corefile would end the cluster's DNS
        raise NotWritten("the mesh's part does not fit into it: please report this Corefile")
    return new


def without_mesh(text: str) -> str:
    """The Corefile `text` without the mesh's part.

    Raises:
        NotWritten: it cannot be told where that begins or ends.
    """
    try:
        return without_marked(text)
    except Damaged as error:
        raise NotWritten(f"{error}: take the lines of nodeproxy out by hand", error.line) from error


def warnings(text: str) -> list[str]:
    """What an operator has to know of a Corefile that is written or about to be."""
    blocks = _parsed(without_mesh(text))
    names = {directive.name for block in blocks for directive in block.directives}
    found = []
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
    """Look for a server block or a cluster domain that is the mesh's zone.

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
    """The cluster domains, without those of addresses, that the directives `kubernetes` of a block serve."""
    found: dict[str, None] = {}
    for directive in block.having("kubernetes"):
        zones = directive.arguments or [key.zone for key in block.keys]
        names = (zone.rstrip(".").lower() for zone in zones)
        found |= dict.fromkeys(name for name in names if _DOMAIN.fullmatch(name) and not name.endswith(".arpa"))
    return list(found)


def ports_of(blocks: Sequence[Block]) -> list[str]:
    """The ports at which these blocks answer plain DNS; "" for CoreDNS' own."""
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
    # a snippet has no port of its own: then those of whoever may import it
    ports = ports_of(serving) or ports_of(blocks) or [""]
    return marked(server_block(upstream, ports, binds)) + new


def _line_of(text: str, word: Word) -> tuple[int, str]:
    """Where the line of `word` begins, and what it is indented by."""
    start = text.rfind("\n", 0, word.start) + 1
    indent = text[start : word.start]
    if indent.strip():
        raise NotWritten(f"{word.text} shares its line with something else: give it a line of its own", word.line)
    return start, indent


def _source(text: str, words: Sequence[Word]) -> str:
    """A directive as it stands in the text."""
    return text[words[0].start : words[-1].end]

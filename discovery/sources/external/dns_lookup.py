"""Resolves a name by DNS with dnspython, and converts its errors to one."""

from ipaddress import ip_address
from typing import NamedTuple

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdata
import dns.resolver

from discovery.sources.external.names import Found, NotFound, Server

LIFETIME_S = 5.0  # of one query, over all servers; as resolv.conf's default

# dnspython takes what it has seen of class ANY for that type of class IN, unless it has seen that before: no answer may
# come first, or those after it would have no addresses.
for _kind, _any in (("A", "0.0.0.0"), ("AAAA", "::")):
    dns.rdata.from_text("IN", _kind, _any)


class _Part(NamedTuple):
    """The addresses of one family; if none, `ttl_s` has no meaning."""

    texts: tuple[str, ...] = ()
    ttl_s: float = float("inf")


async def look_up(name: str, server: Server | None) -> Found:
    """The addresses of `name`, A and AAAA, its CNAMEs followed; asked at `server`, or where /etc/resolv.conf says.

    Raises:
        NotFound: no such name, no address, or no answer.
    """
    try:
        resolver = _resolver(server)
        four = await _ask(resolver, name, "A")
        try:
            six = await _ask(resolver, name, "AAAA")
        except dns.exception.DNSException:
            if not four.texts:
                raise
            six = _Part()  # some servers do not answer for record types that a name lacks
    except dns.resolver.NXDOMAIN:
        raise NotFound("there is no such name") from None
    except (dns.exception.DNSException, OSError) as error:
        raise NotFound(_in_words(error)) from error
    if not four.texts and not six.texts:
        raise NotFound("the name has no address")
    return Found(tuple(ip_address(text) for text in (*four.texts, *six.texts)), min(four.ttl_s, six.ttl_s))


async def _ask(resolver: dns.asyncresolver.Resolver, name: str, kind: str) -> _Part:
    absolute = dns.name.from_text(name)  # no search path: an ExternalName is fully qualified
    try:
        answer = await resolver.resolve(absolute, kind, search=False)
    except dns.resolver.NoAnswer:
        return _Part()
    return _Part(tuple(sorted(record.address for record in answer)), answer.chaining_result.minimum_ttl)


def _resolver(server: Server | None) -> dns.asyncresolver.Resolver:
    """A resolver for one look-up, because /etc/resolv.conf may have changed since the last."""
    resolver = dns.asyncresolver.Resolver(configure=server is None)
    resolver.lifetime = LIFETIME_S
    if server is not None:
        resolver.nameservers, resolver.port = [server.address], server.port
    return resolver


def _in_words(error: Exception) -> str:
    """The kind of failure only: dnspython's own text has the elapsed time, so each would be a new problem."""
    if isinstance(error, dns.exception.Timeout):
        return "no DNS server answers in time"
    if isinstance(error, dns.resolver.NoNameservers):
        return "no DNS server has an answer"
    return f"it cannot be asked for: {type(error).__name__}"

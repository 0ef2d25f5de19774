"""What diagnose tries on the node itself: a DNS query, an address, connections to endpoints, a request. All bounded."""

import errno
import http.client
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

DNS_S = 2.0  # a node answers within milliseconds; an unsubscribed service keeps no query for A waiting
CONNECT_S = 1.0  # a second SYN has been sent by then
REQUEST_S = 10.0  # less than a client waits, longer than a subscription takes
ENDPOINTS_MOST = 8  # that are connected to, those out of use first
BODY_MOST = 400  # bytes of a refusal that are shown
Connected = Literal["connected", "refused", "timed out"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A DNS answer: its addresses, or why there is none."""

    server: str
    addresses: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Replied:
    """What has become of the probe request, or of the probe connection; a `problem` means that nothing came back."""

    what: str
    """Such as `GET /`."""
    status: int = 0
    """0 for a connection without HTTP."""
    reason: str = ""
    """The mesh's own, "" if the response is an endpoint's."""
    text: str = ""
    """The beginning of a body that the mesh wrote."""
    problem: str = ""
    elapsed_s: float = 0.0


def resolve(server: tuple[str, int], name: str, six: bool) -> Resolved:
    """Asks one DNS server for the addresses of `name`."""
    shown, kind = f"{server[0]}:{server[1]}", dns.rdatatype.AAAA if six else dns.rdatatype.A
    try:
        answer = dns.query.udp(dns.message.make_query(name, kind), server[0], DNS_S, server[1])
    except dns.exception.Timeout:
        return Resolved(shown, problem=f"does not answer within {DNS_S:g} s")
    except (OSError, dns.exception.DNSException) as error:
        return Resolved(shown, problem=f"cannot be asked: {error}")
    found = tuple(str(item) for rrset in answer.answer if rrset.rdtype == kind for item in rrset)
    if not found:
        return Resolved(shown, problem=f"answers {dns.rcode.to_text(answer.rcode())} without an address")
    return Resolved(shown, found)


def is_local(address: str) -> bool:
    """Whether `address` is one of this node's, as far as a process can tell without privileges."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def connect(address: tuple[str, int]) -> str:
    """`connected`, `refused`, `timed out`, or the kernel's own words."""
    try:
        with socket.create_connection(address, CONNECT_S):
            return "connected"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "timed out"
    except OSError as error:
        return (error.strerror or str(error)).lower()


def connect_all(addresses: Sequence[tuple[str, int]]) -> dict[str, str]:
    """`connect` for at most ENDPOINTS_MOST of `addresses`, all at once; by `host:port`."""
    some = addresses[:ENDPOINTS_MOST]
    with ThreadPoolExecutor(ENDPOINTS_MOST) as pool:
        return dict(zip((shown(each) for each in some), pool.map(connect, some), strict=True))


def request(listener: tuple[str, int], authority: str, path: str) -> Replied:
    """Sends `GET path` for `authority` through the node's listener."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(*listener, timeout=REQUEST_S)
    try:
        connection.request("GET", path, headers={"Host": authority, "User-Agent": "nodeproxy-diagnose"})
        answer = connection.getresponse()
        text = answer.read(BODY_MOST).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return Replied(f"GET {path}", problem=f"{shown(listener)}: {error or type(error).__name__}")
    finally:
        connection.close()
    reason = answer.headers.get("x-mesh-error", "")
    return Replied(f"GET {path}", answer.status, reason, text if reason else "", "", time.monotonic() - began)


def connection(address: tuple[str, int]) -> Replied:
    """Connects to a port without HTTP at the service's own address, and waits for a moment whether it is ended."""
    what, began = f"a connection to {shown(address)}", time.monotonic()
    try:
        with socket.create_connection(address, REQUEST_S) as sock:
            sock.settimeout(CONNECT_S)
            try:
                ended = not sock.recv(1)
            except TimeoutError:  # both sides wait for the other: the connection is open
                ended = False
    except OSError as error:
        return Replied(what, problem=f"{what}: {(error.strerror or str(error)).lower()}")
    elapsed_s = time.monotonic() - began
    return Replied(what, problem=f"{what} was closed without a byte" if ended else "", elapsed_s=elapsed_s)


def shown(address: tuple[str, int]) -> str:
    """Host and port as in a URL."""
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"

"""Which protocol a client speaks where a listener serves several: recognised by the client's first bytes.

HTTP/1.1 is the only one without a preface, so a connection begins as HTTP/1.1 and no client waits to be recognised.
Only first bytes that are no HTTP/1.1 request are looked up here. Source: RFC 9113, 3.3 and 3.4 (prior knowledge).
"""

from collections.abc import Mapping

from nodeproxy.downstream.connection import Accept
from nodeproxy.protocol.tls.client_hello import HANDSHAKE

TLS_PREFACE = bytes((HANDSHAKE,))


def recognised(received: bytes, prefaces: Mapping[bytes, Accept]) -> Accept | None:
    """What accepts a client whose first bytes are `received`; None where they begin none of `prefaces`."""
    for preface, accept in prefaces.items():
        if received.startswith(preface):
            return accept
    return None


def without_tls(prefaces: Mapping[bytes, Accept]) -> Mapping[bytes, Accept]:
    """`prefaces` for a connection whose service is known: a name in TLS must not lead to a different one."""
    return {preface: accept for preface, accept in prefaces.items() if preface != TLS_PREFACE}

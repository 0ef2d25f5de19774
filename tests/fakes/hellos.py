"""Bytes of ClientHellos: what real clients send, and builders of odd ones."""

import ssl
from contextlib import suppress


def real(server_name, **options):
    """The first bytes of Python's own TLS client, with these attributes of its context."""
    context = ssl.create_default_context()
    context.check_hostname = False
    for name, value in options.items():
        setattr(context, name, value)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=server_name).do_handshake()
    return outgoing.read()


def vector(size, *parts):
    """A vector with a length of `size` bytes."""
    body = b"".join(parts)
    return len(body).to_bytes(size, "big") + body


def name(host, kind=0):
    """One name of a list."""
    return bytes((kind,)) + vector(2, host)


def names(*parts):
    """The extension server_name."""
    return extension(0, vector(2, *parts))


def extension(kind, data=b""):
    return kind.to_bytes(2, "big") + vector(2, data)


def hello(*extensions, version=b"\x03\x03", session=b"", suites=b"\x13\x01", compression=b"\0"):
    """The handshake message."""
    body = version + bytes(32) + vector(1, session) + vector(2, suites) + vector(1, compression)
    return b"\x01" + vector(3, body + vector(2, *extensions))


def record(fragment, kind=22, version=b"\x03\x01"):
    return bytes((kind,)) + version + vector(2, fragment)


def records(message, size):
    """The message in records of at most `size` bytes."""
    return b"".join(record(message[at : at + size]) for at in range(0, len(message), size))

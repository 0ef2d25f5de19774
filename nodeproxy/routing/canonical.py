"""The canonical path of a request: the one form that rules compare, whatever way a client has written it.

Only rules look at it. What is forwarded is the path as the client sent it, unless the rule rewrites it; a rewrite is
applied to the canonical path, and its result is forwarded.

Decoded once are the percent-encodings of visible ASCII, except those of `%`, `?` and `#`, which stay encoded, as all
other bytes do, with upper-case digits. Dot segments are resolved, and repeated slashes are one. A path that servers
read in different ways has no canonical form. Source: RFC 3986, 5.2.4 and 6.2.2.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

# Segments that are not empty, have no encoding, and do not begin as a dot segment does.
_SEGMENT = rb"/\.?+[!\"$&-\-0-:<->@-\[\]-~][!\"$&-.0->@-\[\]-~]*+"
_PLAIN = re.compile(rb"(?:(?:" + _SEGMENT + rb")+/?+|/)(?=\?|\Z)")
_READABLE = re.compile(rb"/[!-\"$-\[\]-~]*+")  # neither # nor a backslash, which some servers read as a slash
# Not an encoding at all, or that of a control byte, of a slash or of a backslash.
_UNSAFE = re.compile(rb"%(?![0-9A-Fa-f]{2})|%[01]|%2[fF]|%5[cC]|%7[fF]")
_TWICE = re.compile(rb"%25[0-9A-Fa-f]{2}")  # a second decoding would find more
_PARAMETER = re.compile(rb"/\.\.?;")  # `..;x` is a dot segment to servlet containers, and a name to all others
_PARAMETERS = re.compile(rb";[^/]*+")
_NOT_ASCII = re.compile(rb"%[89A-F]")
_SLASHES = re.compile(rb"/{2,}+")
NO_PATH = b"*"  # the target of `OPTIONS *`, which asks about the server as a whole
_DIGITS = "0123456789abcdefABCDEF"


def _once(digits: str) -> bytes:
    """What becomes of an encoding."""
    byte = bytes.fromhex(digits)
    return byte if b"!" <= byte <= b"~" and byte not in b"%?#" else b"%" + digits.upper().encode()


_ONCE = {(high + low).encode(): _once(high + low) for high in _DIGITS for low in _DIGITS}


def canonical(target: bytes) -> bytes | None:
    """The canonical path of a request's path and query. None if it cannot be normalised safely, and for `*`."""
    plain = _PLAIN.match(target)
    return _normalised(target.partition(b"?")[0]) if plain is None else plain[0]


def without_parameters(path: bytes) -> bytes | None:
    """A canonical path as servlet containers read it: `/a;x=1/b` is /a/b to them. None if it cannot be normalised."""
    return canonical(_PARAMETERS.sub(b"", path))


def _normalised(path: bytes) -> bytes | None:
    if _READABLE.fullmatch(path) is None or _UNSAFE.search(path) is not None:
        return None
    first, *encoded = path.split(b"%")
    decoded = b"".join([first, *(_ONCE[each[:2]] + each[2:] for each in encoded)])
    if _TWICE.search(decoded) is not None or _PARAMETER.search(decoded) is not None:
        return None
    if _NOT_ASCII.search(decoded) is not None and not _is_text(decoded):
        return None
    return _without_dots(decoded) if b"/." in decoded else _SLASHES.sub(b"/", decoded)


def _is_text(path: bytes) -> bool:
    """Whether the path is UTF-8. Overlong sequences are not: they are how a slash or a dot is smuggled in."""
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True


def _without_dots(path: bytes) -> bytes | None:
    """Without dot segments and repeated slashes."""
    segments = path.split(b"/")[1:]
    resolved = _resolved(filter(None, segments))
    # `/a//../b` is /b to a server that joins slashes first, and /a/b to one that resolves dot segments first.
    if resolved != [each for each in _resolved(segments) if each]:
        return None
    directory = segments[-1] in (b"", b".", b"..") and resolved
    return b"/" + b"/".join(resolved) + (b"/" if directory else b"")


def _resolved(segments: Iterable[bytes]) -> list[bytes]:
    """Without dot segments. One that would leave the root has no effect."""
    kept: list[bytes] = []
    for segment in segments:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    return kept

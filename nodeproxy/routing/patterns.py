"""Regular expressions that operators write, in RE2's syntax: matching takes time linear in the text, whatever they are.

RE2 is imported when the first pattern is compiled: it takes 2.4 MB, and most tables have none.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re2

MEMORY_BYTES = 128 * 1024  # of one pattern and the states that requests make it visit; a fuller cache is only slower
PATTERNS_MOST = 1024  # compiled ones that are kept, for the tables that share them
PLACES_MOST = 64  # of one path that a rewrite replaces: each costs microseconds
GROUPS_MOST = 16  # references to groups in one replacement, each of which may be as long as the path

_TEXT = re.compile(r"[!\"$->@-\[\]-~]+")
_REFERENCE = re.compile(r"(\\[0-9])")


class PatternRefused(ValueError):
    """A pattern that does not compile, or a replacement that does not fit it; the text says which and why."""


class TooManyPlaces(ValueError):
    """A text has more than `PLACES_MOST` places that a substitution would replace."""


@lru_cache(maxsize=PATTERNS_MOST)
def full_match(pattern: str) -> Callable[[bytes], bool]:
    """Whether a text as a whole matches `pattern`.

    Raises:
        PatternRefused: `pattern` is no pattern of RE2, or a too large one.
    """
    matched = _compiled(pattern, captures=False).fullmatch
    return lambda text: matched(text) is not None


@lru_cache(maxsize=PATTERNS_MOST)
def substitution(pattern: str, replacement: str) -> Callable[[bytes], bytes]:
    r"""Replaces all that matches `pattern`; in `replacement`, `\1` is the first group and `\0` all that has matched.

    What it returns raises TooManyPlaces.

    Raises:
        PatternRefused: as `full_match`; or `replacement` names a group that the pattern lacks, or is no part of a path.
    """
    compiled = _compiled(pattern, captures=True)
    pieces = _pieces(replacement, compiled.groups)

    def replaced(text: bytes) -> bytes:
        result: list[bytes] = []
        end = 0
        for count, place in enumerate(islice(compiled.finditer(text), PLACES_MOST + 1), 1):
            if count > PLACES_MOST:
                raise TooManyPlaces(f"more than {PLACES_MOST} places match {pattern!r}")
            result.append(text[end : place.start()])
            result += [piece if isinstance(piece, bytes) else place[piece] or b"" for piece in pieces]
            end = place.end()
        return b"".join([*result, text[end:]])

    return replaced


def _compiled(pattern: str, captures: bool) -> "re2._Regexp":
    import re2

    options = re2.Options()
    options.max_mem = MEMORY_BYTES
    options.log_errors = False
    options.never_capture = not captures  # without captures a text is read once, at 2 ns a byte
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        raise PatternRefused(f"{pattern!r} is not a pattern of RE2: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _pieces(replacement: str, groups: int) -> list[bytes | int]:
    """Texts, and numbers of groups."""
    pieces: list[bytes | int] = []
    for piece in filter(None, _REFERENCE.split(replacement)):
        if _REFERENCE.fullmatch(piece) is None:
            if _TEXT.fullmatch(piece) is None:
                raise PatternRefused(
                    rf"{replacement!r} is no part of a path: visible ASCII without ? # and \, groups \0 to \9"
                )
            pieces.append(piece.encode())
        elif int(piece[1]) > groups:
            raise PatternRefused(f"{replacement!r} refers to group {piece[1]}, the pattern has {groups} in parentheses")
        else:
            pieces.append(int(piece[1]))
    if sum(isinstance(piece, int) for piece in pieces) > GROUPS_MOST:
        raise PatternRefused(f"{replacement!r} has more than {GROUPS_MOST} references to groups")
    return pieces

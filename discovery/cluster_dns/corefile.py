"""Parses a Corefile to its server blocks and their directives.

Parses as CoreDNS does, its quirks included, and changes nothing: words have their offsets in the text. Does not follow
imports. Source: coredns/caddy, caddyfile/lexer.go and parse.go (1.8 to 1.13 parse alike).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Go's unicode.IsSpace; the lexer ignores carriage returns everywhere.
_SPACE = "\t\n\v\f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WORD = re.compile(
    rf"""[{_SPACE}\r]+
    |\#[^\n]*                                        # a comment, where a word would begin
    |"(?P<quoted>(?:[^"\\]|\\.)*)"
    |(?P<bare>[^{_SPACE}\r\#"][^{_SPACE}\#]*)        # further quotation marks are characters as others
     (?:\#[^{_SPACE}]*)?                             # here a comment ends with the next space""",
    re.VERBOSE | re.DOTALL,
)
_KEY = re.compile(r"(?:(?P<scheme>\w+)://)?(?P<zone>[^:/]*?)\.?(?::(?P<port>[0-9]+))?")


class NotACorefile(ValueError):
    """CoreDNS would refuse it, or it cannot be changed safely; `line` (from 1) is the place."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Word(NamedTuple):
    """A word, its offsets in the text, and its first and last line."""

    text: str
    start: int
    end: int
    line: int
    last_line: int


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive of a server block: its words, including those in its braces."""

    words: tuple[Word, ...]

    @property
    def name(self) -> str:
        """The name: a plugin, or `import`."""
        return self.words[0].text

    @property
    def arguments(self) -> list[str]:
        """The words after the name, up to an opening brace."""
        texts = [word.text for word in self.words[1:]]
        return texts[: texts.index("{")] if "{" in texts else texts


class Key(NamedTuple):
    """A key of a server block: zone and port; address ranges are left out."""

    scheme: str
    zone: str
    """Lower case, without the last dot: "" is the root."""
    port: str
    """"" if the block has none: then CoreDNS' flag applies."""


@dataclass(frozen=True, slots=True)
class Block:
    """A server block, a snippet (its key is in parentheses) or, without keys, an import between the blocks."""

    words: tuple[Word, ...]
    directives: tuple[Directive, ...]

    @property
    def keys(self) -> list[Key]:
        """Its keys; none for a snippet."""
        if self.words and self.words[0].text.startswith("("):
            return []
        found = (_KEY.fullmatch(word.text.rstrip(",")) for word in self.words)
        return [Key(key["scheme"] or "dns", key["zone"].lower(), key["port"] or "") for key in found if key]

    @property
    def line(self) -> int:
        """Its first line."""
        return (self.words or self.directives[0].words)[0].line

    def having(self, name: str) -> list[Directive]:
        """Its directives of this name."""
        return [directive for directive in self.directives if directive.name == name]


def parse(text: str) -> tuple[Block, ...]:
    """The blocks of `text`.

    Raises:
        NotACorefile: CoreDNS would refuse it, or a server block has no braces (only a lone one may lack them).
    """
    rest = list(reversed(list(_words(text))))
    blocks = []
    while rest:
        blocks.append(_block(rest))
    return tuple(blocks)


def zones_of(blocks: Sequence[Block]) -> Iterator[tuple[str, int]]:
    """Every zone that has a server block, and the block's first line."""
    for block in blocks:
        for key in block.keys:
            yield key.zone, block.line


def _words(text: str) -> Iterator[Word]:
    at, line = 0, 1
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            raise NotACorefile("a quotation mark that is not closed", line)
        last_line = line + match[0].count("\n")
        if match["bare"] is not None:
            yield Word(match["bare"].replace("\r", ""), at, match.end("bare"), line, last_line)
        elif match["quoted"] is not None:
            yield Word(match["quoted"].replace('\\"', '"'), at, match.end(), line, last_line)
        at, line = match.end(), last_line


# Each of the functions below pops words from the end of `rest`, which is reversed.


def _block(rest: list[Word]) -> Block:
    if rest[-1].text == "import":
        return Block((), (_directive(rest),))
    keys: list[Word] = []
    while rest and rest[-1].text != "{":
        if keys and rest[-1].line > keys[-1].last_line and not keys[-1].text.endswith(","):
            raise NotACorefile(f"the server block {keys[0].text} has no braces", keys[0].line)
        keys.append(rest.pop())
    if not rest:
        raise NotACorefile(f"the server block {keys[0].text} has no braces", keys[0].line)
    opened = rest.pop()
    directives = []
    while rest and rest[-1].text != "}":
        directives.append(_directive(rest))
    if not rest:
        raise NotACorefile("a brace that is not closed", opened.line)
    rest.pop()
    if not keys:
        raise NotACorefile("a server block without a zone", opened.line)
    return Block(tuple(keys), tuple(directives))


def _directive(rest: list[Word]) -> Directive:
    words = [rest.pop()]
    nesting: list[Word] = []
    while rest and (nesting or rest[-1].text == "{" or rest[-1].line == words[-1].last_line):
        words.append(rest.pop())
        if words[-1].text == "{":
            nesting.append(words[-1])
        elif words[-1].text == "}":
            if not nesting:
                raise NotACorefile("a closing brace on the line of a directive", words[-1].line)
            nesting.pop()
    if nesting:
        raise NotACorefile("a brace that is not closed", nesting[-1].line)
    return Directive(tuple(words))

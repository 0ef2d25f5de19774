"""A Corefile as far as it has to be understood: which server blocks there are, and which directives they have.

Reads what CoreDNS reads, its quirks included, and changes nothing: offsets tell where something stands in the text.
What a file imports is not seen. Source: coredns/caddy, caddyfile/lexer.go and parse.go (1.8 to 1.13 read alike).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# What Go's unicode.IsSpace separates words by; a carriage return it ignores, wherever it is.
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
    """CoreDNS would not read it, or we cannot change it safely; `line` (from 1) says where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Word(NamedTuple):
    """A word of the text, where it stands, and on which lines it begins and ends."""

    text: str
    start: int
    end: int
    line: int
    last_line: int


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive of a server block: its words, those in its braces included."""

    words: tuple[Word, ...]

    @property
    def name(self) -> str:
        """What it is: a plugin, or `import`."""
        return self.words[0].text

    @property
    def arguments(self) -> list[str]:
        """The words behind the name, up to an opening brace."""
        texts = [word.text for word in self.words[1:]]
        return texts[: texts.index("{")] if "{" in texts else texts


class Key(NamedTuple):
    """What a server block is for; ranges of addresses are left out."""

    scheme: str
    zone: str
    """Lower case, without the last dot: "" is the root."""
    port: str
    """"" where the block does not say, and CoreDNS' own flag decides."""


@dataclass(frozen=True, slots=True)
class Block:
    """A server block, a snippet (its key stands in parentheses) or, without keys, an import between the blocks."""

    words: tuple[Word, ...]
    directives: tuple[Directive, ...]

    @property
    def keys(self) -> list[Key]:
        """What it is for; nothing for a snippet."""
        if self.words and self.words[0].text.startswith("("):
            return []
        found = (_KEY.fullmatch(word.text.rstrip(",")) for word in self.words)
        return [Key(key["scheme"] or "dns", key["zone"].lower(), key["port"] or "") for key in found if key]

    @property
    def line(self) -> int:
        """Where it begins."""
        return (self.words or self.directives[0].words)[0].line

    def having(self, name: str) -> list[Directive]:
        """Its directives of this name."""
        return [directive for directive in self.directives if directive.name == name]


def parse(text: str) -> tuple[Block, ...]:
    """The blocks of `text`.

    Raises:
        NotACorefile: CoreDNS would not read it, or a server block has no braces (only a lone one may lack them).
    """
    rest = list(reversed(list(_words(text))))
    blocks = []
    while rest:
        blocks.append(_block(rest))
    return tuple(blocks)


def zones_of(blocks: Sequence[Block]) -> Iterator[tuple[str, int]]:
    """Every zone that has a server block, and the line where that begins."""
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


# Each of the functions below takes words from the end of `rest`, which is in reverse.


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

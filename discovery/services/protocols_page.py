"""`python -m discovery.services.protocols_page FILE`: writes the tables of the code into docs/protocols.md."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from discovery.services.protocol_names import NUMBERS, PREFIXES, WORDS
from nodeproxy.mesh.model import Port, PortProtocol
from nodeproxy.policies.chain import CHAIN

_TCP = Port(0, protocol="tcp")
PROTOCOLS: Sequence[PortProtocol] = ("http", "http2", "tls", "tcp")  # those that words and numbers mean


def with_tables(page: str) -> str:
    """The page with all of its generated tables replaced.

    Raises:
        ValueError: the markers of a table are missing.
    """
    for name, text in _tables().items():
        found = re.search(rf"(?s)(?<=<!-- {name}:begin -->).*?(?=<!-- {name}:end -->)", page)
        if found is None:
            raise ValueError(f"no `<!-- {name}:begin -->` followed by `<!-- {name}:end -->`; put both back")
        page = page[: found.start()] + text + page[found.end() :]
    return page


def _tables() -> Mapping[str, str]:
    words = ((f"`{each}`", _of(each, WORDS)) for each in PROTOCOLS)
    numbers = ((str(number), f"`{known.protocol}`", known.name) for number, known in NUMBERS.items())
    return {
        "words": _table(("protocol", "appProtocol, or name before `-`"), words),
        "prefixes": _listed(sorted(PREFIXES), " "),
        "numbers": _table(("port number", "protocol", "of"), numbers),
        "connections": _listed([policy.name for policy in CHAIN if policy.acts_on(_TCP)], ", "),
    }


def _of(protocol: PortProtocol, words: Mapping[str, PortProtocol]) -> str:
    return _listed(sorted(word for word, means in words.items() if means == protocol), " ")


def _listed(words: Iterable[str], between: str) -> str:
    return between.join(f"`{word}`" for word in words)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"\n| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_tables(path.read_text()))
